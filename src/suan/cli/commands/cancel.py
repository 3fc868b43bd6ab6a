"""``suan cancel``: end jobs."""

import sys

import click

from suan.cli.connect import complete_job, connect, json_option
from suan.cli.format import counted
from suan.cli.output import print_json, say
from suan.model.errors import InputError


def _ask(question: str) -> None:
    """Go on if the person says so.

    Raises:
        InputError: nobody is there to ask.
        Abort: he says no.
    """
    if not sys.stdin.isatty():
        raise InputError(
            f"{question} Nobody is there to ask", where="arguments", mend="add --yes in a script"
        )
    click.confirm(question, abort=True, err=True)


@click.command
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_job)
@click.option("-y", "--yes", is_flag=True, help="Do not ask, however many.")
@json_option
def cancel(jobs: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Cancel each JOB. An array's id means all its unfinished members.

    A running job gets SIGTERM and a little time before SIGKILL. Asks first if there are several.
    """
    if len(jobs) > 1 and not yes:
        _ask(f"Cancel {counted(len(jobs), 'job')}?")
    with connect() as client:
        cancelled = [done for job in jobs for done in client.cancel(job)]
    if as_json:
        print_json({"cancelled": cancelled})
    elif cancelled:
        say("\n".join(f"cancelled {job}" for job in cancelled))
    else:
        say("nothing to cancel: already ended")
