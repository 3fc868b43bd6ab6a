"""``suan submit``: put jobs in line."""

import sys

import click

from suan.cli.attend import code_of
from suan.cli.connect import connect, json_option
from suan.cli.duration import DURATION_S
from suan.cli.format import counted
from suan.cli.output import note, print_json, say
from suan.cli.progress import progress, wait_for_all
from suan.cli.request import JobCommand, JobOptions, job_options, specs


@click.command(cls=JobCommand)
@click.argument("what", metavar="FILE... | -- COMMAND...", nargs=-1, type=click.Path())
@click.option("-w", "--wait", is_flag=True, help="Wait for the end; exit as the jobs do.")
@click.option("--timeout", type=DURATION_S, help="With --wait: give up after this time (exit 8).")
@click.option("--key", metavar="TEXT", help="An idempotency key: the same again does nothing.")
@job_options
@json_option
def submit(
    what: tuple[str, ...],
    wait: bool,
    timeout: int | None,
    key: str | None,
    as_json: bool,
    options: JobOptions,
) -> None:
    """Put the jobs of each FILE (- is stdin) in line, all or none, and print their ids.

    An array's id stands for all its members. `#SBATCH` scripts are job files too.
    """
    wanted = specs(what, options)
    with connect() as client, progress() as show:
        show(f"submitting {counted(len(wanted), 'job')} …")
        made = client.submit_many(wanted, key=key, bringing=options.bringing(show))
        show("")
        for warning in made.warnings:
            note(f"warning: {warning}")
        is_array = made.id not in made.jobs
        if as_json and not wait:
            print_json(made)
        elif not as_json:
            say(made.id if is_array else "\n".join(made.jobs))
        if is_array:
            note(f"array of {counted(len(made.jobs), 'job')}")
        if not wait:
            return
        details = wait_for_all(client, made.jobs, timeout)
    if as_json:
        print_json({"jobs": details})
    sys.exit(next((code for code in map(code_of, details) if code), 0))
