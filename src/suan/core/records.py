"""What the scheduler remembers of each unfinished job and of each open run."""

from enum import Enum
from typing import TYPE_CHECKING

from suan.core.retry import Tries
from suan.model.events import JobSubmitted
from suan.model.job import Cause
from suan.model.resources import Resources
from suan.model.units import Instant, JobId, NodeName, PoolName, RunId

if TYPE_CHECKING:
    from suan.core.line import Lane
    from suan.core.matching import Shape

_PRIORITY_SHIFT = 44  # submission numbers stay below 2**44, and ranks are machine words
NO_TRIES = Tries()


class Phase(Enum):
    """Where an unfinished job stands."""

    WAITS = "waits"  # for other jobs to end
    BACKS_OFF = "backs off"  # until a time
    IN_LINE = "in line"
    RUNS = "runs"
    SETTLES = "settles"  # its run has ended; what follows is decided in the next cycle
    ENDED = "ended"


class JobRecord:
    """An unfinished job. ``rank`` orders jobs: by priority, then by submission, for good."""

    __slots__ = (
        "attempts",
        "cancelled",
        "id",
        "lane",
        "not_before",
        "phase",
        "rank",
        "rejected_by",
        "run",
        "shape",
        "told",
        "tries",
        "waits_for",
    )

    def __init__(self, told: JobSubmitted) -> None:
        self.told = told
        self.id: JobId = told.job
        self.rank = (-told.priority << _PRIORITY_SHIFT) + told.seq
        self.attempts = told.attempts
        self.phase = Phase.WAITS
        self.tries = NO_TRIES
        self.rejected_by: tuple[PoolName, ...] = ()
        self.cancelled = False
        self.not_before: Instant = 0
        self.waits_for: dict[JobId, tuple[str, ...]] | None = None
        self.run: RunRecord | None = None
        self.lane: Lane | None = None
        self.shape: Shape | None = None

    def story(self) -> str:
        """What is known of it, for a violated invariant's message."""
        return (
            f"job {self.id} (seq {self.told.seq}, {self.phase.value}, {self.attempts} attempts,"
            f" run {self.run.id if self.run else 'none'})"
        )


class RunRecord:
    """An open run. ``nodes`` has one entry for each task, in rank order."""

    __slots__ = (
        "id",
        "job",
        "nodes",
        "option",
        "per_task",
        "pool",
        "started",
        "stopping",
    )

    def __init__(
        self,
        run: RunId,
        job: JobRecord,
        *,
        pool: PoolName,
        nodes: tuple[NodeName, ...],
        per_task: Resources,
        option: int,
    ) -> None:
        self.id = run
        self.job = job
        self.pool = pool
        self.nodes = nodes
        self.per_task = per_task
        self.option = option
        self.started = False
        self.stopping: Cause | None = None
