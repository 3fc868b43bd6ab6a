"""Backfill: jobs start past those that must wait, where no reservation moves (EASY).

The first job that waits for some flavors has a reservation: the pool where it can start earliest,
the nodes, and the instant at which they will be free (``core.forecast``). Anyone may start now
on other nodes; on a reserved one only who is known to end in time, or leaves the room that the
reservation will need. Where no end can be told, the job that waits holds its flavors as in strict
order. Mu'alem and Feitelson, IEEE TPDS 12(6), 2001, describe EASY for one machine.
"""

from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from itertools import chain

from suan.core.forecast import Outlook, Reservation
from suan.core.lanes import Lane, Row
from suan.core.matching import Candidate, Shape
from suan.core.nodes import Node
from suan.core.packing import Spots
from suan.core.quotas import NOBODY
from suan.core.records import JobRecord, RunRecord
from suan.core.room import ALWAYS, Room
from suan.core.state import Closed, Kept, State
from suan.model.units import MINUTE, Duration, Instant

EVERYWHERE = -1  # the bits of all flavors


@dataclass(slots=True)
class Fit:
    """Where a job would start now, and how long it may then run."""

    number: int  # of its shape's candidate
    spots: Spots
    window: Duration


class Backfill:
    """What may start now, in one cycle, while earlier jobs wait."""

    __slots__ = (
        "_arrived",
        "_covered",
        "_fits",
        "_fresh",
        "_holders",
        "_interest",
        "_more",
        "_rows",
        "closed",
        "nodes",
        "now",
        "reservations",
        "state",
    )

    def __init__(self, state: State, now: Instant) -> None:
        self.state = state
        self.now = now
        self.reservations: list[Reservation] = []
        self.nodes: dict[Node, Reservation] = {}
        self.closed: list[tuple[int, JobRecord]] = []  # flavors held by jobs without a forecast
        self._holders: set[JobRecord] = set()  # for whom something is kept
        self._interest = 0
        self._covered = 0
        # where each row may stay longest, by where it is looked and what a quota forbids
        self._fits: dict[tuple[Row, int, frozenset[int]], Fit | None] = {}
        self._rows: list[tuple[int, int, int, Row | Lane]] = []  # a heap, by the next to be asked
        self._arrived: dict[Lane, None] = {}  # their jobs may start anywhere; the others …
        self._fresh = 0  # … only on flavors where there is more room than before
        self._more: list[Node] = []  # the nodes that have it, if these are all

    def look(self) -> None:
        """Find whoever may start now who could not before.

        That takes more room on some node, a reservation that is gone, or someone who is new.
        """
        self._let_go()
        self._arrived = self.state.line.arrived
        shapes, barred = self._shapes(), self._barred()
        rows: list[Row | Lane] = [*self._arrived]
        for shape in shapes:
            rows += shape.rows.values()
        for row in rows:
            contest = row.contest
            if contest is None or not contest.mask & ~barred:
                continue
            earliest = row.earliest()
            if earliest is not None:
                self._interest |= contest.mask
                self._rows.append((earliest, isinstance(row, Row), row.number, row))
        heapify(self._rows)

    def _hopeless(self, row: Row) -> bool:
        """Whether it is plain that none of its jobs may start where there is more room now."""
        if self._is_kept_for(row):
            return False
        shortest = row.shortest() or ALWAYS
        if row.shape.demand.tasks == 1:
            return not self._lasts(row, shortest)
        longest = self._longest(row, self._fresh, NOBODY)
        return longest is None or longest.window < shortest

    def _is_kept_for(self, row: Row) -> bool:
        """Whether something is kept for one of its jobs."""
        first = row.contest.head if row.contest is not None else None
        return first is not None and first.shape is row.shape and first in self._holders

    def _lasts(self, row: Row, enough: Duration) -> bool:
        """Whether a task has room for so long somewhere where there is more room now."""
        usable = row.usable & self._fresh
        if not row.shape.has_room(usable):
            return False  # most of them, once somebody has had the room
        usable &= ~self._closed_to(None)
        candidates = row.shape.candidates
        return any(
            self._room(None, candidates[number], usable).lasts(enough)
            for number in row.shape.reaching(usable)
        )

    def _passing(self, lane: Lane, head: JobRecord) -> JobRecord | None:
        """The first of a lane's jobs that may start: that has time enough where the lane may stay
        longest."""
        if self._own(head) is not None:
            return head
        longest = self._longest(lane.row, self._looked(lane), self.state.barred(head))
        if longest is None:
            return None
        if longest.window >= (head.window or ALWAYS):
            return head
        return lane.first_within(longest.window)

    def _own(self, head: JobRecord) -> Fit | None:
        """Where someone for whom something is kept may start, if he may."""
        if head not in self._holders:
            return None
        enough = head.window or ALWAYS
        assert head.lane is not None
        own = self.fit(head.lane.row, enough, barred=self.state.barred(head), own=head)
        return own if own is not None and own.window >= enough else None

    def _longest(self, row: Row, looked: int, barred: frozenset[int]) -> Fit | None:
        """Where the jobs of a row may stay longest, but for the candidates ``barred``."""
        key = row, looked, barred
        if key not in self._fits:
            self._fits[key] = self.fit(row, ALWAYS, barred=barred, looked=looked)
        return self._fits[key]

    def _barred(self) -> int:
        """Flavors that somebody holds of whom it cannot be told when he starts."""
        barred = 0
        for closed in self.state.closed.values():
            barred |= closed.mask
        return barred

    def _let_go(self) -> None:
        """Reservations of those who are no longer first, or whose time has come, keep nothing."""
        state, fresh = self.state, self.state.capacity.fresh
        for job, kept in list(state.kept.items()):
            if not _is_first(job) or kept.stands_until <= self.now:
                del state.kept[job]
                fresh.update(dict.fromkeys(kept.nodes))
        for job, closed in list(state.closed.items()):
            if not _is_first(job) or closed.until <= self.now:
                del state.closed[job]
                state.capacity.renewed |= closed.mask

    def _shapes(self) -> dict[Shape, None]:
        """The shapes that have room where there is more of it than before."""
        capacity = self.state.capacity
        renewed = capacity.renewed
        if renewed:  # whoever is first there now may hold it all
            for _, mask, _ in self.state.line.front:
                self._interest |= mask if mask & renewed else 0
            self.look_ahead()
        barred = self._barred()
        found: dict[Shape, None] = {}
        fresh, capacity.fresh, capacity.renewed = capacity.fresh, {}, 0
        for node in fresh:
            flavor = node.flavor
            if flavor is not None and not flavor.mask & (barred | renewed):
                self._fresh |= flavor.mask
                self._more.append(node)
                found.update((s, None) for s in flavor.askers(node) if s.waiting)
        renewed &= ~barred
        self._fresh |= renewed
        self._more = [] if renewed else self._more
        for _, mask, contest in self.state.line.front if renewed else ():
            if mask & renewed:
                found.update((s, None) for s in contest.shapes if s.has_room(mask & ~barred))
        return found

    def next_start(self) -> tuple[JobRecord, Fit] | None:
        """The first job in order that may start now."""
        self.look_ahead()
        rows = self._rows
        while rows:
            at, kind, number, row = rows[0]
            first = row.head()
            if first is not None and first.order > at:  # others may come before it
                heapreplace(rows, (first.order, kind, number, row))
                continue
            hopeless = isinstance(row, Row) and self._hopeless(row)
            job = None if hopeless else row.first_that(self._passing)
            if job is None:
                heappop(rows)
                continue
            heapreplace(rows, (job.order, kind, number, row))
            if rows[0][3] is row:
                return job, self._best(job)
        return None

    def passes_better(self, job: JobRecord) -> bool:
        """Whether somebody of a higher priority waits, who may displace the job by and by."""
        return any(r.job.told.priority > job.told.priority for r in self.reservations)

    def left(self) -> dict[Lane, None]:
        """Lanes that were not asked to the end, since the cycle's limit was reached."""
        left: dict[Lane, None] = {}
        for _, _, _, row in self._rows:
            left.update(dict.fromkeys([row] if isinstance(row, Lane) else row.lanes()))
        return left

    def _best(self, job: JobRecord) -> Fit:
        """Where a job that may start goes best."""
        own = self._own(job)
        if own is not None:
            return own
        lane = job.lane
        assert lane is not None
        looked, barred = self._looked(lane), self.state.barred(job)
        longest = self._longest(lane.row, looked, barred)
        assert longest is not None
        if longest.window == ALWAYS:
            return longest
        tightest = self.fit(lane.row, job.window, barred=barred, looked=looked)
        assert tightest is not None
        return tightest

    def _looked(self, lane: Lane) -> int:
        """Where a lane's jobs may start who could not before."""
        return EVERYWHERE if lane in self._arrived else self._fresh

    def fit(
        self,
        row: Row,
        enough: Duration,
        *,
        barred: frozenset[int],
        looked: int = EVERYWHERE,
        own: JobRecord | None = None,
    ) -> Fit | None:
        """Where a row has room now on flavors in ``looked`` (a gang: on all of a pool that has
        one), by a candidate that is not ``barred``: the first place that is free long ``enough``,
        or else that is free longest. What is kept for ``own`` is free to that job alone."""
        best: Fit | None = None
        usable = row.usable & ~self._closed_to(own)
        for number in row.shape.reaching(looked):
            candidate = row.shape.candidates[number]
            allowed = candidate.mask & usable
            if not allowed & looked or number in barred:
                continue
            if candidate.tasks == 1:
                allowed &= looked
            found = self._room(own, candidate, allowed).find(enough)
            if found is not None and (best is None or found[1] > best.window):
                best = Fit(number, *found)
                if best.window >= enough:
                    return best
        return best

    def _closed_to(self, job: JobRecord | None) -> int:
        """The flavors that are held from a job, if that is named, or else from all."""
        closed = 0
        for mask, holder in self.closed:
            closed |= 0 if holder is job else mask
        return closed

    def _room(self, job: JobRecord | None, candidate: Candidate, allowed: int) -> Room:
        return Room(candidate, allowed, self.nodes, now=self.now, job=job)

    def window(self, job: JobRecord, candidate: Candidate, allowed: int) -> Duration | None:
        """How long a job may hold what is free now by one candidate, on flavors in ``allowed``."""
        found = self._room(job, candidate, allowed).find(ALWAYS)
        return None if found is None else found[1]

    def reserve_for(self, mask: int) -> None:
        """Reserve for everyone who is first for some of these flavors."""
        self._interest |= mask
        self.look_ahead()

    def watch(self) -> None:
        """Look again when what the reservations rest on should have come."""
        for reservation in self.reservations:
            shape, kept = reservation.job.shape, self.state.kept.get(reservation.job)
            if shape is not None and kept is not None:
                self.state.alarm(shape.mask, kept.stands_until)

    def look_ahead(self) -> None:
        """Reserve for everyone who is first for some flavor of interest."""
        if not self._interest & ~self._covered:
            return
        self._covered = self._interest
        self.reservations.clear()
        self.nodes.clear()
        self._holders.clear()
        self.state.put_off(self.now)
        held = 0
        for _, mask, contest in self.state.line.front:
            job, allowed = contest.head, mask & ~held
            held |= mask
            assert job is not None
            if not allowed & self._interest:
                continue
            self._holders.add(job)
            closed = self.state.closed.get(job)
            if closed is None or allowed & ~closed.mask:  # who came before it may have left
                self._reserve(job, allowed)
        self.closed = [(closed.mask, job) for job, closed in self.state.closed.items()]

    def _reserve(self, job: JobRecord, allowed: int) -> None:
        state, barred = self.state, self.state.barred(job)
        before = state.kept.pop(job, None)
        outlook = (before.outlook if before is not None else None) or Outlook(job)
        spans = state.advance.spans(job)
        found = outlook.reserve(allowed, self.now, taken=self.nodes, without=barred, spans=spans)
        if found is None:
            state.closed[job] = Closed(allowed, self.now + MINUTE)
        else:
            closed = state.closed.pop(job, None)
            if closed is not None:
                state.capacity.renewed |= closed.mask
            self.reservations.append(found)
            self.nodes.update(dict.fromkeys(found.spots, found))
            until = min(found.at, found.candidate.pool.ends.first(found.at))
            state.kept[job] = Kept(found.at, until, tuple(found.spots), outlook)
        if before is not None:
            self._release(before, found)

    def _release(self, before: Kept, found: Reservation | None) -> None:
        """What a reservation kept before and does not keep now, or keeps later, is looked at."""
        for node in before.nodes:
            if found is None or node not in found.spots or found.at > before.at:
                self.state.capacity.fresh[node] = None

    def started(self, spots: Spots, run: RunRecord) -> None:
        """A run was started: it holds its part of reserved nodes then, too, if it goes on."""
        taken = {node for node, _ in spots}
        self._fits = {  # where there was no room there is none now
            key: fit
            for key, fit in self._fits.items()
            if fit is None or not any(node in taken for node, _ in fit.spots)
        }
        if not taken.isdisjoint(self._more):
            self._let_pass()
        for node, _ in spots:
            reservation = self.nodes.get(node)
            if reservation is None or (run.until is not None and run.until <= reservation.at):
                continue
            reservation.spots[node].then.refund(node.runs[run.id], -1)

    def _let_pass(self) -> None:
        """Ask none of those any more who have no room left where there was more of it."""
        askers = (node.flavor.askers(node) for node in self._more if node.flavor is not None)
        shapes = set(chain.from_iterable(askers))
        self._rows = [
            entry
            for entry in self._rows
            if isinstance(row := entry[3], Lane) or row.shape in shapes or self._is_kept_for(row)
        ]
        heapify(self._rows)


def _is_first(job: JobRecord) -> bool:
    return job.lane is not None and job.lane.contest is not None and job.lane.contest.head is job
