"""Rejection: a pool that refused a run of this job for good is not asked again."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool that rejected an earlier run of the same job."""
    if pool.name not in ask.rejected_by:
        return None
    return Refusal(
        code=RefusalCode.REJECTED_BY_POOL,
        pool=pool.name,
        detail="this pool refused an earlier run of the job for good",
        unblocked_by="the job is submitted anew, in a form that the pool accepts",
        permanent=True,
    )
