"""Delivery: a job that brings files needs a pool that can be sent some."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool without the capability ``deliver`` to a job that brings files."""
    if not ask.demand.brings_files or "deliver" in pool.offer.capabilities:
        return None
    return Refusal(
        code=RefusalCode.CANNOT_DELIVER,
        pool=pool.name,
        detail=f"the job brings files, and a pool of the kind {pool.offer.kind} cannot be sent any",
        unblocked_by="the job names paths that the pool has, and is submitted with --in-place",
        permanent=True,
    )
