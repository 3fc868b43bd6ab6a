"""Conservative backfill: everyone who waits is promised a start, and nobody who comes later delays
it.

Promises are remembered, unlike the reservations of EASY: made anew from scratch they would not
hold, since an end that comes early lets one job move and that may push another back. So one
promise at a time is taken up and made anew, in order, while all others stand: it only ever comes
earlier. That is also what fills the room of whoever ends early (*compression*). A promise is lost
when what it rests on is: a node, a run that outlives what was expected, the job's place in line.
"""

from heapq import nsmallest

from suan.core.line import Contest
from suan.core.matching import Candidate
from suan.core.profile import FOREVER, Profile
from suan.core.records import JobRecord
from suan.core.search import Promise, bars, earliest
from suan.core.state import State
from suan.model.units import Instant

DEPTH = 100
"""So many jobs of each contest, the first in order, are promised a start."""


class Promises:
    """The promises of one cycle."""

    __slots__ = ("barred", "closed", "now", "profile", "promised", "state")

    def __init__(self, state: State, now: Instant) -> None:
        self.state = state
        self.now = now
        self.promised = state.promised
        self.profile = Profile(now)
        self.closed: list[tuple[int, JobRecord]] = []  # held by jobs without a start, in order
        self.barred: list[JobRecord] = []  # jobs to which a quota forbids every start, in order
        state.put_off(now)
        for job, promise in sorted(self.promised.items(), key=lambda each: _turn(*each)):
            if self._stands(job, promise):
                self._take(promise, -1)
            else:
                del self.promised[job]

    def _stands(self, job: JobRecord, promise: Promise) -> bool:
        """Whether what a promise rests on is as it was."""
        if job.lane is None or job.lane.contest is None or self.candidate(job, promise) is None:
            return False
        pool, begin = self.state.capacity.pools[promise.pool], max(promise.at, self.now)
        spans = self.state.advance.spans(job)
        for name, held in promise.spots:
            course = self.profile.course(pool, pool.nodes[name])
            if bars(spans, course.node, begin):
                return False
            if not course.holds(held, begin, promise.until(begin)):
                return False
        return True

    def candidate(self, job: JobRecord, promise: Promise) -> Candidate | None:
        """By which candidate a job would start, if that still is one with these nodes, and no quota
        forbids it."""
        assert job.shape is not None
        barred = self.state.barred(job)
        for number, each in enumerate(job.shape.candidates):
            if (each.pool.name, each.option) != (promise.pool, promise.option):
                continue
            kinds = {id(flavor) for flavor, _ in each.kinds}
            nodes = [each.pool.nodes.get(name) for name, _ in promise.spots]
            there = all(n and n.home is not None and id(n.flavor) in kinds for n in nodes)
            held = promise.spots[0][1].per_task
            if there and held == each.per_task and number not in barred:
                return each
        return None

    def _take(self, promise: Promise, times: int) -> None:
        """Keep the room of a promise for it; with ``times`` of 1 let it go."""
        pool, begin = self.state.capacity.pools[promise.pool], max(promise.at, self.now)
        for name, held in promise.spots:
            course = self.profile.course(pool, pool.nodes[name])
            course.change(held, begin, promise.until(begin), times=times)

    def make(self) -> None:
        """Promise a start to everyone who comes first, and an earlier one wherever there is, until
        nobody's comes earlier any more."""
        moved = True
        while moved:
            moved = False
            self.closed.clear()
            self.barred.clear()
            for job in self._in_order():
                moved = self._promise(job) or moved

    def _in_order(self) -> list[JobRecord]:
        """Whoever is among the first of his contest, or has a promise."""
        jobs = dict.fromkeys(self.promised)
        for _, _, contest in self.state.line.front:
            jobs.update(dict.fromkeys(first_of(contest, DEPTH)))
        return sorted(jobs, key=lambda job: job.order)

    def _promise(self, job: JobRecord) -> bool:
        """Promise a job the earliest start that there is; whether that is earlier than before."""
        before = self.promised.get(job)
        if before is not None and before.at <= self.now:
            return False
        if before is not None:
            self._take(before, 1)
        found = self._earliest(job)
        if found is None or (before is not None and found.at >= before.at):
            found = before
        if found is None:
            self._starts_at_no_time(job)
            return False
        self._take(found, -1)
        self.promised[job] = found
        return found is not before

    def _starts_at_no_time(self, job: JobRecord) -> None:
        """It holds all that it could use, unless a quota is what keeps it from that."""
        assert job.shape is not None
        if len(self.state.barred(job)) == len(job.shape.candidates):
            self.barred.append(job)
        else:
            self.closed.append((job.shape.mask, job))

    def blocker(self) -> JobRecord | None:
        """A job that a quota keeps out and that comes first of all to whom that quota applies."""
        for job in self.barred:
            barrier, order = self.state.quotas.barrier(job), job.order
            others = self._in_order()
            if all(barrier not in each.account.holders or each.order >= order for each in others):
                return job
        return None

    def _held_before(self, job: JobRecord) -> int:
        """The flavors held by jobs before one of which it cannot be told when they start."""
        held = 0
        for mask, holder in self.closed:
            held |= mask if holder.order < job.order else 0
        return held

    def _earliest(self, job: JobRecord) -> Promise | None:
        """The earliest start of a job, but on flavors held by others before it."""
        held = self._held_before(job)
        assert job.shape is not None
        barred = self.state.barred(job)
        window = job.window or FOREVER
        spans = self.state.advance.spans(job)
        return earliest(self.profile, job.shape, window, allowed=~held, barred=barred, spans=spans)

    def due(self) -> list[JobRecord]:
        """Whose time has come, in order."""
        due = [job for job, promise in self.promised.items() if promise.at <= self.now]
        return sorted(due, key=lambda job: job.order)

    def look(self) -> None:
        """Find out who holds what, as things stand; nothing is promised to anybody."""
        for job in self._in_order():
            if job not in self.promised:
                self._starts_at_no_time(job)

    def starts_now(self, job: JobRecord, candidate: Candidate) -> bool:
        """Whether a job could start by a candidate now, if all that is promised to others stands
        and nobody before it holds that."""
        shape, own = job.shape, self.promised.get(job)
        assert shape is not None
        others = frozenset(n for n, each in enumerate(shape.candidates) if each is not candidate)
        if own is not None:
            self._take(own, 1)
        found = earliest(
            self.profile,
            shape,
            job.window or FOREVER,
            allowed=~self._held_before(job),
            barred=others,
            spans=self.state.advance.spans(job),
        )
        if own is not None:
            self._take(own, -1)
        return found is not None and found.at <= self.now

    def too_far_back(self, job: JobRecord) -> bool:
        """Whether so many come before a job that it is not promised anything."""
        asked = (*self.promised, *(holder for _, holder in self.closed), *self.barred)
        return job not in asked


def first_of(contest: Contest, count: int) -> list[JobRecord]:
    """The first jobs of a contest, in order."""
    entries = (
        (rank + lane.account.offset, entry, job)
        for shape in contest.shapes
        for lane in shape.waiting
        if lane.contest is contest
        for rank, entry, job in lane.waiting
        if job.entry == entry
    )
    return [job for _, _, job in nsmallest(count, entries)]


def _turn(job: JobRecord, promise: Promise) -> tuple[Instant, int]:
    return promise.at, job.order
