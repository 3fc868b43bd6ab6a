"""What the engine remembers of a job that is in the system, and of a run of it."""

from suan.model.events import Event
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus
from suan.model.plan import Place
from suan.model.units import Duration, Instant, PoolName
from suan.sim.traces.job import TraceJob

SUCCEEDED = Outcome(Cause.SUCCEEDED, exit_code=0)


class Living:
    """A job that has been submitted and has not left. ``kept`` is work that need not be done
    again, ``served`` the time of all its runs, ``lost`` what of that came to nothing, and
    ``extra`` the time of its extra tasks, one after the other."""

    __slots__ = (
        "attempts",
        "extra",
        "job",
        "kept",
        "limit",
        "lost",
        "place",
        "preempted",
        "served",
        "started",
    )

    def __init__(self, job: TraceJob, limit: Duration | None) -> None:
        self.job = job
        self.limit = limit
        self.kept: Duration = 0
        self.served: Duration = 0
        self.lost: Duration = 0
        self.extra: Duration = 0
        self.attempts = 0
        self.preempted = 0
        self.started: Instant | None = None
        self.place: Place | None = None  # of its last run

    def of_gang(self, each: int) -> int:
        """An amount of the whole gang; of an elastic job its mean over the time that it ran."""
        extra = each * self.extra // self.served if self.extra else 0
        return self.job.demand.tasks * each + extra


class Running:
    """An open run. It ends at ``until`` with ``outcome``, unless something happens before.

    ``warm`` is time at its beginning in which no work is done; ``saved_at`` when it saved its work
    because it was asked to stop. ``over`` marks its entries in the heap void.
    """

    __slots__ = (
        "accelerators",
        "began",
        "cpu",
        "of",
        "outcome",
        "over",
        "place",
        "saved_at",
        "stopping",
        "until",
        "warm",
    )

    def __init__(self, of: Living, place: Place, began: Instant, *, warm: Duration) -> None:
        self.of = of
        self.place = place
        self.began = began
        self.warm = warm
        self.until: Instant = 0
        self.outcome: Outcome = SUCCEEDED
        self.cpu = self.accelerators = 0  # thousandths in use, of the whole gang
        self.over = False
        self.stopping = False
        self.saved_at: Instant | None = None


class NodeTurn:
    """A node fails, or is back."""

    __slots__ = ("fails", "node", "over", "pool")

    def __init__(self, pool: PoolName, node: NodeStatus, *, fails: bool) -> None:
        self.pool = pool
        self.node = node
        self.fails = fails
        self.over = False


class Told:
    """Something that the scheduler is told when its time comes, and nobody else."""

    __slots__ = ("event", "over")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.over = False
