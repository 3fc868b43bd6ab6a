"""Every command by name, without loading any: ``suan --help`` shows this table and no more."""

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A command: where it is ("module:attribute"), and what ``suan --help`` says of it."""

    target: str
    help: str
    section: str = "Server"


_JOBS, _POOLS, _SERVER, _HELP = "Jobs", "Pools and queues", "Server", "Help"


def _entry(section: str, module: str, help_text: str) -> Entry:
    return Entry(f"suan.cli.commands.{module}:{module}", help_text, section)


COMMANDS: Mapping[str, Entry] = {
    "run": _entry(_JOBS, "run", "Run a job, show its output, and exit as it exits."),
    "submit": _entry(_JOBS, "submit", "Put jobs in line and show their ids."),
    "queue": _entry(_JOBS, "queue", "List jobs that wait or run."),
    "why": _entry(_JOBS, "why", "Say why a job waits, and what would unblock it."),
    "show": _entry(_JOBS, "show", "Show a job: its spec, its runs and their reasons, its bill."),
    "logs": _entry(_JOBS, "logs", "Show a job's output."),
    "pull": _entry(_JOBS, "pull", "Bring back the files that a job has left."),
    "cancel": _entry(_JOBS, "cancel", "Cancel jobs."),
    "plan": _entry(_JOBS, "plan", "Say where a job would go, when, and at what cost."),
    "status": _entry(_POOLS, "status", "Show jobs, pools and the server at a glance."),
    "pool": _entry(_POOLS, "pool", "List, show, check, drain and undrain pools."),
    "queues": _entry(_POOLS, "queues", "List and set queues."),
    "tenants": _entry(_POOLS, "tenants", "List and set what tenants are entitled to and may hold."),
    "limits": _entry(_POOLS, "limits", "List and set what users may have."),
    "reservations": _entry(
        _POOLS, "reservations", "List, make and cancel reservations and maintenance windows."
    ),
    "peer": _entry(_POOLS, "peer", "Offer parts of pools to other owners' platforms."),
    "site": _entry(_POOLS, "site", "List the sites on the reference map."),
    "events": _entry(_POOLS, "events", "Show what happened."),
    "up": _entry(_SERVER, "up", "Start the platform on this machine."),
    "down": _entry(_SERVER, "down", "Stop the server on this machine; runs go on."),
    "token": _entry(_SERVER, "token", "Create, list and revoke access tokens."),
    "doctor": _entry(_HELP, "doctor", "Check this machine and the server."),
    "completion": _entry(_HELP, "completion", "Print the shell's completion script."),
}
