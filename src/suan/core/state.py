"""Everything the scheduler knows, and the few ways in which a job moves from phase to phase."""

from collections import deque
from dataclasses import dataclass
from heapq import heappush

from suan.core.capacity import Capacity
from suan.core.line import Line
from suan.core.nodes import Held
from suan.core.records import JobRecord, Phase, RunRecord
from suan.model.job import Outcome
from suan.model.policy import POLICIES
from suan.model.units import Instant, JobId, NodeName, QueueName, RunId


class QueueState:
    """A queue's settings, and how many unfinished jobs it has."""

    __slots__ = ("discipline", "is_open", "jobs", "running", "weight")

    def __init__(self) -> None:
        self.weight = 1
        self.discipline = "fifo"
        self.is_open = True
        self.jobs = 0
        self.running = 0


@dataclass(slots=True)
class Unsettled:
    """What the next cycle must answer: a job whose run has ended, or that ends without one.

    Without a run, ``skipped`` says why the job can never start; empty, that it was cancelled.
    """

    job: JobRecord
    run: RunRecord | None = None
    outcome: Outcome | None = None
    skipped: str = ""


class State:
    """The scheduler's memory."""

    __slots__ = (
        "back_off",
        "capacity",
        "jobs",
        "line",
        "policy",
        "queues",
        "runs",
        "stops",
        "unsettled",
        "waiters",
    )

    def __init__(self) -> None:
        self.capacity = Capacity()
        self.line = Line(self.capacity)
        self.policy = POLICIES["default"]
        self.queues: dict[QueueName, QueueState] = {}
        self.jobs: dict[JobId, JobRecord] = {}
        self.runs: dict[RunId, RunRecord] = {}
        self.waiters: dict[JobId, list[JobRecord]] = {}  # who waits for a job to end
        self.back_off: list[tuple[Instant, int, JobRecord]] = []  # a heap
        self.unsettled: deque[Unsettled] = deque()
        self.stops: deque[RunRecord] = deque()

    def queue(self, name: QueueName) -> QueueState:
        """A queue; one that nobody made is open."""
        found = self.queues.get(name)
        if found is None:
            found = self.queues[name] = QueueState()
        return found

    def admit(self, job: JobRecord) -> None:
        """A job is new: it joins the line, or waits for others."""
        self.jobs[job.id] = job
        self.queue(job.told.queue).jobs += 1
        job.shape = self.line.shape_of(job.told.demand, job.rejected_by)
        job.shape.jobs += 1
        if not job.told.after:
            if job.not_before:
                self.requeue(job, job.not_before, job.told.at)
            else:
                self.line.enter(job)
            return
        job.waits_for = {}
        for dependency, condition in job.told.after:
            if dependency not in job.waits_for:
                self.waiters.setdefault(dependency, []).append(job)
            job.waits_for[dependency] = (*job.waits_for.get(dependency, ()), condition)

    def start(self, run: RunRecord) -> None:
        """A run takes its nodes, and its job leaves the line."""
        job = run.job
        in_line, job.phase = job.phase is Phase.IN_LINE, Phase.RUNS
        job.run = run
        self.runs[run.id] = run
        self.queue(job.told.queue).running += 1
        pool = self.capacity.pool(run.pool)
        pool.runs += 1
        nodes = run.nodes
        if len(nodes) == 1:
            self.capacity.hold(pool, nodes[0], run.id, held=Held(run.per_task, 1))
        else:
            for name, tasks in _tally(run).items():
                self.capacity.hold(pool, name, run.id, held=Held(run.per_task, tasks))
        if in_line:
            self.line.leave(job)

    def end(self, run: RunRecord, outcome: Outcome) -> None:
        """A run gives its nodes back; what becomes of its job is decided in the next cycle."""
        job = run.job
        del self.runs[run.id]
        job.run = None
        job.phase = Phase.SETTLES
        self.queues[job.told.queue].running -= 1
        pool = self.capacity.pools[run.pool]
        pool.runs -= 1
        nodes = run.nodes
        for name in nodes if len(nodes) == 1 else dict.fromkeys(nodes):
            self.capacity.release(pool, name, run.id)
        self.unsettled.append(Unsettled(job, run, outcome))

    def withdraw(self, job: JobRecord, skipped: str = "") -> None:
        """A job without a run leaves wherever it stands, to be settled."""
        in_line, job.phase = job.phase is Phase.IN_LINE, Phase.SETTLES
        if in_line:
            self.line.leave(job)
        self.unsettled.append(Unsettled(job, skipped=skipped))

    def requeue(self, job: JobRecord, not_before: Instant, now: Instant) -> None:
        """A job goes back to its place, at once or when its back-off is over."""
        job.not_before = not_before
        if not_before > now:
            job.phase = Phase.BACKS_OFF
            heappush(self.back_off, (not_before, job.rank, job))
        else:
            self.line.enter(job)

    def forget(self, job: JobRecord) -> None:
        """A job has ended for good."""
        job.phase = Phase.ENDED
        del self.jobs[job.id]
        self.queues[job.told.queue].jobs -= 1
        if job.shape is not None:
            job.shape.jobs -= 1


def _tally(run: RunRecord) -> dict[NodeName, int]:
    """How many tasks of a run each node has."""
    tally: dict[NodeName, int] = {}
    for name in run.nodes:
        tally[name] = tally.get(name, 0) + 1
    return tally
