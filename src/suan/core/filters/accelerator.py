"""Accelerator: some kind of node must have every model that the job names."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import ANY_ACCELERATOR


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool with no node that has the models of the ask together."""
    if not ask.per_task.accelerators or any(flavor.need(ask.per_task) for flavor in pool.kinds):
        return None
    wanted = [model for model, _ in ask.per_task.accelerators]
    text = " with ".join("any accelerator" if m == ANY_ACCELERATOR else m for m in wanted)
    return Refusal(
        code=RefusalCode.NO_SUCH_ACCELERATOR,
        pool=pool.name,
        detail=f"the job needs {text}; this pool's nodes have {', '.join(pool.models) or 'none'}",
        unblocked_by=f"a node with {text} joins the pool, or the job asks for another model",
        permanent=True,
    )
