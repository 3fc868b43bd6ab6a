"""``suan queues``: the queues themselves."""

import click

from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import print_json, say
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
@json_option
def set_queue(
    queue: str, weight: int | None, discipline: str | None, is_open: bool | None, as_json: bool
) -> None:
    """Make QUEUE, or change what is given of it and keep the rest."""
    with connect() as client:
        now = next((q for q in client.queues() if q.name == queue), _new(queue))
        changed = client.set_queue(
            queue,
            weight=now.weight if weight is None else weight,
            discipline=now.discipline if discipline is None else _DISCIPLINES[discipline],
            is_open=now.open if is_open is None else is_open,
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
    return grid(headings, rows, right=headings[3:])
