"""Lanes, and rows of them: waiting jobs that differ in nothing but their rank and their time.

Jobs of one account, priority and shape that the same advance reservations bar stand in a *lane*,
all lanes of a shape that these bar in a *row*. The row is what backfill asks: whatever fits one of
its jobs fits all, so the cost of an event follows the shapes that have room, however many tenants,
users and priorities share them. A row is put in order when it is asked: by those whose standing has
changed since, and no others.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING

from suan.core.firsts import Firsts
from suan.core.records import JobRecord
from suan.core.shares import Account
from suan.core.windows import window_class
from suan.model.units import Duration

if TYPE_CHECKING:
    from suan.core.line import Contest
    from suan.core.matching import Shape

Entry = tuple[int, int, JobRecord]  # a place, the number of the job's entry into the line, the job
MOVES_KEPT = 4096
CLEARED = 64  # entries that are not worth clearing up


class Lane:
    """Jobs of one account and priority in a row, in order of rank. Those that left are passed over
    when they reach the head; ``size`` counts the others. ``windows`` has the same jobs by the class
    of time they need, where that is looked at."""

    __slots__ = ("account", "contest", "number", "row", "shape", "size", "waiting", "windows")

    def __init__(self, account: Account, row: "Row", number: int) -> None:
        self.account = account
        self.row = row
        self.shape = row.shape
        self.number = number
        self.size = 0
        self.waiting: list[Entry] = []  # a heap
        self.windows: dict[int, list[Entry]] = {}  # heaps
        self.contest: Contest | None = None

    def head(self) -> JobRecord | None:
        """The first job, or ``None``."""
        return _first(self.waiting)

    def earliest(self) -> int | None:
        """Its first job's place in the order; ``None`` if there is none."""
        head = self.head()
        return None if head is None else head.order

    def first_that(
        self, passes: "Callable[[Lane, JobRecord], JobRecord | None]"
    ) -> JobRecord | None:
        """What ``passes`` says of the lane and its first job, as of a row of one lane."""
        head = self.head()
        return None if head is None else passes(self, head)

    def first_within(self, window: Duration) -> JobRecord | None:
        """The first job that is known to need no longer than ``window``."""
        last = window_class(window)
        best: JobRecord | None = None
        for of, heap in self.windows.items():
            if of > last:
                continue
            found = _first(heap) if of < last else _first_within(heap, window)
            if found is not None and (best is None or found.rank < best.rank):
                best = found
        return best

    def jobs(self) -> list[JobRecord]:
        """All its jobs, in no order that matters."""
        return [job for _, entry, job in self.waiting if job.entry == entry]

    def add(self, entry: Entry, window: Duration | None) -> None:
        """Put a job at its place; among the windows too, if it has one."""
        heappush(self.waiting, entry)
        if window:
            heappush(self.windows.setdefault(window_class(window), []), entry)


def _first(heap: list[Entry]) -> JobRecord | None:
    while heap:
        _, entry, job = heap[0]
        if job.entry == entry:
            return job
        heappop(heap)
    return None


def _first_within(heap: list[Entry], window: Duration) -> JobRecord | None:
    """The same among those of one class, some of which need longer."""
    fitting = [e for e in heap if e[2].entry == e[1] and e[2].window <= window]
    return min(fitting)[2] if fitting else None


class Moves:
    """Whose jobs came earlier by their standing, one after the other; the oldest are forgotten."""

    __slots__ = ("_accounts", "count")

    def __init__(self) -> None:
        self._accounts: list[Account] = []
        self.count = 0

    def note(self, account: Account) -> None:
        """An account's jobs come earlier."""
        self._accounts.append(account)
        self.count += 1
        if len(self._accounts) > 2 * MOVES_KEPT:
            del self._accounts[:MOVES_KEPT]

    def since(self, count: int) -> list[Account] | None:
        """Who has moved since there were so many moves; ``None`` where that is forgotten."""
        missed = self.count - count
        if missed > len(self._accounts):
            return None
        return self._accounts[len(self._accounts) - missed :]


class Row:
    """The lanes of one shape and of the same ``bars``, as far as they take part in their
    ``contest``, by the order of their first jobs."""

    __slots__ = (
        "_by_account",
        "_clear_at",
        "_firsts",
        "_moves",
        "_seen",
        "_short",
        "bars",
        "contest",
        "number",
        "shape",
    )

    def __init__(self, shape: "Shape", bars: int, moves: Moves, *, number: int) -> None:
        self.shape = shape
        self.bars = bars
        self.number = number
        self.contest: Contest | None = None
        self._moves = moves
        self._seen = moves.count
        self._firsts: Firsts[Lane] = Firsts(attrgetter("order"))
        self._by_account: dict[Account, list[Lane]] = {}
        self._short: list[Entry] = []  # a heap by the time they need
        self._clear_at = CLEARED

    @property
    def usable(self) -> int:
        """The flavors that its jobs could use now."""
        return self.contest.mask if self.contest is not None else 0

    def lanes(self) -> list[Lane]:
        """All that take part and have anyone, in no order that matters."""
        waiting = self.shape.waiting
        return [lane for lane in waiting if lane.row is self and lane.contest is not None]

    def add(self, lane: Lane) -> None:
        """A lane is new."""
        self._by_account.setdefault(lane.account, []).append(lane)

    def enter(self, entry: int, job: JobRecord) -> None:
        """A job has joined one of the lanes."""
        if job.window:
            heappush(self._short, (job.window, entry, job))
            if len(self._short) > self._clear_at:  # many have left
                self._short = [each for each in self._short if each[2].entry == each[1]]
                heapify(self._short)
                self._clear_at = CLEARED + 2 * len(self._short)

    def expect(self, lane: Lane, order: int) -> None:
        """A lane that takes part has a job at a place in the order."""
        self._firsts.expect(lane, order)

    def drop(self, lane: Lane) -> None:
        """A lane takes no part any more."""
        self._firsts.drop(lane)

    def head(self) -> JobRecord | None:
        """The first job of all."""
        self._catch_up()
        return self._firsts.first()

    def earliest(self) -> int | None:
        """A place in the order that none of its jobs comes before, as far as that is known without
        asking for the first; ``None`` if it has no job."""
        self._catch_up()
        return self._firsts.earliest()

    def shortest(self) -> Duration | None:
        """The least time that any of its jobs is known to need; ``None`` where that is known of
        none."""
        first = _first(self._short)
        return None if first is None else first.window

    def first_that(self, passes: Callable[[Lane, JobRecord], JobRecord | None]) -> JobRecord | None:
        """The first job that ``passes`` names, told a lane and its first job."""
        self._catch_up()
        return self._firsts.first_that(passes)

    def _catch_up(self) -> None:
        """Lanes of those whose standing has changed may come earlier than they did."""
        if self._seen == self._moves.count:
            return
        moved = self._moves.since(self._seen)
        self._seen = self._moves.count
        if moved is None or len(moved) > len(self._by_account):
            moved = list(self._by_account)
        for account in moved:
            for lane in self._by_account.get(account, ()):
                head = lane.head() if lane.contest is not None else None
                if head is not None:
                    self._firsts.expect(lane, head.rank + account.offset)
