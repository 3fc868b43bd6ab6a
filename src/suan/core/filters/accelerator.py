"""Accelerator: some kind of node must have every model that the job names."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import ANY_ACCELERATOR


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool with no node that has the models of the ask together."""
    wanted = [model for model, _ in ask.per_task.accelerators]
    flavors = pool.flavors.values()
    if any(all(model in flavor.models for model in wanted) for flavor in flavors):
        return None
    if not wanted:  # a pool without any node is told of by its size
        return None
    offered = sorted({model for flavor in flavors for model in flavor.models})
    text = " with ".join("any accelerator" if m == ANY_ACCELERATOR else m for m in wanted)
    return Refusal(
        code=RefusalCode.NO_SUCH_ACCELERATOR,
        pool=pool.name,
        detail=f"the job needs {text}; this pool's nodes have {', '.join(offered) or 'none'}",
        unblocked_by=f"a node with {text} joins the pool, or the job asks for another model",
        permanent=True,
    )
