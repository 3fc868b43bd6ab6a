"""Order: who is first in line for which flavors.

Jobs of one queue, priority and shape stand in a *lane*. Lanes whose jobs could use the very same
set of flavors contend with each other alone: they form a *contest*, known by that set's bits. The
*front* holds each contest's first job, in order of rank. Strict order needs no more than that: if
the first of a contest must wait, it holds all the flavors that anyone behind it could use.
So a million waiting jobs cost a cycle no more than the number of contests.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush, heapreplace

from suan.core.capacity import Capacity
from suan.core.matching import Shape
from suan.core.records import JobRecord, Phase
from suan.model.demand import Demand
from suan.model.units import PoolName, QueueName

_PRUNE_AT = 4096


class Lane:
    """Jobs of one queue, priority and shape, in order of rank. Cancelled ones are passed over
    when they reach the head. ``posted`` is the rank at which its contest expects the lane."""

    __slots__ = ("contest", "fresh", "number", "posted", "queue", "returned", "shape")

    def __init__(self, queue: QueueName, shape: Shape, number: int) -> None:
        self.queue = queue
        self.shape = shape
        self.number = number
        self.fresh: deque[JobRecord] = deque()  # in the order of submission
        self.returned: list[tuple[int, JobRecord]] = []  # a heap: jobs that kept their place
        self.contest: Contest | None = None
        self.posted: int | None = None

    def head(self) -> JobRecord | None:
        """The first job, or ``None``."""
        fresh, returned = self.fresh, self.returned
        while fresh and fresh[0].phase is not Phase.IN_LINE:
            fresh.popleft()
        if not returned:
            return fresh[0] if fresh else None
        while returned and returned[0][1].phase is not Phase.IN_LINE:
            heappop(returned)
        if not returned or (fresh and fresh[0].rank < returned[0][0]):
            return fresh[0] if fresh else None
        return returned[0][1]

    def add(self, job: JobRecord) -> None:
        """Put a job at its place."""
        if not self.fresh or self.fresh[-1].rank < job.rank:
            self.fresh.append(job)
        else:
            heappush(self.returned, (job.rank, job))

    def waiting(self) -> list[JobRecord]:
        """All its jobs, in no order that matters."""
        every = [*self.fresh, *(job for _, job in self.returned)]
        return [job for job in every if job.phase is Phase.IN_LINE]


class Contest:
    """Lanes that contend for the same flavors. ``head`` is its first job, and ``rank`` that job's,
    as filed in front."""

    __slots__ = ("head", "lanes", "mask", "rank")

    def __init__(self, mask: int) -> None:
        self.mask = mask
        self.head: JobRecord | None = None
        self.rank: int | None = None
        self.lanes: list[tuple[int, int, Lane]] = []  # a heap, put right as entries reach the top

    def post(self, lane: Lane, rank: int) -> None:
        """Expect a lane at a rank; an entry at another rank is void."""
        lane.posted = rank
        heappush(self.lanes, (rank, lane.number, lane))

    def first(self) -> JobRecord | None:
        """The job of the lowest rank."""
        lanes = self.lanes
        while lanes:
            rank, number, lane = lanes[0]
            if lane.contest is not self or lane.posted != rank:
                heappop(lanes)
                continue
            head = lane.head()
            if head is None:
                heappop(lanes)
                lane.posted = None
            elif head.rank == rank:
                return head
            else:
                lane.posted = head.rank
                heapreplace(lanes, (head.rank, number, lane))
        return None


class Line:
    """Everyone who waits for capacity, of every queue."""

    __slots__ = (
        "_lane_count",
        "_prune_at",
        "_unmatched",
        "capacity",
        "closed",
        "contests",
        "front",
        "shapes",
    )

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.shapes: dict[Demand | tuple[Demand, tuple[PoolName, ...]], Shape] = {}
        self.contests: dict[int, Contest] = {}
        self.front: list[tuple[int, int, Contest]] = []
        self.closed: set[QueueName] = set()
        self._unmatched: list[Shape] = []  # new since the last refresh
        self._lane_count = 0
        self._prune_at = _PRUNE_AT

    def shape_of(self, demand: Demand, rejected_by: tuple[PoolName, ...]) -> Shape:
        """The one shape of a demand (and of the pools that rejected it)."""
        key = (demand, rejected_by) if rejected_by else demand
        found = self.shapes.get(key)
        if found is None:
            self._prune()
            found = self.shapes[key] = Shape(demand, rejected_by)
            self._unmatched.append(found)
        return found

    def _prune(self) -> None:
        """Forget shapes that no job has, when they may have become many."""
        if len(self.shapes) >= self._prune_at:
            self.shapes = {key: shape for key, shape in self.shapes.items() if shape.jobs}
            self._prune_at = max(_PRUNE_AT, 2 * len(self.shapes))

    def enter(self, job: JobRecord) -> None:
        """A job takes its place in line."""
        shape = job.shape
        assert shape is not None
        job.phase = Phase.IN_LINE
        key = (job.told.queue, job.told.priority)
        lane = shape.lanes.get(key)
        if lane is None:
            lane = shape.lanes[key] = Lane(key[0], shape, self._lane_count)
            self._lane_count += 1
            if key[0] not in self.closed:
                lane.contest = shape.contest
        job.lane = lane
        lane.add(job)
        contest = lane.contest
        if contest is not None:
            rank = job.rank
            if lane.posted is None or rank < lane.posted:
                contest.post(lane, rank)
            if contest.rank is None or rank < contest.rank:
                self.refile(contest)

    def leave(self, job: JobRecord) -> None:
        """A job that is no longer in line (its phase says so) gives up its place."""
        lane, job.lane = job.lane, None
        contest = lane.contest if lane else None
        if contest is not None and contest.rank == job.rank:
            self.refile(contest)

    def refile(self, contest: Contest) -> None:
        """Put a contest where its first job belongs; others may now have its flavors."""
        if contest.rank is not None:
            del self.front[bisect_left(self.front, (contest.rank,))]
        first = contest.head = contest.first()
        if first is None:
            contest.rank = None
        else:
            contest.rank = first.rank
            insort(self.front, (first.rank, contest.mask, contest))
        self.capacity.awake |= contest.mask

    def set_open(self, queue: QueueName, *, is_open: bool) -> None:
        """Let a queue's jobs into their contests, or keep them out."""
        (self.closed.discard if is_open else self.closed.add)(queue)
        for shape in self.shapes.values():
            for lane in shape.lanes.values():
                if lane.queue == queue:
                    self._enlist(lane, shape.contest)

    def refresh(self) -> None:
        """Match what is new: new shapes with every pool, every shape with changed pools."""
        for shape in self._unmatched:
            self._match(shape, self.capacity.pools)
        self._unmatched.clear()
        changed = self.capacity.changed
        if not changed:
            return
        for shape in self.shapes.values():
            self._match(shape, changed)
        kept = (shape.contest for shape in self.shapes.values())
        self.contests = {contest.mask: contest for contest in kept if contest}
        self.capacity.settle()

    def _match(self, shape: Shape, names: Iterable[PoolName]) -> None:
        for name in names:
            pool = self.capacity.pools.get(name)
            if pool is None:
                shape.matches.pop(name, None)
            else:
                shape.rematch(pool)
        shape.settle()
        self._assign(shape)

    def _assign(self, shape: Shape) -> None:
        """Bring a shape's lanes to the contest of the flavors it can use now."""
        contest = None
        if shape.mask:
            contest = self.contests.get(shape.mask)
            if contest is None:
                contest = self.contests[shape.mask] = Contest(shape.mask)
        shape.contest = contest
        for lane in shape.lanes.values():
            self._enlist(lane, contest)

    def _enlist(self, lane: Lane, contest: Contest | None) -> None:
        before = lane.contest
        lane.contest = None if lane.queue in self.closed else contest
        if lane.contest is before:
            return
        lane.posted = None
        if before is not None:
            self.refile(before)
        head = lane.head()
        if lane.contest is not None and head is not None:
            lane.contest.post(lane, head.rank)
            self.refile(lane.contest)
