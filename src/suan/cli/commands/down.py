"""``suan down``: stop the server on this machine."""

import click

from suan.cli.connect import connect, json_option
from suan.cli.format import counted
from suan.cli.output import print_json, say
from suan.cli.process import Registered, record_path, registered
from suan.model.errors import SuanError


@click.command
@click.option("--timeout", type=int, default=30, show_default=True, help="Seconds to wait.")
@json_option
def down(timeout: int, as_json: bool) -> None:
    """Stop the server on this machine. Runs go on, and the next server takes them up."""
    there = registered()
    if there is None or not there.alive:
        record_path().unlink(missing_ok=True)
        _tell(None, 0, as_json)
        return
    running = _running(there)
    try:
        ended = there.end(timeout)
    except PermissionError as error:
        raise SuanError(
            f"the server (pid {there.pid}) belongs to another user",
            mend="ask its owner, or use that account",
        ) from error
    if not ended:
        raise SuanError(
            f"the server (pid {there.pid}) has not ended after {timeout} s",
            mend=f"see $SUAN_HOME/server.log; `kill -9 {there.pid}` loses nothing acknowledged",
        )
    _tell(there, running, as_json)


def _running(there: Registered) -> int:
    try:
        with connect(there.url, timeout_s=5.0) as client:
            return client.counts().get("running", 0)
    except SuanError:
        return 0  # it is only told; a server that cannot answer can still be stopped


def _tell(there: Registered | None, running: int, as_json: bool) -> None:
    if as_json:
        print_json({"stopped": there is not None, "running": running})
    elif there is None:
        say("no server runs here")
    else:
        runs = f"; {counted(running, 'job goes', 'jobs go')} on running" if running else ""
        say(f"stopped the server at {there.url}{runs}")
