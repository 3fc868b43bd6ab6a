"""What the scheduler remembers of each unfinished job and of each open run."""

from typing import TYPE_CHECKING, Final, TypeAlias

from suan.core.disciplines import devices_of
from suan.core.retry import Tries
from suan.model.events import JobSubmitted
from suan.model.job import Cause
from suan.model.resources import Resources
from suan.model.units import Duration, Instant, JobId, Money, NodeName, PoolName, RunId

if TYPE_CHECKING:
    from suan.core.lanes import Lane
    from suan.core.matching import Shape
    from suan.core.nodes import Held, Node
    from suan.core.shares import Account

NO_TRIES = Tries()


class Phase:
    """Where an unfinished job stands. Plain strings, because a member of an ``Enum`` takes longer
    to look up than most of the steps between two phases."""

    WAITS: Final = "waits"  # for other jobs to end
    BACKS_OFF: Final = "backs off"  # until a time
    IN_LINE: Final = "in line"
    RUNS: Final = "runs"
    SETTLES: Final = "settles"  # its run has ended; what follows is decided in the next cycle
    ENDED: Final = "ended"


class JobRecord:
    """An unfinished job. ``rank`` orders the jobs of one account (``core.disciplines``), and
    ``order`` all jobs. ``window`` is how long it is known to need, for certain where it has a time
    limit, and ``expected`` how long it will probably run, both in µs and 0 where nothing is known.

    ``bars`` has the bits of the reservations that keep it out now (``core.advance``), which is
    looked at again at ``barred_until``. ``served`` is the device-time its ended runs have had, in
    µs of an accelerator (or processor), ``making_room`` the runs that were told to stop for it;
    before ``nobody_yields_until`` none may be, and before ``nobody_moves_until`` nobody is moved
    for it. ``entry`` numbers its place in line. ``latest`` is when it must have started for the
    sake of its deadline, where that counts, and ``hurries`` that it did not wait for longer."""

    __slots__ = (
        "account",
        "attempts",
        "barred_until",
        "bars",
        "cancelled",
        "claims",
        "clears",
        "entry",
        "expected",
        "hurries",
        "id",
        "lane",
        "latest",
        "making_room",
        "moved",
        "nobody_moves_until",
        "nobody_yields_until",
        "not_before",
        "phase",
        "rank",
        "rejected_by",
        "run",
        "served",
        "shape",
        "told",
        "tries",
        "waits_for",
        "window",
    )

    def __init__(self, told: JobSubmitted, account: "Account") -> None:
        self.told = told
        self.account = account
        self.id: JobId = told.job
        self.rank = 0
        self.entry = 0
        self.latest: Instant | None = None
        self.hurries = False  # it would miss its deadline, and so comes first of its class
        self.claims = False  # it displaces others by its queue's quota, and so comes first of all
        self.clears = False  # others move for it, and so it comes first of its class
        self.moved = False  # it has moved for another, and so comes next
        self.bars = 0
        self.barred_until: Instant = 0
        self.window: Duration = 0
        self.expected: Duration = 0
        self.served: Duration = 0
        self.making_room: set[RunId] | None = None
        self.nobody_moves_until: Instant = 0
        self.nobody_yields_until: Instant = 0
        self.attempts = told.attempts
        self.phase: str = Phase.WAITS
        self.tries = NO_TRIES
        self.rejected_by: tuple[PoolName, ...] = ()
        self.cancelled = False
        self.not_before: Instant = 0
        self.waits_for: dict[JobId, tuple[str, ...]] | None = None
        self.run: RunRecord | None = None
        self.lane: Lane | None = None
        self.shape: Shape | None = None

    @property
    def takes(self) -> Duration:
        """How long it will take (µs): as its user expects, or at most; 0: nothing is known."""
        return self.told.expected or self.window

    @property
    def order(self) -> int:
        """Its place among all jobs, the lowest first."""
        return self.rank + self.account.offset

    def story(self) -> str:
        """What is known of it, for a violated invariant's message."""
        return (
            f"job {self.id} (seq {self.told.seq}, {self.phase}, {self.attempts} attempts,"
            f" run {self.run.id if self.run else 'none'})"
        )


class Part:
    """Some tasks of a run, one node for each, as if they were a run of their own."""

    __slots__ = ("job", "nodes", "per_task", "pool", "run")

    def __init__(self, run: "RunRecord", nodes: tuple[NodeName, ...]) -> None:
        self.run = run
        self.job = run.job
        self.per_task = run.per_task
        self.pool = run.pool
        self.nodes = nodes

    def held(self, node: "Node") -> "Held":
        """What they hold of a node."""
        return node.runs[self.run.id].last(self.nodes.count(node.name))


class RunRecord:
    """An open run. ``nodes`` has one entry for each task, in rank order. It ``began`` when it was
    started or, before that is told, placed; ``until`` is when it is expected to end, if that is
    known. With ``makes_room_for`` it was told to stop for that job; with ``keeps`` it then goes on
    with these of its nodes, and if it ``moves``, elsewhere. It could have had more, as an elastic
    one, since ``room_since``."""

    __slots__ = (
        "began",
        "hourly",
        "id",
        "job",
        "keeps",
        "makes_room_for",
        "moves",
        "nodes",
        "number",
        "option",
        "per_task",
        "pool",
        "room_since",
        "started",
        "stopping",
        "told",
        "until",
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
        self.began: Instant = 0
        self.hourly: Money = 0  # what an hour of it costs
        self.until: Instant | None = None
        self.number = 0
        self.makes_room_for: JobRecord | None = None
        self.moves = False
        self.keeps: tuple[NodeName, ...] | None = None
        self.room_since: Instant | None = None
        self.id = run
        self.job = job
        self.pool = pool
        self.nodes = nodes
        self.per_task = per_task
        self.option = option
        self.started = False
        self.stopping: Cause | None = None  # why it is to stop
        self.told: Cause | None = None  # why it was told to

    def held(self, node: "Node") -> "Held":
        """What it holds of a node."""
        return node.runs[self.id]

    def leaves(self, node: "Node") -> "Held":
        """What is free of a node when it has ended; what it goes on with is not."""
        held = node.runs[self.id]
        return held if self.keeps is None else held.last(held.tasks - self.keeps.count(node.name))

    @property
    def devices(self) -> int:
        """How many accelerators it holds, or processors if none."""
        return devices_of(self.per_task) * len(self.nodes)


Holding: TypeAlias = RunRecord | Part
