"""``suan queues``: the queues themselves."""

import click

from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import print_json, say
from suan.model.views import QueueView


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
@click.option("--discipline", metavar="NAME", help="The order within it: fifo.")
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
            discipline=discipline or now.discipline,
            is_open=now.open if is_open is None else is_open,
        )
    if as_json:
        print_json(changed)
    else:
        say(_table((changed,)))


def _new(name: str) -> QueueView:
    return QueueView(name=name, weight=1, discipline="fifo", open=True, pending=0, running=0)


def _table(found: tuple[QueueView, ...]) -> str:
    rows = [
        (
            queue.name,
            "open" if queue.open else "closed",
            queue.discipline,
            str(queue.weight),
            str(queue.pending),
            str(queue.running),
        )
        for queue in found
    ]
    headings = ("QUEUE", "STATE", "DISCIPLINE", "WEIGHT", "PENDING", "RUNNING")
    return grid(headings, rows, right=headings[3:])
