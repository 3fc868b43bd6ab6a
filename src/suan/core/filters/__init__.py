"""Filters: which pools can run a job at all. One file each, in one table.

A filter is a function of an ``Ask`` and a pool that returns ``None`` or a ``Refusal``: a value,
with a stable code, what falls short, and what would unblock it. The order of the table is the
order of asking; what only a person can change stands before what passes by itself, so that the
first refusal is the one worth telling. To add one: ``docs/contributing/checklist-filter.md``.
"""

from collections.abc import Callable

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.core.filters import (
    accelerator,
    available,
    delivery,
    drained,
    framework,
    gang,
    hourly_cost,
    infra,
    node_size,
    rejected,
    reservation,
)
from suan.model.refusal import Refusal, RefusalCode

Filter = Callable[[Ask, Pool], Refusal | None]

FILTERS: tuple[Filter, ...] = (
    infra.check,
    rejected.check,
    delivery.check,
    framework.check,
    accelerator.check,
    node_size.check,
    gang.check,
    reservation.check,
    hourly_cost.check,
    drained.check,
    available.check,
)

IMPOSSIBLE = frozenset(
    {
        RefusalCode.INFRA_MISMATCH,
        RefusalCode.REJECTED_BY_POOL,
        RefusalCode.CANNOT_DELIVER,
        RefusalCode.FRAMEWORK_UNSUPPORTED,
        RefusalCode.NO_SUCH_ACCELERATOR,
        RefusalCode.NODE_TOO_SMALL,
        RefusalCode.GANG_TOO_LARGE,
        RefusalCode.OVER_HOURLY_COST,
    }
)
"""Codes that neither time nor an operator's word lifts: the pool, as it is, cannot run the job."""


def first_refusal(ask: Ask, pool: Pool) -> tuple[int, Refusal | None]:
    """How many filters passed, and the refusal of the next one (``None``: all passed)."""
    unknown = pool.observed_at is None or pool.offer.withheld
    if unknown and (unseen := available.check(ask, pool)):
        return 0, unseen  # nothing is known of what it has, so nothing else can be said
    for passed, check in enumerate(FILTERS):
        if refusal := check(ask, pool):
            return passed, refusal
    return len(FILTERS), None
