"""``suan plan``: a dry run."""

import click

from suan.cli import explain
from suan.cli.connect import connect, json_option
from suan.cli.output import print_json, say
from suan.cli.request import JobCommand, JobOptions, job_options, specs
from suan.model.spec import JobSpec
from suan.model.views import ExplanationView


@click.command(cls=JobCommand)
@click.argument("what", metavar="[FILE | -- COMMAND...]", nargs=-1, type=click.Path())
@job_options
@json_option
def plan(what: tuple[str, ...], as_json: bool, options: JobOptions) -> None:
    """Say where a job would go, when, at what cost, and why. Nothing is submitted."""
    with connect() as client:
        found = [(spec, client.plan(spec)) for spec in specs(what, options)]
    if as_json:
        print_json({"plans": [one for _, plans in found for one in plans]})
    else:
        several = len(found) > 1
        say("\n\n".join(_described(*each, named=several) for each in found))


def _described(spec: JobSpec, plans: tuple[ExplanationView, ...], *, named: bool) -> str:
    said = "\n\n".join(map(explain.planned, plans))
    if not named:
        return said
    after = [f"{each.job} {each.condition}" for each in spec.after]
    return f"{spec.name}{', after ' + ', '.join(after) if after else ''}: {said}"
