"""Availability: nothing new goes to a pool that does not answer, or takes no runs."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:  # noqa: ARG001 — one signature for the table
    """Refuses a pool that is lost, or was never observed."""
    if pool.available:
        return None
    return Refusal(
        code=RefusalCode.POOL_UNAVAILABLE,
        pool=pool.name,
        detail=f"nothing new goes to this pool: {pool.detail or 'it does not answer'}",
        unblocked_by=f"{pool.name} is observed again",
    )
