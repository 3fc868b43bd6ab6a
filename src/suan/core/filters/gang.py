"""Gang size: the whole pool, were it empty, must hold every task at once."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool that holds fewer tasks of the gang than it has, even when empty."""
    held = 0
    for flavor in pool.kinds:
        if need := flavor.need(ask.per_task):
            for vector, nodes in flavor.totals.items():
                held += nodes * need.slots(vector, ask.tasks)
        if held >= ask.tasks:
            return None
    return Refusal(
        code=RefusalCode.GANG_TOO_LARGE,
        pool=pool.name,
        detail=f"the gang has {ask.tasks} tasks; this pool holds {held} of them when empty,"
        f" which is short by {ask.tasks - held}",
        unblocked_by="nodes join the pool, or the job asks for fewer or smaller tasks",
        permanent=True,
    )
