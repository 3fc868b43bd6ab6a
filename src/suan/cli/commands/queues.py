"""``suan queues``: the queues themselves."""

from dataclasses import replace
from typing import Any

import click

from suan.cli.amounts import AMOUNTS, shown
from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import print_json, say
from suan.model.policy import DISCIPLINES
from suan.model.views import QueueView, QuotaView, bounds_view

_POLICYS = "policy"  # what people call an empty discipline
_NONE = "none"
_BOUNDS = ("HOLDS", "GUARANTEE", "CEILING", "COHORT")
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
@click.option(
    "--guarantee",
    type=AMOUNTS,
    metavar="AMOUNTS",
    help="What is its own, such as A100=8,cpu=64,memory=512GB; `none` takes it away.",
)
@click.option(
    "--ceiling", type=AMOUNTS, metavar="AMOUNTS", help="What it never holds more than; or `none`."
)
@click.option(
    "--cohort", metavar="NAME", help="The queues it lends to and borrows from; `none` leaves them."
)
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
            quota=_quota(now.quota or QuotaView(), given),
        )
    if as_json:
        print_json(changed)
    else:
        say(_table((changed,)))


def _quota(now: QuotaView, given: dict[str, Any]) -> QuotaView | None:
    """The quota with what is given of it; ``None`` if nothing is."""
    changes = {name: given[name] for name in ("guarantee", "ceiling", "cohort") if name in given}
    if changes.get("cohort") == _NONE:
        changes["cohort"] = ""
    return replace(now, **changes) if changes else None


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
    wider = [(*row, *_bounds(queue)) for row, queue in zip(rows, found, strict=True)]
    return grid((*headings, *_BOUNDS), wider, right=headings[3:])


def _bounds(queue: QueueView) -> tuple[str, ...]:
    """A queue's quota, and what it holds of the kinds that are limited."""
    quota = queue.quota
    if quota is None:
        return ("-", "-", "-", "-")
    named = dict(quota.guarantee.amounts + quota.ceiling.amounts)
    held = dict(queue.held.amounts) if queue.held else {}
    holds = bounds_view(tuple(sorted((kind, held.get(kind, 0)) for kind in named)))
    return (shown(holds), shown(quota.guarantee), shown(quota.ceiling), quota.cohort or "-")
