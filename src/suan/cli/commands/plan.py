"""``suan plan``: a dry run."""

import click

from suan.cli import explain
from suan.cli.connect import connect, json_option
from suan.cli.output import print_json, say
from suan.cli.request import JobCommand, JobOptions, job_options, specs


@click.command(cls=JobCommand)
@click.argument("what", metavar="[FILE | -- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@job_options
@json_option
def plan(what: tuple[str, ...], as_json: bool, options: JobOptions) -> None:
    """Say where a job would go, when, at what cost, and why. Nothing is submitted."""
    with connect() as client:
        plans = [one for spec in specs(what, options) for one in client.plan(spec)]
    if as_json:
        print_json({"plans": plans})
    else:
        say("\n\n".join(map(explain.planned, plans)))
