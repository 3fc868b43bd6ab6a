"""Order: who is first in line for which flavors.

Jobs of one account, priority and shape, barred by the same reservations, stand in a *lane*. Lanes
whose jobs could use the very same set of flavors contend with each other alone: they form a
*contest*, known by that set's bits. The *front* holds each contest's first job, in order. Strict
order needs no more than that: if the first of a contest must wait, it holds all the flavors that
anyone behind it could use. So a million waiting jobs cost a cycle no more than the number of
contests.

A job's place in the order is its rank, plus the standing of its account where fair share counts.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from operator import attrgetter

from suan.core.capacity import Capacity
from suan.core.firsts import Firsts
from suan.core.lanes import Lane, Moves, Row
from suan.core.matching import Shape
from suan.core.records import JobRecord, Phase
from suan.core.shares import Account, Holder
from suan.model.demand import Demand
from suan.model.units import PoolName, QueueName

_PRUNE_AT = 4096


class Group:
    """One account's lanes in a contest."""

    __slots__ = ("account", "lanes", "number")

    def __init__(self, account: Account, number: int) -> None:
        self.account = account
        self.number = number
        self.lanes: Firsts[Lane] = Firsts(attrgetter("rank"))

    def head(self) -> JobRecord | None:
        """The account's first job."""
        return self.lanes.first()


class Contest:
    """Lanes that contend for the same flavors. ``head`` is its first job, and ``order`` that
    job's, as filed in front; ``shapes`` are those of all its jobs."""

    __slots__ = ("_firsts", "groups", "head", "mask", "order", "shapes")

    def __init__(self, mask: int) -> None:
        self.mask = mask
        self.head: JobRecord | None = None
        self.order: int | None = None
        self.groups: dict[Account, Group] = {}
        self.shapes: dict[Shape, None] = {}
        self._firsts: Firsts[Group] = Firsts(attrgetter("order"))

    def expect(self, lane: Lane, rank: int) -> None:
        """A lane has a job of this rank."""
        group = self.groups.get(lane.account)
        if group is None:
            group = self.groups[lane.account] = Group(lane.account, len(self.groups))
        group.lanes.expect(lane, rank)
        self._firsts.expect(group, rank + lane.account.offset)

    def drop(self, lane: Lane) -> None:
        """A lane contends no more."""
        group = self.groups.get(lane.account)
        if group is not None:
            group.lanes.drop(lane)

    def move(self, account: Account) -> bool:
        """An account's standing has changed: its jobs come earlier or later, if it has any here."""
        group = self.groups.get(account)
        head = group.head() if group is not None else None
        if group is None or head is None:
            return False
        self._firsts.expect(group, head.order)
        return True

    def first(self) -> JobRecord | None:
        """The job that comes first of all."""
        return self._firsts.first()


class Line:
    """Everyone who waits for capacity, of every queue. ``joined`` notes who takes a place, for
    whom asks (``core.nearest``), and ``enlisted`` counts how often lanes came to other contests."""

    __slots__ = (
        "_entries",
        "_lane_count",
        "_prune_at",
        "_row_count",
        "_shape_count",
        "arrived",
        "blocked",
        "capacity",
        "closed",
        "contests",
        "enlisted",
        "front",
        "joined",
        "lanes",
        "moves",
        "shapes",
        "unmatched",
        "windowed",
    )

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.shapes: dict[Demand | tuple[Demand, tuple[PoolName, ...]], Shape] = {}
        self.contests: dict[int, Contest] = {}
        self.front: list[tuple[int, int, Contest]] = []
        self.closed: set[QueueName] = set()
        self.blocked: dict[Holder, JobRecord] = {}  # by the first that a quota or limit keeps out
        self.lanes: dict[Account, list[Lane]] = {}
        self.moves = Moves()
        self.windowed = False  # whether jobs are found by the time they need
        self.arrived: dict[Lane, None] = {}  # where someone joined who may pass those before him
        self.unmatched: list[Shape] = []  # new since the last refresh
        self.joined: list[JobRecord] | None = None
        self.enlisted = 0
        self._entries = 0
        self._lane_count = 0
        self._row_count = 0
        self._shape_count = 0
        self._prune_at = _PRUNE_AT

    def shape_of(self, demand: Demand, rejected_by: tuple[PoolName, ...]) -> Shape:
        """The one shape of a demand (and of the pools that rejected it)."""
        key = (demand, rejected_by) if rejected_by else demand
        found = self.shapes.get(key)
        if found is None:
            self._prune()
            self._shape_count += 1
            found = self.shapes[key] = Shape(demand, rejected_by, self._shape_count)
            self.unmatched.append(found)
        return found

    def _prune(self) -> None:
        """Forget shapes that no job has, when they may have become many."""
        if len(self.shapes) >= self._prune_at:
            for shape in self.shapes.values():
                if not shape.jobs:
                    shape.forget()
            self.shapes = {key: shape for key, shape in self.shapes.items() if shape.jobs}
            for account, lanes in self.lanes.items():
                self.lanes[account] = [lane for lane in lanes if lane.shape.jobs]
            self._prune_at = max(_PRUNE_AT, 2 * len(self.shapes))

    def enter(self, job: JobRecord) -> None:
        """A job takes its place in line."""
        shape = job.shape
        assert shape is not None
        job.phase = Phase.IN_LINE
        key = (job.account, job.told.priority, job.bars)
        lane = shape.lanes.get(key)
        if lane is None:
            lane = self._new_lane(shape, key)
        job.lane = lane
        self._entries += 1
        job.entry = self._entries
        lane.add((job.rank, job.entry, job), job.window if self.windowed else None)
        lane.size += 1
        contest = lane.contest
        if lane.size == 1:
            shape.waiting[lane] = None
            if contest is not None:
                contest.shapes[shape] = None
        if self.windowed:
            lane.row.enter(job.entry, job)
            if self.joined is not None:
                self.joined.append(job)
        if contest is not None:
            order = job.rank + lane.account.offset
            contest.expect(lane, job.rank)
            if self.windowed:
                lane.row.expect(lane, order)
            if contest.order is None or order < contest.order:
                self.refile(contest)
            elif self.windowed:
                self.arrived[lane] = None

    def _new_lane(self, shape: Shape, key: tuple[Account, int, int]) -> Lane:
        row = self._row(shape, key[2])
        lane = shape.lanes[key] = Lane(key[0], row, self._lane_count)
        self._lane_count += 1
        self.lanes.setdefault(key[0], []).append(lane)
        row.add(lane)
        lane.contest = row.contest if self.takes_part(lane.account) else None
        return lane

    def _row(self, shape: Shape, bars: int) -> Row:
        row = shape.rows.get(bars)
        if row is None:
            self._row_count += 1
            row = shape.rows[bars] = Row(shape, bars, self.moves, number=self._row_count)
            row.contest = self._contest(row)
        return row

    def _contest(self, row: Row) -> Contest | None:
        """The contest for the flavors that a row's jobs could use now."""
        shape = row.shape
        mask = shape.usable(self.capacity.closed_to(row.bars)) if row.bars else shape.mask
        if not mask:
            return None
        found = self.contests.get(mask)
        if found is None:
            found = self.contests[mask] = Contest(mask)
        return found

    def takes_part(self, account: Account) -> bool:
        """Whether nothing keeps an account's jobs out of their contests, as a closed queue does."""
        return account.queue not in self.closed and not self.blockers(account)

    def leave(self, job: JobRecord) -> None:
        """A job that is no longer in line (its phase says so) gives up its place."""
        lane, job.lane = job.lane, None
        job.entry = 0
        if lane is None:
            return
        contest, shape = lane.contest, lane.shape
        lane.size -= 1
        if not lane.size:
            del shape.waiting[lane]
            self.arrived.pop(lane, None)
            if contest is not None and not any(each.contest is contest for each in shape.waiting):
                contest.shapes.pop(shape, None)
        if contest is not None and contest.head is job:
            self.refile(contest)

    def refile(self, contest: Contest) -> None:
        """Put a contest where its first job belongs; others may now have its flavors."""
        if contest.order is not None:
            del self.front[bisect_left(self.front, (contest.order,))]
        before, first = contest.head, contest.first()
        contest.head = first
        if before is not None and before is not first and before.lane is not None:
            self.arrived[before.lane] = None  # no longer first, but he may pass who is
        if first is None:
            contest.order = None
        else:
            contest.order = first.order
            insort(self.front, (contest.order, contest.mask, contest))
        self.capacity.awake |= contest.mask

    def move(self, accounts: Iterable[Account]) -> None:
        """The standing of some accounts has changed: their jobs come earlier or later."""
        moved: dict[Contest, None] = {}
        for account in accounts:
            if account.earlier:  # whoever comes later is found out when asked
                account.earlier = False
                self.moves.note(account)
            for contest in self.contests.values():
                if contest.move(account):
                    moved[contest] = None
        for contest in moved:
            self.refile(contest)

    def set_open(self, queue: QueueName, *, is_open: bool) -> None:
        """Let a queue's jobs into their contests, or keep them out."""
        (self.closed.discard if is_open else self.closed.add)(queue)
        for account in list(self.lanes):
            if account.queue == queue:
                self._enlist_all(account)

    def blockers(self, account: Account) -> list[JobRecord]:
        """Who keep an account out of its contests: the first of its queue, of a tenant, or of its
        user."""
        if not self.blocked:
            return []
        return [self.blocked[of] for of in account.holders if of in self.blocked]

    def block(self, of: Holder, blocker: JobRecord) -> None:
        """Keep a queue, a tenant or a user out of the contests: the first job of it may not start
        now."""
        self.blocked[of] = blocker
        self._enlist_blocked(of)

    def unblock(self, blocker: JobRecord) -> None:
        """Let those in again whom one kept out."""
        for of in [of for of, by in self.blocked.items() if by is blocker]:
            del self.blocked[of]
            self._enlist_blocked(of)

    def unblock_within(self, mask: int) -> None:
        """Let those in again whom one kept out who may use some flavors: he is looked at anew."""
        for blocker in list(dict.fromkeys(self.blocked.values())):
            if blocker.shape is not None and blocker.shape.mask & mask:
                self.unblock(blocker)

    def _enlist_blocked(self, of: Holder) -> None:
        for account in list(self.lanes):
            if of in account.holders:
                self._enlist_all(account)

    def _enlist_all(self, account: Account) -> None:
        for lane in self.lanes.get(account, ()):
            self._enlist(lane)

    def refresh(self) -> None:
        """Match what is new: new shapes with every pool, every shape with changed pools."""
        for shape in self.unmatched:
            self._match(shape, self.capacity.pools)
        self.unmatched.clear()
        changed = self.capacity.changed
        if not changed:
            return
        for shape in self.shapes.values():
            self._match(shape, changed)
        kept = (row.contest for shape in self.shapes.values() for row in shape.rows.values())
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
        before = [row.contest for row in shape.rows.values()]
        for row in shape.rows.values():
            row.contest = self._contest(row)
        after = [row.contest for row in shape.rows.values()]
        for contest in before:
            if contest is not None and contest not in after:
                contest.shapes.pop(shape, None)
        for lane in shape.lanes.values():
            self._enlist(lane)

    def _enlist(self, lane: Lane) -> None:
        before = lane.contest
        lane.contest = lane.row.contest if self.takes_part(lane.account) else None
        if lane.contest is before:
            return
        self.enlisted += 1
        if lane.contest is not None and lane.size:
            lane.contest.shapes[lane.shape] = None
        row = lane.row
        if before is not None:
            before.drop(lane)
            row.drop(lane)
            self.refile(before)
        head = lane.head()
        if lane.contest is not None and head is not None:
            lane.contest.expect(lane, head.rank)
            row.expect(lane, head.order)
            self.refile(lane.contest)
            self.arrived[lane] = None
