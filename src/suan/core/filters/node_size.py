"""Node size: one task must fit one node of the pool, were it empty."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.core.nodes import Vector
from suan.core.wording import amount_of, shortfall
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import Resources


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool none of whose nodes could hold one task even when empty.

    Cordoned nodes and what others use count as there: both may come back by themselves.
    """
    sizes: list[Resources] = []
    for flavor in pool.kinds:
        need = flavor.need(ask.per_task)
        if need and any(need.slots(vector, 1) for vector in flavor.totals):
            return None
        sizes += [_amount(flavor.models, vector) for vector in flavor.totals]
    return Refusal(
        code=RefusalCode.NODE_TOO_SMALL,
        pool=pool.name,
        detail=_detail(ask.per_task, sizes),
        unblocked_by="a larger node joins the pool, or the job asks for less per node",
        permanent=True,
    )


def _detail(per_task: Resources, sizes: list[Resources]) -> str:
    if not sizes:
        return "this pool has no nodes"
    nearest = min(sizes, key=lambda size: (_gaps(per_task, size), _key(size)))
    missing = shortfall(per_task, nearest)
    return (
        f"a task needs {amount_of(per_task)}; the nearest node has {amount_of(nearest)}"
        f" when empty, which is short by {missing}"
    )


def _gaps(per_task: Resources, size: Resources) -> tuple[int, int]:
    """How far a node is from holding a task: components that fall short, then by how much."""
    pairs = [(per_task.cpu_milli, size.cpu_milli), (per_task.memory_mib, size.memory_mib)]
    pairs += [(amount, size.accelerator(model)) for model, amount in per_task.accelerators]
    lacking = [1000 * (need - have) // need for need, have in pairs if need > have]
    return len(lacking), sum(lacking)


def _key(size: Resources) -> tuple[object, ...]:
    return (size.cpu_milli, size.memory_mib, size.accelerators)


def _amount(models: tuple[str, ...], vector: Vector) -> Resources:
    cpu, memory, devices = vector
    amounts = zip(models, devices, strict=True)
    return Resources(cpu, memory, tuple((model, sum(free)) for model, free in amounts))
