"""``suan run``: a job from file or command to its exit code."""

import sys
from functools import partial

import click

from suan.cli import format as form
from suan.cli.attend import Attendant, code_of, interrupted, told, told_together
from suan.cli.connect import connect, json_option
from suan.cli.exits import Exit
from suan.cli.output import note, print_json, say
from suan.cli.progress import progress, wait_for_all
from suan.cli.request import JobCommand, JobOptions, job_options, specs
from suan.client.sync import Client
from suan.model.views import JobDetail, SubmittedView


@click.command(cls=JobCommand)
@click.argument("what", metavar="FILE | -- COMMAND...", nargs=-1, type=click.Path())
@click.option("-d", "--detach", is_flag=True, help="Do not stay with it; print its id.")
@job_options
@json_option
def run(what: tuple[str, ...], detach: bool, as_json: bool, options: JobOptions) -> None:
    """Run a job, show its output, and exit as it exits.

    \b
      suan run train.yaml
      suan run --gpus 1 --cpus 2 -- python train.py
      suan run -- 'make data && python train.py'     (one word: the shell reads it)

    Ctrl-C on a terminal asks whether to cancel the job or to detach from it; elsewhere it cancels
    the job and exits with 130. A file of several jobs is shown job by job; an array is waited for.
    """
    wanted = specs(what, options)
    with connect() as client:
        with progress() as show:
            made = client.submit_many(wanted, bringing=options.bringing(show))
        for warning in made.warnings:
            note(f"warning: {warning}")
        if detach:
            _detached(made, as_json)
            return
        try:
            code = _attend(client, made, as_json)
        except KeyboardInterrupt:
            code = interrupted(client, made.jobs if len(wanted) > 1 else (made.id,))
    sys.exit(code)


def _detached(made: SubmittedView, as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        say(made.id)


def _attend(client: Client, made: SubmittedView, as_json: bool) -> int:
    if made.id not in made.jobs:
        note(f"suan: array {made.id}: {form.counted(len(made.jobs), 'job')}")
        details = wait_for_all(client, made.jobs)
        note(told_together(details))
        note(f"suan: `suan logs {made.jobs[0]}` shows the output of the first")
    else:
        details = [_one(client, job, as_json) for job in made.jobs]
        if len(details) > 1:
            note(told_together(details))
    if as_json:
        print_json(details[0] if len(details) == 1 else {"jobs": details})
    return next((code for code in map(code_of, details) if code), Exit.OK)


def _one(client: Client, job: str, as_json: bool) -> JobDetail:
    asked = client.get(job).job
    note(f"suan: job {job} {asked.name}: {form.needs(asked)}")
    again = partial(connect, client.endpoint.url)
    attendant = Attendant(again, client, job, quiet_stdout=as_json)
    detail = attendant.stay()
    note(told(detail))
    return detail
