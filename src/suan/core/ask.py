"""What one filter or scorer is asked about: a demand, under one of its options, resolved."""

from collections.abc import Iterator
from dataclasses import dataclass

from suan.core.capacity import Pool
from suan.model.demand import Demand
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import PoolName


@dataclass(frozen=True, slots=True)
class Ask:
    """``per_task`` names concrete models, unless the pool has no accelerator at all.

    ``rejected_by`` are the pools that refused an earlier run of the job for good.
    """

    demand: Demand
    option: int
    per_task: Resources
    rejected_by: tuple[PoolName, ...] = ()

    @property
    def tasks(self) -> int:
        return self.demand.tasks

    @property
    def infra(self) -> str | None:
        return self.demand.options[self.option].infra


def asks(demand: Demand, rejected_by: tuple[PoolName, ...], pool: Pool) -> Iterator[Ask]:
    """Every way to ask a pool for a demand: by option, and by model where any model will do."""
    for index, option in enumerate(demand.options):
        any_amount = option.per_task.accelerator(ANY_ACCELERATOR)
        if not any_amount or not pool.models:
            yield Ask(demand, index, option.per_task, rejected_by)
            continue
        for model in pool.models:
            extra = Resources(accelerators=((model, any_amount), (ANY_ACCELERATOR, -any_amount)))
            yield Ask(demand, index, option.per_task.plus(extra), rejected_by)
