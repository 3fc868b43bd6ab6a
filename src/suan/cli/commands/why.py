"""``suan why``: why a job waits."""

import click

from suan.cli import explain
from suan.cli.connect import connect, job_argument, json_option
from suan.cli.output import print_json, say


@click.command
@job_argument()
@json_option
def why(job: str, as_json: bool) -> None:
    """Say why JOB waits: the true cause first, then each pool, and what would unblock it."""
    with connect() as client:
        explanation = client.explain(job)
    if as_json:
        print_json(explanation)
    else:
        say(explain.waiting(explanation))
