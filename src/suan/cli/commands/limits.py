"""``suan limits``: what users may have at once."""

from typing import Any

import click

from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import print_json, say
from suan.model.views import LimitsView

_NONE = "none"


class _CountOrNone(click.ParamType[int]):
    """A count; ``none``, told as -1, is any number."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == _NONE:
            return -1
        if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
            self.fail(f"{value!r} is not a number of jobs; write 20, or {_NONE}", param, ctx)
        return int(value)


@click.group
def limits() -> None:
    """List and set what users may have at once. (`suan queues` limits whole queues.)"""


@limits.command("list")
@json_option
def list_limits(as_json: bool) -> None:
    """List the users who have limits, and how many of their jobs run."""
    with connect() as client:
        found = client.limits()
    if as_json:
        print_json({"limits": found})
    else:
        say(_table(found) if found else "no limits")


@limits.command("set")
@click.argument("user", metavar="USER")
@click.option(
    "--running",
    type=_CountOrNone(),
    required=True,
    metavar="N|none",
    help="How many of USER's jobs may run at once.",
)
@json_option
def set_limits(user: str, running: int, as_json: bool) -> None:
    """Limit what USER may have at once. What runs already goes on."""
    with connect() as client:
        changed = client.set_limits(user, running=None if running < 0 else running)
    if as_json:
        print_json(changed)
    else:
        say(_table((changed,)))


def _table(found: tuple[LimitsView, ...]) -> str:
    rows = [
        (
            each.user,
            str(each.running_now),
            _NONE if each.running is None else str(each.running),
        )
        for each in found
    ]
    headings = ("USER", "RUNNING", "LIMIT")
    return grid(headings, rows, right=headings[1:])
