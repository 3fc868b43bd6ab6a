"""Framework: a pool may list the frameworks it supports; an empty list means any."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool that lists frameworks, but not the job's."""
    wanted, offered = ask.demand.framework, pool.offer.frameworks
    if wanted is None or not offered or wanted in offered:
        return None
    return Refusal(
        code=RefusalCode.FRAMEWORK_UNSUPPORTED,
        pool=pool.name,
        detail=f"the job needs framework {wanted}; this pool supports {', '.join(offered)}",
        unblocked_by=f"the pool supports {wanted}, or the job names another framework",
        permanent=True,
    )
