"""Options and columns of quotas, which queues and tenants have alike."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from suan.cli.amounts import AMOUNTS, shown
from suan.model.views import BoundsView, QuotaView, bounds_view

F = TypeVar("F", bound=Callable[..., Any])

HEADINGS = ("HOLDS", "GUARANTEE", "CEILING", "COHORT")
_NONE = "none"


def quota_options(peers: str) -> Callable[[F], F]:
    """``--guarantee``, ``--ceiling`` and ``--cohort``, the last being of ``peers``."""
    options = (
        click.option(
            "--guarantee",
            type=AMOUNTS,
            metavar="AMOUNTS",
            help="What is its own, such as A100=8,cpu=64,memory=512GB; `none` takes it away.",
        ),
        click.option(
            "--ceiling",
            type=AMOUNTS,
            metavar="AMOUNTS",
            help="What it never holds more than; or `none`.",
        ),
        click.option(
            "--cohort",
            metavar="NAME",
            help=f"The {peers} it lends to and borrows from; `none` leaves them.",
        ),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def quota_with(now: QuotaView | None, given: dict[str, Any]) -> QuotaView | None:
    """The quota with what is given of it; ``None`` if nothing is."""
    changes = {name: given[name] for name in ("guarantee", "ceiling", "cohort") if name in given}
    if changes.get("cohort") == _NONE:
        changes["cohort"] = ""
    return replace(now or QuotaView(), **changes) if changes else None


def bounds(quota: QuotaView | None, held: BoundsView | None) -> tuple[str, ...]:
    """A quota, and what is held of the kinds that it limits."""
    if quota is None:
        return ("-", "-", "-", "-")
    named = dict(quota.guarantee.amounts + quota.ceiling.amounts)
    have = dict(held.amounts) if held else {}
    holds = bounds_view(tuple(sorted((kind, have.get(kind, 0)) for kind in named)))
    return (shown(holds), shown(quota.guarantee), shown(quota.ceiling), quota.cohort or "-")
