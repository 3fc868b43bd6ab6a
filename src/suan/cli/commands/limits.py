"""``suan limits``: what users may have, at once and in 30 days."""

from typing import Any

import click

from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.output import print_json, say
from suan.model.views import LimitsView

_NONE = "none"
_MS_PER_HOUR, _MICRO = 3_600_000, 1_000_000


class _CountOrNone(click.ParamType[int]):
    """A count; ``none``, told as -1, is any number."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == _NONE:
            return -1
        if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
            self.fail(f"{value!r} is not a whole number; write 20, or {_NONE}", param, ctx)
        return int(value)


class _MoneyOrNone(click.ParamType[int]):
    """An amount of money in micro-units; ``none``, told as -1, is any amount."""

    name = "money"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from suan.jobfile.quantities import parse_money

        if value == _NONE or isinstance(value, int):
            return -1 if value == _NONE else value
        try:
            return parse_money(value)
        except ValueError as error:
            self.fail(f"{error}, or {_NONE}", param, ctx)


@click.group
def limits() -> None:
    """List and set what users may have. (`suan queues` and `suan tenants` have quotas.)"""


@limits.command("list")
@json_option
def list_limits(as_json: bool) -> None:
    """List the users who have limits, and what counts against them."""
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
    metavar="N|none",
    help="How many of USER's jobs may run at once.",
)
@click.option(
    "--pending",
    type=_CountOrNone(),
    metavar="N|none",
    help="How many may wait; above it none are submitted.",
)
@click.option(
    "--device-hours",
    type=_CountOrNone(),
    metavar="N|none",
    help="How many hours of accelerators (or else processors) in 30 days.",
)
@click.option(
    "--money",
    type=_MoneyOrNone(),
    metavar="AMOUNT|none",
    help="How much in 30 days, in the currency of the pools' prices.",
)
@json_option
def set_limits(user: str, as_json: bool, **wanted: int | None) -> None:
    """Set what is given of USER's limits and keep the rest. What runs already goes on."""
    given = {name: n if n >= 0 else None for name, n in wanted.items() if n is not None}
    if not given:
        raise click.UsageError(f"give at least one limit: {', '.join(map(_option, wanted))}")
    with connect() as client:
        new = LimitsView(user, running=None, running_now=0)
        now = next((each for each in client.limits() if each.user == user), new)
        kept = {name: getattr(now, name) for name in wanted}
        changed = client.set_limits(user, **{**kept, **given})
    if as_json:
        print_json(changed)
    else:
        say(_table((changed,)))


def _table(found: tuple[LimitsView, ...]) -> str:
    rows = [
        (
            each.user,
            _of(each.running_now, each.running),
            _of(each.pending_now, each.pending),
            _of(each.device_ms_used, each.device_hours, now_in=_MS_PER_HOUR),
            _of(each.money_used, each.money, now_in=_MICRO, most_in=_MICRO),
        )
        for each in found
    ]
    headings = ("USER", "RUNNING", "PENDING", "DEVICE-HOURS", "MONEY")
    return grid(headings, rows, right=headings[1:])


def _of(now: int, most: int | None, *, now_in: int = 1, most_in: int = 1) -> str:
    """What there is of what there may be, each in a unit of so many."""
    have = _in(now, now_in)
    return have if most is None else f"{have} of {_in(most, most_in)}"


def _in(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    return f"{whole:,}.{rest * 100 // unit:02d}" if rest else f"{whole:,}"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
