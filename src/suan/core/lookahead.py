"""When a waiting job may start: the scheduler is run forward, once as if everything ended early
and once as if everything took as long as it may.

What ends when is an assumption, and the answer says which: time limits, what users expect, what
was learned of runs alike. Nothing new comes in, what is cancelled or refused meanwhile is not
foreseen, and a run that tells nothing goes on for ever. The look ahead is bounded: by the jobs it
is worth for (``foreseeable``) and by the steps it takes.
"""

from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush, nsmallest

from suan.core.advance import opening
from suan.core.cycle import Cycle
from suan.core.deadlines import STOPS_WITHIN
from suan.core.durations import Durations
from suan.core.forking import fork
from suan.core.records import JobRecord, Phase, RunRecord
from suan.core.state import State
from suan.core.wording import counted, listed
from suan.model.events import JobSubmitted
from suan.model.job import Cause, Outcome
from suan.model.plan import Decision, Place, Stop
from suan.model.units import MINUTE, SECOND, Duration, Instant, JobId, PoolName

MOST_JOBS = 4_000  # with more the state is not copied whole
MOST_NEAR = 1_000  # of a larger one, so many jobs in line are copied to look ahead
MOST_IN_LINE = 100_000  # with more these are not looked for
MOST_STEPS = 600  # runs that begin or end, each way
DECISIONS = 1_000  # of one cycle, as in ``Scheduler.decide``

LIMIT, EXPECTED, LEARNED, STOPPED, UNKNOWN = range(5)  # what an end rests on
_NAMES = (
    "the time limits of",
    "what users expect of",
    "learned durations of",
    "the time to save and stop of",
)


@dataclass(frozen=True, slots=True)
class Range:
    """Between when a job may start, and what that rests on, in words. ``None``: not told."""

    earliest: Instant | None
    latest: Instant | None
    rests_on: str


NOT_ASKED = Range(None, None, "")


@dataclass(slots=True)
class Course:
    """One way things may go. ``start`` is when the job starts in it, if it does; else ``until`` is
    how far was looked, and ``cut`` whether there was more to see. ``rests`` counts the ends that
    came before by what they rest on, and whether the run began on the way; ``endless`` are runs
    that tell no end, where they may have to do with it. ``entered`` is when it took its place in
    line, if it was not there. ``over`` names the reservations that end on the way."""

    entered: Instant = 0
    start: Instant | None = None
    until: Instant = 0
    cut: bool = False
    rests: dict[tuple[int, bool], int] = field(default_factory=dict)
    endless: list[RunRecord] = field(default_factory=list)
    over: list[str] = field(default_factory=list)


def foreseeable(state: State) -> bool:
    """Whether the state is small enough to be copied and run forward."""
    return len(state.jobs) <= MOST_JOBS


def near(state: State, job: JobRecord, before: int) -> tuple[State, int] | None:
    """A copy of a large state with those ``before`` a job and the next behind it, as far as they
    have to do with it, and how many that leaves out; ``None`` if they are too many."""
    lanes = [lane for shape in state.line.shapes.values() for lane in shape.waiting]
    in_line = sum(lane.size for lane in lanes)
    if before >= MOST_NEAR or in_line > MOST_IN_LINE or len(state.jobs) - in_line > MOST_JOBS:
        return None
    mask = _reach(state, job)
    entries = (
        (rank + lane.account.offset, entry, each.id)
        for lane in lanes
        if lane.contest is not None and lane.contest.mask & mask
        for rank, entry, each in lane.waiting
        if each.entry == entry
    )
    line = {name for _, _, name in nsmallest(MOST_NEAR, entries)}
    copy = fork(state, line | {job.id})
    if job.id not in copy.jobs:
        copy.admit(copy.record(job.told))
    return copy, in_line - len(line)


def decide_all(state: State, now: Instant) -> list[Decision]:
    """Let a copy decide all that follows by now; its decisions, in order."""
    found: list[Decision] = []
    while True:
        plan = Cycle(state, now, DECISIONS).run()
        found += plan.decisions
        if not plan.more:
            return found


def decide_some(state: State, now: Instant, count: int) -> None:
    """Let a copy make the first ``count`` of its decisions by now."""
    Cycle(state, now, min(count, DECISIONS)).run()
    if count > DECISIONS:
        decide_some(state, now, count - DECISIONS)


def foresee(copy: State, job: JobId, now: Instant, *, known: Durations) -> Range:
    """When a job may start that waits in a copy which has decided all that follows by ``now``.

    ``known`` is what was learned of durations so far: what the copy learns
    on its way is made up."""
    early = _Ahead(fork(copy), job, now, known=known, late=False).run()
    late = _Ahead(fork(copy), job, now, known=known, late=True).run()
    found, least = _between(early, late, now), _not_before(copy, copy.jobs[job], now)
    if found.earliest is None:
        return found
    return replace(found, earliest=max(found.earliest, least))


def _not_before(state: State, job: JobRecord, now: Instant) -> Instant:
    """Before when reservations let a job start nowhere, whatever ends."""
    closed, shape = state.capacity.closed_to(job.bars), job.shape
    if job.phase is not Phase.IN_LINE or shape is None or not closed or shape.usable(closed):
        return now
    spans = state.advance.spans(job)
    kinds = (flavor for each in shape.candidates for flavor, _ in each.kinds)
    return min((opening(spans, flavor.key[3], now) for flavor in kinds), default=now)


def _between(early: Course, late: Course, now: Instant) -> Range:
    """What two courses tell together. Things may go either way, so the later start need not be
    that of the later ends."""
    told = _told(late, now)
    seen = [course.until if course.start is None else course.start for course in (early, late)]
    may_end = [max(run.began, now, early.entered) for run in (*early.endless, *late.endless)]
    first = min(*seen, *may_end)
    if early.start is not None and late.start is not None:
        return Range(first, max(seen), told)
    if early.cut or late.cut:
        return Range(first, None, f"{told}; more happens before it starts than is looked at")
    if late.endless:
        return Range(None, None, f"not known: {_named(late.endless[0], now)} tells no end")
    return Range(None, None, "not known: it does not start though all that runs now ends")


class _Ahead:
    """A copy of the state on its way forward."""

    __slots__ = ("course", "ends", "job", "known", "last", "late", "now", "pools", "state")

    def __init__(
        self, state: State, job: JobId, now: Instant, *, known: Durations, late: bool
    ) -> None:
        self.state = state
        self.known = known if state.policy.predict else Durations()
        self.job = job
        self.now = now
        self.late = late
        self.course = Course(until=now)
        self.last = state.started  # runs with higher numbers are begun on the way
        self.pools = _related(state, state.jobs[job])
        runs = state.runs.values()
        self.ends = [(at, run.number, run.id) for run in runs if (at := self._end(run)) is not None]
        heapify(self.ends)

    def run(self) -> Course:
        """Until the job starts, or nothing more happens, or the bound is reached."""
        course, steps, looks = self.course, 0, 0
        kept = [r for r in self.state.advance.kept.values() if r.pool in self.pools]
        wake = self._decide()
        while course.start is None and steps < MOST_STEPS and looks < MOST_STEPS:
            looks += 1
            at = self._next(wake)
            if at is None:
                break
            self.now = course.until = at
            before = self.state.started
            steps += self._finish()
            gated = self._gated()
            wake = self._decide()
            if gated and not self._gated():
                course.entered = at
            steps += self.state.started - before
        course.cut = max(steps, looks) >= MOST_STEPS and course.start is None
        course.endless = self._endless()
        course.over = sorted(each.name for each in kept if each.end <= self.now)
        return course

    def _gated(self) -> bool:
        job = self.state.jobs.get(self.job)
        return job is not None and job.phase in (Phase.WAITS, Phase.BACKS_OFF)

    def _next(self, wake: Instant | None) -> Instant | None:
        while self.ends and self.ends[0][2] not in self.state.runs:
            heappop(self.ends)
        times = [self.ends[0][0]] if self.ends else []
        if wake is not None and wake > self.now:
            times.append(wake)
        return min(times, default=None)

    def _finish(self) -> int:
        """End the runs whose time has come."""
        ended = 0
        while self.ends and self.ends[0][0] <= self.now:
            run = self.state.runs.get(heappop(self.ends)[2])
            if run is None:
                continue
            if run.pool in self.pools:
                key = _basis(self.known, run), run.number > self.last
                self.course.rests[key] = self.course.rests.get(key, 0) + 1
            self.state.end(run, Outcome(run.stopping or Cause.SUCCEEDED), self.now)
            ended += 1
        return ended

    def _decide(self) -> Instant | None:
        while True:
            plan = Cycle(self.state, self.now, DECISIONS).run()
            for decision in plan.decisions:
                if isinstance(decision, Place):
                    self._place(decision)
                elif isinstance(decision, Stop):
                    self._expect(self.state.runs[decision.run])
            if not plan.more or self.course.start is not None:
                return plan.wake_at

    def _place(self, place: Place) -> None:
        if place.job == self.job:
            self.course.start = self.now
        else:
            self._expect(self.state.runs[place.run])

    def _expect(self, run: RunRecord) -> None:
        at = self._end(run)
        if at is not None:
            heappush(self.ends, (at, run.number, run.id))

    def _end(self, run: RunRecord) -> Instant | None:
        """When a run ends in this course; ``None``: nobody knows."""
        if run.stopping is not None:
            saves = run.makes_room_for is not None or run.stopping is Cause.PREEMPTED
            by = run.until if saves else None
            return max(self.now + STOPS_WITHIN if by is None else by, self.now + SECOND)
        takes = (_late if self.late else _early)(self.known, run, self.now)
        return None if takes is None else max(run.began + takes, self.now + 1)

    def _endless(self) -> list[RunRecord]:
        """The runs that tell no end, where they may be in its way."""
        endless = [
            run
            for run in self.state.runs.values()
            if run.job.id != self.job
            and (run.began < self.now or run.number <= self.last)
            and self._end(run) is None
        ]
        related = [run for run in endless if run.pool in self.pools]
        return related if related or self.course.start is not None else endless


def _related(state: State, job: JobRecord) -> set[PoolName]:
    """The pools whose runs may have to do with when a job starts."""
    mask = _reach(state, job)
    pools = state.capacity.pools.values()
    return {p.name for p in pools if any(f.mask & mask for f in p.flavors.values())}


def _reach(state: State, job: JobRecord) -> int:
    """The flavors that it could use, that others could use which wait for these, and so on."""
    mask, before = job.shape.mask if job.shape is not None else 0, 0
    while mask != before:
        before = mask
        for _, other, _ in state.line.front:
            if other & mask:
                mask |= other
    return mask


def _basis(known: Durations, run: RunRecord) -> int:
    told = run.job.told
    if run.stopping is not None:
        return STOPPED
    if told.time_limit:
        return LIMIT
    if known.expect(told) is not None:
        return LEARNED
    return EXPECTED if told.expected else UNKNOWN


def _late(known: Durations, run: RunRecord, now: Instant) -> Duration | None:
    """How long a run takes if it takes long: its limit; or else what nine in ten runs alike stay
    within, or what its user expects, and more where it has passed that."""
    told, ran = run.job.told, max(now - run.began, 0)
    takes = told.time_limit or max(told.expected or 0, _learned(known, told)[1])
    if not takes:
        return None
    if takes <= ran:
        takes = ran + MINUTE
        if not told.time_limit:
            takes = max(takes, known.ends_after(told, ran))
    return takes


def _early(known: Durations, run: RunRecord, now: Instant) -> Duration | None:
    """How long it takes if it is quick: what half the runs alike take; or else what its user
    expects, or half its limit. One that has passed that ends halfway to its late end."""
    late = _late(known, run, now)
    if late is None:
        return None
    told, ran = run.job.told, max(now - run.began, 0)
    takes = _learned(known, told)[0] or told.expected or late // 2
    takes = min(takes, late)
    return takes if takes > ran else ran + (late - ran) // 2


def _learned(known: Durations, told: JobSubmitted) -> tuple[Duration, Duration]:
    """What half of the runs alike, and what nine in ten, stay within; 0 where none is known."""
    found = known.expect(told)
    return (found.median, found.high) if found is not None else (0, 0)


def _told(course: Course, now: Instant) -> str:
    """What a course rests on, in words."""
    parts = []
    for basis, name in enumerate(_NAMES):
        here, then = course.rests.get((basis, False), 0), course.rests.get((basis, True), 0)
        both = [counted(here, "run")] if here else []
        both += [f"{counted(then, 'job')} before it"] if then else []
        parts += [f"{name} {listed(both)}"] if both else []
    ends = [f"reservation {name}" for name in course.over]
    parts += [f"the end of {listed(ends)}"] if ends else []
    said = [listed(parts)] if parts else []
    if course.endless:
        more = len(course.endless) - 1
        others = f" and {counted(more, 'other')}" if more else ""
        verb = "tell" if more else "tells"
        said.append(f"{_named(course.endless[0], now)}{others} {verb} no end and may go on")
    return "; ".join([*said, "nothing new coming in"])


def _named(run: RunRecord, now: Instant) -> str:
    """A run that tells no end; its job, if it only begins on the way."""
    return f"run {run.id} in pool {run.pool}" if run.began <= now else f"job {run.job.id} before it"
