"""What the leader knows of the recorded world: open runs, jobs that have had one, and pools.

It mirrors the store for one term, so that a cycle reads nothing back. A job that never ran has no
entry here: its recorded state follows from that alone, which keeps a long line cheap.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from suan.model.job import SAVING, JobState, Run
from suan.model.live import PoolStatus
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Place, Stop
from suan.model.reservation import Reservation
from suan.model.resources import Resources
from suan.model.store import JobUpdate
from suan.model.units import Instant, JobId, NodeName, PoolName, RunId


@dataclass(slots=True)
class PoolSight:
    """A pool as last observed in this term."""

    offer: Offer
    nodes: dict[NodeName, NodeStatus] = field(default_factory=dict)
    available: bool = False
    told: bool = False  # the scheduler has heard of it
    drained: bool = False
    observed_at: Instant | None = None
    detail: str = "it has not been observed yet"


@dataclass(slots=True)
class Book:
    """The leader's picture. ``ended`` holds runs whose job's fate is not decided yet."""

    runs: dict[RunId, Run] = field(default_factory=dict)
    ended: dict[JobId, Run] = field(default_factory=dict)
    jobs: dict[JobId, JobUpdate] = field(default_factory=dict)
    stopping: dict[RunId, Stop] = field(default_factory=dict)
    pools: dict[PoolName, PoolSight] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)  # some may be over
    pending: int = 0
    running: int = 0

    def open(self, runs: Iterable[Run]) -> None:
        """Note the open runs of earlier terms, and which of them were to end."""
        for run in runs:
            self.runs[run.id] = run
            if run.stop is not None:
                self.stopping[run.id] = Stop(run.id, run.stop.cause, run.stop.detail)

    def job(self, job: JobId) -> JobUpdate:
        """A job's recorded mutable part."""
        return self.jobs.get(job) or JobUpdate(id=job, state=JobState.PENDING, attempts=0)

    def enter(self, update: JobUpdate) -> JobUpdate:
        """Note a job's new mutable part, and count it where it now stands."""
        before = self.job(update.id).state
        self._count(before, -1)
        self._count(update.state, +1)
        if update.state.final:
            self.jobs.pop(update.id, None)
        else:
            self.jobs[update.id] = update
        return update

    def close(self, run: Run) -> None:
        """Note that a run is over."""
        self.runs.pop(run.id, None)
        self.stopping.pop(run.id, None)
        self.ended[run.job] = run

    def currencies(self) -> dict[PoolName, str]:
        """What each pool counts money in."""
        return {name: sight.offer.terms.currency for name, sight in self.pools.items()}

    def racks(self, place: Place) -> list[str]:
        """Where each node of a placement stands."""
        sight = self.pools.get(place.pool)
        nodes = sight.nodes if sight is not None else {}
        return [nodes[name].rack for name in dict.fromkeys(place.nodes) if name in nodes]

    def statuses(self) -> tuple[PoolStatus, ...]:
        """Every pool with what is free in it, by name."""
        used: dict[PoolName, Resources] = {}
        count: dict[PoolName, int] = {}
        for run in self.runs.values():
            used[run.pool] = used.get(run.pool, Resources()).plus(
                run.per_task, times=len(run.nodes)
            )
            count[run.pool] = count.get(run.pool, 0) + 1
        return tuple(
            _status(sight, used.get(name, Resources()), count.get(name, 0))
            for name, sight in sorted(self.pools.items())
        )

    def _count(self, state: JobState, by: int) -> None:
        if state is JobState.PENDING:
            self.pending += by
        elif state is JobState.RUNNING:
            self.running += by


def overrides(stop: Stop, before: Stop) -> bool:
    """Whether a run that is being stopped is to be stopped otherwise: a cancelled job need not
    take all the time that it was given to save its work."""
    return before.cause in SAVING and stop.cause not in SAVING


def _status(sight: PoolSight, used: Resources, runs: int) -> PoolStatus:
    total, others = Resources(), Resources()
    for node in sight.nodes.values():
        total = total.plus(node.total)
        others = others.plus(node.others_use)
    return PoolStatus(
        offer=sight.offer,
        nodes=tuple(node for _, node in sorted(sight.nodes.items())),
        total=total,
        free=_at_least_zero(total.plus(others, times=-1).plus(used, times=-1)),
        runs=runs,
        available=sight.available,
        drained=sight.drained,
        observed_at=sight.observed_at,
        detail=sight.detail or sight.offer.withheld,
    )


def _at_least_zero(amount: Resources) -> Resources:
    """Others may use more than is left; nothing is free then, not less."""
    return replace(
        amount,
        cpu_milli=max(0, amount.cpu_milli),
        memory_mib=max(0, amount.memory_mib),
        accelerators=tuple((model, n) for model, n in amount.accelerators if n > 0),
    )
