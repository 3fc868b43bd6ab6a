"""Conservative backfill: everyone who waits is promised a start, and nobody who comes later delays
it.

Promises are remembered, unlike the reservations of EASY: made anew from scratch they would not
hold, since an end that comes early lets one job move and that may push another back. So one
promise at a time is taken up and made anew, in order, while all others stand: it only ever comes
earlier. That is also what fills the room of whoever ends early (*compression*). A promise is lost
when what it rests on is: a node, a run that outlives what was expected, the job's place in line.

The work follows what came to be free: a job that found no earlier start is asked again only where
there is more room since, and only if it could use that.
"""

from dataclasses import dataclass
from heapq import nsmallest

from suan.core.flavors import Need
from suan.core.matching import Candidate
from suan.core.nearest import Nearest, first_of
from suan.core.nodes import Held
from suan.core.profile import FOREVER, Course, Gain, Profile
from suan.core.records import JobRecord, RunRecord
from suan.core.search import Promise, Sought, bars, earliest
from suan.core.state import State
from suan.model.units import Duration, Instant

DEPTH = 100
"""So many jobs of each contest, the first in order, are promised a start."""


@dataclass(slots=True)
class Taken:
    """A promise whose room is kept ``spots``, from ``begin`` until ``end``. It stood by these
    ``candidates``."""

    promise: Promise
    begin: Instant
    end: Instant
    spots: list[tuple[Course, Held]]
    candidates: tuple[Candidate, ...]


class Promises:
    """The promises as of one instant."""

    __slots__ = (
        "_asked",
        "_nearest",
        "_taken",
        "barred",
        "closed",
        "now",
        "profile",
        "state",
    )

    def __init__(self, state: State, now: Instant, nearest: Nearest | None = None) -> None:
        """With ``nearest`` they may be brought to later instants."""
        self.state = state
        self.now = now
        self.closed: list[tuple[int, JobRecord]] = []  # held by jobs without a start, in order
        self.barred: list[JobRecord] = []  # jobs to which a quota forbids every start, in order
        self._nearest = nearest
        self._taken: dict[JobRecord, Taken] = {}
        # how many gains each had seen who then found nothing earlier, and what else that rests on
        self._asked: dict[JobRecord, tuple[int, object]] = {}
        self.profile = Profile(now)
        state.put_off(now)
        self._begin_anew()

    @property
    def promised(self) -> dict[JobRecord, Promise]:
        return self.state.promised

    def bring(self, now: Instant) -> None:
        """Come to a later instant: what has happened since counts, and promises are lost with what
        they rested on."""
        self.now = now
        self.state.put_off(now)
        if not self.profile.bring(self.state.capacity.pools, now):
            self._begin_anew()
            return
        for job, taken in list(self._taken.items()):
            if self.promised.get(job) is not taken.promise:
                self._free(job)
            elif not self._has_grounds(job, taken):
                del self.promised[job]
                self._free(job)
            elif taken.promise.at < now:  # its time has come, and the time is later
                self.profile.lost.update(dict.fromkeys(c.node for c, _ in taken.spots))
        if self.profile.lost:
            self._keep_what_stands()

    def _begin_anew(self) -> None:
        """Read all pools, and keep the room of those promises that still stand."""
        self.profile = Profile(self.now)
        self._taken.clear()
        self._asked.clear()
        for job, promise in sorted(self.promised.items(), key=lambda each: _turn(*each)):
            if self._stands(job, promise):
                self._take(job, promise)
            else:
                del self.promised[job]

    def _keep_what_stands(self) -> None:
        """Of the promises on nodes where there is less, those that still have their room."""
        lost, self.profile.lost = self.profile.lost, {}
        hit = [
            (job, taken)
            for job, taken in self._taken.items()
            if any(course.node in lost for course, _ in taken.spots)
        ]
        for _, taken in hit:
            self._change(taken, 1)
        for job, taken in sorted(hit, key=lambda each: _turn(each[0], each[1].promise)):
            del self._taken[job]
            if self._fits(job, taken.promise):
                self._take(job, taken.promise)
            else:
                del self.promised[job]
                self._asked.pop(job, None)
                self._gain(taken)

    def _has_grounds(self, job: JobRecord, taken: Taken) -> bool:
        """Whether a job is where it was, and may start as it was promised for all that pools and
        quotas say."""
        if not self._is_in_line(job) or job.shape is None:
            return False
        if job.shape.candidates is taken.candidates and not self.state.quotas.count:
            return True
        return self.candidate(job, taken.promise) is not None

    def _stands(self, job: JobRecord, promise: Promise) -> bool:
        """Whether what a promise rests on is as it was."""
        if not self._is_in_line(job) or self.candidate(job, promise) is None:
            return False
        return self._fits(job, promise)

    def _is_in_line(self, job: JobRecord) -> bool:
        """Whether a job may start some day, as its queue stands: also one that advance reservations
        keep from all that it could use for now."""
        lane = job.lane
        if lane is None or lane.contest is not None:
            return lane is not None
        return lane.row.contest is None and self.state.line.takes_part(lane.account)

    def _fits(self, job: JobRecord, promise: Promise) -> bool:
        """Whether there is room for a promise beside what was taken before, and no reservation in
        advance bars it."""
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

    # Room ------------------------------------------------------------------------------------

    def _take(self, job: JobRecord, promise: Promise) -> None:
        """Keep the room of a promise for it."""
        assert job.shape is not None
        begin, pool = max(promise.at, self.now), self.state.capacity.pools[promise.pool]
        spots = [(self.profile.course(pool, pool.nodes[n]), held) for n, held in promise.spots]
        end, candidates = promise.until(begin), job.shape.candidates
        taken = self._taken[job] = Taken(promise, begin, end, spots, candidates)
        self._change(taken, -1)

    def _free(self, job: JobRecord) -> None:
        """What was kept for a job is for others."""
        taken = self._taken.pop(job)
        self._asked.pop(job, None)
        self._change(taken, 1)
        self._gain(taken)

    def _change(self, taken: Taken, times: int) -> None:
        begin = max(taken.begin, self.now)
        for course, held in taken.spots:
            course.change(held, begin, taken.end, times=times)

    def _gain(self, taken: Taken) -> None:
        begin = max(taken.begin, self.now)
        for course, _ in taken.spots if begin < taken.end else ():
            self.profile.gain(course, begin, taken.end)

    def began(self, run: RunRecord) -> None:
        """A job has started as it was promised."""
        taken = self._taken.pop(run.job)
        self.profile.began(run, self.state.capacity.pools[run.pool], taken.end)

    # Starts ----------------------------------------------------------------------------------

    def make(self) -> None:
        """Promise a start to everyone who comes first, and an earlier one wherever there is, until
        nobody's comes earlier any more."""
        moved, order = True, self._in_order()
        while moved:
            moved = False
            self.closed.clear()
            self.barred.clear()
            for job in order:
                moved = self._promise(job) or moved
        self.profile.forget_gains()  # everyone has seen them
        asked = self._asked
        self._asked = {job: (0, asked[job][1]) for job in order if job in asked}

    def _in_order(self) -> list[JobRecord]:
        """Whoever is among the first of his contest, or has a promise."""
        jobs = dict.fromkeys(self.promised)
        if self._nearest is not None:
            self._nearest.look(anew=bool(self.state.shares.moved))
        for _, _, contest in self.state.line.front:
            if self._nearest is not None:
                jobs.update(dict.fromkeys(self._nearest.of(contest)))
            else:
                jobs.update((job, None) for _, _, job in first_of(contest, DEPTH))
        if self.state.advance.kept:
            jobs.update(dict.fromkeys(self._kept_out()))
        return sorted(jobs, key=lambda job: job.order)

    def _kept_out(self) -> list[JobRecord]:
        """The first of those whom advance reservations keep from all that they could use."""
        line, found = self.state.line, dict[int, list[JobRecord]]()
        for shape in line.shapes.values():
            for lane in shape.waiting if shape.mask else ():
                if lane.row.contest is None and line.takes_part(lane.account):
                    found.setdefault(shape.mask, []).extend(lane.jobs())
        return [
            job for jobs in found.values() for job in nsmallest(DEPTH, jobs, key=lambda j: j.order)
        ]

    def _promise(self, job: JobRecord) -> bool:
        """Promise a job the earliest start that there is; whether that is earlier than before."""
        before = self._taken.get(job)
        if before is not None and before.promise.at <= self.now:
            return False
        rests_on = self._rests_on(job)
        if not self._may_start_earlier(job, before, rests_on):
            found = None
        else:
            if before is not None:
                self._change(before, 1)
            found = self._earliest(job, before.promise.at if before is not None else FOREVER)
            if before is not None and found is None:
                self._change(before, -1)
        if found is not None:
            self.promised[job] = found
            self._take(job, found)
            if before is not None:
                self._gain(before)
        elif before is None:
            self._starts_at_no_time(job)
        self._asked[job] = len(self.profile.gains), rests_on
        return found is not None

    def _rests_on(self, job: JobRecord) -> object:
        """What else than room a job's start rests on."""
        assert job.shape is not None
        held, barred = self._held_before(job), self.state.barred(job)
        return job.shape.candidates, job.window, held, barred

    def _may_start_earlier(self, job: JobRecord, before: Taken | None, rests_on: object) -> bool:
        """Whether that is worth a search: not if it found nothing before, and what came to be free
        since cannot help it."""
        asked = self._asked.get(job)
        if asked is None or asked[1] != rests_on:
            return True
        return any(self._helps(gain, job, before) for gain in self.profile.gains_since(asked[0]))

    def _helps(self, gain: Gain, job: JobRecord, before: Taken | None) -> bool:
        """Whether what came to be free may let a job start earlier. It must be free for a while
        before the job would have ended."""
        shape, flavor, window = job.shape, gain.course.node.flavor, job.window or FOREVER
        assert shape is not None
        if flavor is None or not flavor.mask & shape.mask:
            return False
        starts, own = FOREVER, False
        if before is not None:
            if before.promise.window != window:
                return True
            if gain.begin >= before.end:
                return False
            starts, own = before.begin, any(each is gain.course for each, _ in before.spots)
        for candidate in shape.candidates:
            if candidate.mask & flavor.mask:
                need = next(need for each, need in candidate.kinds if each is flavor)
                single = candidate.tasks == 1
                if _gives_room(gain, need, window, single=single, starts=starts, own=own):
                    return True
        return False

    def _starts_at_no_time(self, job: JobRecord) -> None:
        """It holds all that it could use, unless a quota is what keeps it from that, or advance
        reservations do."""
        assert job.shape is not None
        barred = len(self.state.barred(job)) == len(job.shape.candidates)
        if barred:  # it may not be the blocker, if another who starts at no time comes before it
            self.state.barred_jobs[job] = None
        if job.lane is None or job.lane.contest is None:
            return
        if barred:
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

    def _earliest(
        self, job: JobRecord, before: Instant, barred: frozenset[int] | None = None
    ) -> Promise | None:
        """The earliest start of a job, but on flavors held by others before it, if it comes
        ``before``."""
        assert job.shape is not None
        sought = Sought(
            job.window or FOREVER,
            allowed=~self._held_before(job),
            barred=self.state.barred(job) if barred is None else barred,
            spans=self.state.advance.spans(job),
            before=before,
        )
        return earliest(self.profile, job.shape, sought)

    def due(self) -> list[JobRecord]:
        """Whose time has come, in order."""
        due = [job for job, promise in self.promised.items() if promise.at <= self.now]
        return sorted(due, key=lambda job: job.order)

    # Questions -------------------------------------------------------------------------------

    def look(self) -> None:
        """Find out who holds what, as things stand; nothing is promised to anybody."""
        for job in self._in_order():
            if job not in self.promised:
                self._starts_at_no_time(job)

    def starts_now(self, job: JobRecord, candidate: Candidate) -> bool:
        """Whether a job could start by a candidate now, if all that is promised to others stands
        and nobody before it holds that."""
        shape, own = job.shape, self._taken.get(job)
        assert shape is not None
        others = frozenset(n for n, each in enumerate(shape.candidates) if each is not candidate)
        if own is not None:
            self._change(own, 1)
        found = self._earliest(job, FOREVER, others)
        if own is not None:
            self._change(own, -1)
        return found is not None and found.at <= self.now

    def too_far_back(self, job: JobRecord) -> bool:
        """Whether so many come before a job that it is not promised anything."""
        asked = (*self.promised, *(holder for _, holder in self.closed), *self.barred)
        return job not in asked


def brought(state: State, now: Instant) -> Promises:
    """The promises that a state keeps, as of an instant."""
    found = state.promises
    if found is None:
        nearest = Nearest(state.line, DEPTH)
        found = state.promises = Promises(state, now, nearest)
    else:
        found.bring(now)
    return found


def _gives_room(
    gain: Gain, need: Need, window: Duration, *, single: bool, starts: Instant, own: bool
) -> bool:
    """Whether tasks of a job may fit, where that came to be free, earlier than it ``starts`` now.
    On its ``own`` node it has its room from then on."""
    plain = single and not need.kin.accelerators
    if own and not plain:
        return True
    if need.cpu > gain.cpu or need.memory > gain.memory:
        return False
    if not plain:
        return True
    until, last = starts if own else FOREVER, min(starts, gain.end)
    return gain.course.first(need, window, before=last, own=until) is not None


def _turn(job: JobRecord, promise: Promise) -> tuple[Instant, int]:
    return promise.at, job.order
