"""``suan reservations``: nodes that are kept in advance, for some or for maintenance."""

import math
from datetime import datetime
from typing import Any

import click

from suan.cli.connect import connect, json_option
from suan.cli.duration import DURATION_S
from suan.cli.format import moment
from suan.cli.grid import grid
from suan.cli.output import note, print_json, say
from suan.cli.when import WHEN
from suan.model.views import ReservationView


@click.group
def reservations() -> None:
    """List, make and cancel reservations and maintenance windows."""


@reservations.command("list")
@json_option
def list_reservations(as_json: bool) -> None:
    """List the reservations that are not over, and how many runs are on their nodes now."""
    with connect() as client:
        found = client.reservations()
    if as_json:
        print_json({"reservations": found})
    else:
        say(_table(found) if found else "no reservations")


@reservations.command("make")
@click.argument("name", metavar="NAME")
@click.option("--pool", required=True, metavar="NAME", help="The pool whose nodes are kept.")
@click.option("--nodes", metavar="A,B", help="Which nodes; or leave that to the next three.")
@click.option("--count", type=click.IntRange(min=1), help="How many nodes; all, if not given.")
@click.option("--match", metavar="PATTERN", help="Only nodes with such names, as 'gpu-*'.")
@click.option("--accelerator", metavar="MODEL", help="Only nodes that have some of these.")
@click.option(
    "--begin",
    type=WHEN,
    default="now",
    show_default=True,
    metavar="WHEN",
    help="From when on: now, +2h, 22:00 or 2026-12-01T22:00.",
)
@click.option("--for", "lasts", type=DURATION_S, metavar="DURATION", help="How long, as 4h.")
@click.option("--until", type=WHEN, metavar="WHEN", help="Or until when.")
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Whom it admits.")
@click.option("--user", "users", multiple=True, metavar="NAME", help="Whom it admits.")
@click.option("--maintenance", is_flag=True, help="Admit nobody.")
@click.option("--reason", default="", metavar="TEXT", help="What people are told.")
@json_option
def make_reservation(name: str, pool: str, as_json: bool, **wanted: Any) -> None:
    """Keep nodes for some tenants and users, or for maintenance. What runs there goes on."""
    begin, end = _times(wanted.pop("begin"), wanted.pop("lasts"), wanted.pop("until"))
    if wanted["maintenance"] == bool(wanted["tenants"] or wanted["users"]):
        raise click.UsageError("say whom it admits (--tenant, --user), or --maintenance")
    nodes = wanted.pop("nodes")
    found = bool(wanted["count"] or wanted["match"] or wanted["accelerator"])
    if nodes and found:
        raise click.UsageError("give --nodes, or --count, --match and --accelerator, not both")
    what = {key: value for key, value in wanted.items() if value}
    if nodes:
        what["nodes"] = tuple(filter(None, nodes.split(",")))
    with connect() as client:
        made = client.reserve(name, pool, begin=begin, end=end, **what)
    if as_json:
        print_json(made)
        return
    say(_table((made,)))
    if made.may_go_on:
        count = len(made.may_go_on)
        some = ", ".join(made.may_go_on[:5]) + (", …" if count > 5 else "")
        runs = "1 run" if count == 1 else f"{count} runs"
        note(f"{runs} may go on when it begins, and nobody ends them: {some}")


@reservations.command("cancel")
@click.argument("name", metavar="NAME")
@json_option
def cancel_reservation(name: str, as_json: bool) -> None:
    """Keep its nodes no more."""
    with connect() as client:
        client.cancel_reservation(name)
    if as_json:
        print_json({"cancelled": name})
    else:
        say(f"reservation {name} is cancelled")


def _times(begin: datetime, lasts: int | None, until: datetime | None) -> tuple[int, int]:
    if (lasts is None) == (until is None):
        raise click.UsageError("say how long (--for 4h), or until when (--until +6h)")
    first = math.floor(begin.timestamp())
    last = first + lasts if lasts is not None else math.ceil(until.timestamp()) if until else 0
    if last <= first:
        raise click.UsageError("it would end before it begins")
    return first, last


def _table(found: tuple[ReservationView, ...]) -> str:
    rows = [
        (
            each.name,
            each.pool,
            _nodes(each.nodes),
            moment(each.begin),
            moment(each.end),
            _whom(each),
            str(len(each.running) or "-"),
            each.reason or "-",
        )
        for each in found
    ]
    return grid(("NAME", "POOL", "NODES", "BEGIN", "END", "FOR", "RUNS", "REASON"), rows)


def _nodes(names: tuple[str, ...]) -> str:
    return ",".join(names) if len(names) <= 3 else f"{names[0]},… ({len(names)})"


def _whom(found: ReservationView) -> str:
    named = [f"tenant {name}" for name in found.tenants] + [f"user {name}" for name in found.users]
    return ", ".join(named) or "maintenance"
