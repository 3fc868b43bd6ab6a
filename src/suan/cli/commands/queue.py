"""``suan queue``: the jobs in line."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import click

from suan.cli import format as form
from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import note, print_json, say, state
from suan.client.calls import Filters
from suan.client.sync import Client
from suan.model.job import JobState
from suan.model.views import JobList, JobView

UNFINISHED = (JobState.PENDING.value, JobState.RUNNING.value)
PAGE = 1000  # the most that the API gives at once


@click.command
@click.option("-a", "--all", "all_states", is_flag=True, help="Finished jobs too.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in JobState]),
    help="Only jobs in this state (several times: any of them).",
)
@click.option("--queue", metavar="NAME", help="Only jobs of this queue.")
@click.option("--user", metavar="NAME", help="Only jobs of this user.")
@click.option("--tenant", metavar="NAME", help="Only jobs of this tenant.")
@click.option("--name", metavar="NAME", help="Only jobs of this name.")
@click.option("--array", "array_id", metavar="ID", help="Only members of this array.")
@click.option("--label", metavar="KEY=VALUE", help="Only jobs with this label.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="At most so many jobs.",
)
@click.option("--cursor", metavar="CURSOR", help="Go on where an earlier page ended.")
@json_option
def queue(
    all_states: bool,
    states: tuple[str, ...],
    limit: int,
    cursor: str | None,
    as_json: bool,
    **only: str | None,
) -> None:
    """List jobs that wait or run, newest first."""
    filters = _filters(all_states, states, only)
    with connect() as client:
        page = _first(client, filters, cursor=cursor, limit=limit)
        left = _left_out(client, filters, page)
    if as_json:
        print_json(page)
        return
    say(jobs_table(page.jobs) if page.jobs else "no jobs")
    if page.next_cursor:
        note(f"{left}more: suan queue --cursor {page.next_cursor} (or a larger --limit)")


def _filters(all_states: bool, states: tuple[str, ...], only: dict[str, Any]) -> Filters:
    filters: Filters = {name: value for name, value in only.items() if value}  # type: ignore[assignment] # the options are the fields
    if states or not all_states:
        filters["state"] = list(states or UNFINISHED)
    return filters


def _first(client: Client, filters: Filters, *, cursor: str | None, limit: int) -> JobList:
    """At most ``limit`` jobs, in as many pages as that takes."""
    jobs: list[JobView] = []
    while True:
        page = client.page(cursor=cursor, limit=min(PAGE, limit - len(jobs)), **filters)
        jobs += page.jobs
        cursor = page.next_cursor
        if cursor is None or len(jobs) >= limit:
            return JobList(tuple(jobs), cursor)


def _left_out(client: Client, filters: Filters, page: JobList) -> str:
    if page.next_cursor is None:
        return ""
    counts = client.counts(**filters)
    wanted = filters.get("state") or counts
    total = sum(counts.get(one, 0) for one in wanted)
    return f"{form.counted(total, 'job')} in all; "


def jobs_table(jobs: Iterable[JobView]) -> str:
    """Jobs as people read them. Times are ages; the last column says what is to be said."""
    rows = [_row(job) for job in jobs]
    return grid(("ID", "NAME", "STATE", "QUEUE", "POOL", "NEEDS", "AGE", "RAN", "DETAIL"), rows)


def _row(job: JobView) -> tuple[str, ...]:
    ran = form.age(job.started_at, job.ended_at)
    return (
        job.id,
        "".join(islice(job.name, 40)),
        state(job.state),
        job.queue,
        job.pool or "-",
        _needs(job),
        form.age(job.submitted_at),
        ran,
        _detail(job),
    )


def _needs(job: JobView) -> str:
    return f"{form.size(job)}× {job.resources}" if form.most(job) > 1 else job.resources


def _detail(job: JobView) -> str:
    if job.exit_code:
        return f"exit {job.exit_code}" + (f": {job.detail}" if job.detail else "")
    return job.detail
