"""``suan queues``: the queues themselves."""

from typing import Any

import click

from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import print_json, say
from suan.cli.quotas import HEADINGS, bounds, quota_options, quota_with
from suan.model.policy import DISCIPLINES
from suan.model.views import QueueView

_POLICYS = "policy"  # what people call an empty discipline
_DISCIPLINES = {name: name for name in DISCIPLINES} | {_POLICYS: ""}


@click.group
def queues() -> None:
    """List and set queues. (`suan queue` lists the jobs in them.)"""


@queues.command("list")
@json_option
def list_queues(as_json: bool) -> None:
    """List the queues and how many jobs stand in each."""
    with connect() as client:
        found = client.queues()
    if as_json:
        print_json({"queues": found})
    else:
        say(_table(found) if found else "no queues")


@queues.command("set")
@click.argument("queue", metavar="QUEUE")
@click.option("--weight", type=click.IntRange(min=1), help="Its share beside other queues.")
@click.option(
    "--discipline",
    type=click.Choice(tuple(_DISCIPLINES)),
    help="The order within it; `policy` leaves it to the server's policy.",
)
@click.option("--open/--closed", "is_open", default=None, help="A closed queue starts nothing.")
@quota_options("queues")
@json_option
def set_queue(queue: str, as_json: bool, **wanted: Any) -> None:
    """Make QUEUE, or change what is given of it and keep the rest."""
    given = {name: value for name, value in wanted.items() if value is not None}
    with connect() as client:
        now = next((q for q in client.queues() if q.name == queue), _new(queue))
        discipline = given.get("discipline")
        changed = client.set_queue(
            queue,
            weight=given.get("weight", now.weight),
            discipline=now.discipline if discipline is None else _DISCIPLINES[discipline],
            is_open=given.get("is_open", now.open),
            quota=quota_with(now.quota, given),
        )
    if as_json:
        print_json(changed)
    else:
        say(_table((changed,)))


def _new(name: str) -> QueueView:
    return QueueView(name=name, weight=1, discipline="", open=True, pending=0, running=0)


def _table(found: tuple[QueueView, ...]) -> str:
    rows = [
        (
            queue.name,
            "open" if queue.open else "closed",
            queue.discipline or _POLICYS,
            str(queue.weight),
            str(queue.pending),
            str(queue.running),
        )
        for queue in found
    ]
    headings = ("QUEUE", "STATE", "DISCIPLINE", "WEIGHT", "PENDING", "RUNNING")
    if not any(queue.quota for queue in found):
        return grid(headings, rows, right=headings[3:])
    wider = [
        (*row, *bounds(queue.quota, queue.held)) for row, queue in zip(rows, found, strict=True)
    ]
    return grid((*headings, *HEADINGS), wider, right=headings[3:])
