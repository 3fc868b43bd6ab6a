"""Read-only views of the scheduler, for the live loop and its metrics."""

from dataclasses import dataclass

from suan.core.capacity import Pool
from suan.core.records import Phase
from suan.core.state import State
from suan.model.job import JobState
from suan.model.live import PoolStatus
from suan.model.resources import Resources
from suan.model.units import Instant, JobId, NodeName, PoolName, QueueName, RunId


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """A queue's settings, and its unfinished jobs. Jobs that wait for others are pending."""

    queue: QueueName
    weight: int
    discipline: str
    open: bool
    pending: int
    running: int


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not ended, as the scheduler sees it."""

    run: RunId
    job: JobId
    pool: PoolName
    nodes: tuple[NodeName, ...]
    per_task: Resources
    option: int
    started: bool
    stopping: bool


def pool_status(pool: Pool) -> PoolStatus:
    """A pool's nodes, totals and what is free of them. Costs a step for each node."""
    nodes = [node for node in pool.nodes.values() if node.known]
    return PoolStatus(
        offer=pool.offer,
        nodes=tuple(node.status for node in nodes),
        total=_sum([node.status.total for node in nodes]),
        free=_sum([node.free() for node in nodes]),
        runs=len(pool.open),
        available=pool.available,
        drained=pool.drained,
        observed_at=pool.observed_at,
        detail=pool.detail,
    )


def _sum(amounts: list[Resources]) -> Resources:
    cpu = memory = 0
    accelerators: dict[str, int] = {}
    for amount in amounts:
        cpu += amount.cpu_milli
        memory += amount.memory_mib
        for model, thousandths in amount.accelerators:
            accelerators[model] = accelerators.get(model, 0) + thousandths
    return Resources(cpu, memory, tuple(sorted(accelerators.items())))


def queue_counts(state: State) -> tuple[QueueCounts, ...]:
    """Every queue that was made or used, by name."""
    return tuple(
        QueueCounts(
            queue=name,
            weight=queue.weight,
            discipline=queue.discipline or "",
            open=queue.is_open,
            pending=queue.jobs - queue.running,
            running=queue.running,
        )
        for name, queue in sorted(state.queues.items())
    )


def job_state(state: State, job: JobId) -> JobState | None:
    """An unfinished job's state; ``None`` for a job that has ended or was never told."""
    found = state.jobs.get(job)
    if found is None:
        return None
    return JobState.RUNNING if found.phase is Phase.RUNS else JobState.PENDING


def outlasting(state: State, pool: PoolName, at: Instant) -> dict[NodeName, tuple[RunId, ...]]:
    """The open runs of a pool that are not sure to have ended at an instant, by node: those that
    have no time limit, or that reach it later."""
    found: dict[NodeName, tuple[RunId, ...]] = {}
    known = state.capacity.pools.get(pool)
    for run in known.open.values() if known is not None else ():
        limit = run.job.told.time_limit
        if not limit or run.began + limit > at:
            for node in dict.fromkeys(run.nodes):
                found[node] = (*found.get(node, ()), run.id)
    return found


def open_run(state: State, run: RunId) -> OpenRun | None:
    """An open run; ``None`` for one that has ended or was never told."""
    found = state.runs.get(run)
    if found is None:
        return None
    return OpenRun(
        run=found.id,
        job=found.job.id,
        pool=found.pool,
        nodes=found.nodes,
        per_task=found.per_task,
        option=found.option,
        started=found.started,
        stopping=found.stopping is not None,
    )
