"""Availability: nothing new goes to a pool that does not answer, takes no runs, or is withheld."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:  # noqa: ARG001 — one signature for the table
    """Refuses a pool that is lost, was never observed, or has nothing for us as its owner says."""
    if pool.available and not pool.offer.withheld:
        return None
    why, until = pool.detail or "it does not answer", f"{pool.name} is observed again"
    if pool.available:
        why, until = pool.offer.withheld, f"its owner offers {pool.name} again"
    return Refusal(
        code=RefusalCode.POOL_UNAVAILABLE,
        pool=pool.name,
        detail=f"nothing new goes to this pool: {why}",
        unblocked_by=until,
    )
