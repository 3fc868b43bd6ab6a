"""Drained: an operator lets the pool run empty."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:  # noqa: ARG001 — one signature for the table
    """Refuses a pool that an operator drains."""
    if not pool.drained:
        return None
    return Refusal(
        code=RefusalCode.POOL_DRAINED,
        pool=pool.name,
        detail="an operator drains this pool: it starts nothing new",
        unblocked_by=f"an operator takes the drain of {pool.name} back",
        permanent=True,
    )
