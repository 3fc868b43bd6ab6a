"""Quotas and limits as requests to the leader carry them: text in, values out, and back."""

from collections.abc import Mapping
from typing import Any

from suan.jobfile.amounts import NONE, format_amounts, parse_amounts
from suan.model.quota import Limits, Quota
from suan.model.units import QueueName

NO_QUEUE = QueueName("")  # of whom a quota is told that is a tenant's
_NAMED = ("guarantee", "ceiling", "cohort")


def quota_of(args: Mapping[str, str]) -> Quota | None:
    """The quota that a request asks for; ``None`` if it leaves it as it is.

    Raises:
        ValueError: it cannot be read, or cannot be.
    """
    if not any(name in args for name in _NAMED):
        return None
    guarantee, ceiling = (parse_amounts(args.get(name, "")) for name in _NAMED[:2])
    return Quota(guarantee, ceiling, args.get("cohort", ""))


def told_quota(quota: Quota | None) -> dict[str, Any]:
    """What the feed tells of a quota, if it was set; ``none`` where it limits nothing."""
    if quota is None:
        return {}
    return {
        "guarantee": format_amounts(quota.guarantee),
        "ceiling": format_amounts(quota.ceiling),
        "cohort": quota.cohort or NONE,
    }


def limits_of(args: Mapping[str, str]) -> Limits:
    """The limits that a request asks for.

    Raises:
        ValueError: they cannot be read, or cannot be.
    """
    wanted = {name: args.get(name, NONE) for name, _ in Limits().told}
    return Limits(**{name: None if n == NONE else int(n) for name, n in wanted.items()})


def told_limits(limits: Limits) -> dict[str, Any]:
    """What the feed tells of limits."""
    return {name: NONE if limit is None else str(limit) for name, limit in limits.told}
