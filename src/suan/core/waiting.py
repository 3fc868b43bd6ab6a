"""What keeps a waiting job from each pool, asked anew of all of them.

A pool that could run it is full, or what is free there is kept for a job that waits as well: by
strict order, by a reservation, or because nobody can tell when that job starts. What a person
could do about it is worked out with what decides: the reservations of ``core.backfill`` and the
victims of ``core.preemption``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from suan.core.advance_words import first_to_open, reserved
from suan.core.backfill import EVERYWHERE, Backfill
from suan.core.deadline_words import eager, in_time
from suan.core.deadlines import NEVER
from suan.core.forecast import Reservation
from suan.core.forking import fork
from suan.core.lookahead import decide_all
from suan.core.matching import Candidate, Match, Shape, full_of
from suan.core.packing import fits, room
from suan.core.preemption import may_displace, victims
from suan.core.promises import DEPTH, Promises
from suan.core.quota_words import forbids
from suan.core.reasons import Holders, Reasons, holders_before, promised_there
from suan.core.records import JobRecord, RunRecord
from suan.core.room import ALWAYS
from suan.core.search import Promise
from suan.core.standing import BY_SUBMISSION, because
from suan.core.state import State
from suan.core.wording import amount_of, counted, listed, span
from suan.model.plan import Cost
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import Resources
from suan.model.spec import PRIORITY_MAX
from suan.model.units import MINUTE, Duration, Instant, JobId, PoolName


class Waiting:
    """One waiting job, and those before it. ``origin`` is the state that is explained, where
    ``state`` is a copy of it: what a user could do is tried out on another copy."""

    __slots__ = (
        "backfill",
        "closed",
        "holders",
        "job",
        "now",
        "origin",
        "promises",
        "shape",
        "state",
    )

    def __init__(
        self, state: State, job: JobRecord, now: Instant, *, origin: State | None = None
    ) -> None:
        self.origin = origin
        assert job.shape is not None
        self.state = state
        self.job = job
        self.now = now
        self.shape: Shape = job.shape
        self.closed = state.capacity.closed_to(state.advance.bars(job, now))
        self.holders: Holders = holders_before(state, job)
        self.backfill: Backfill | None = None
        self.promises: Promises | None = None
        if state.policy.backfill == "conservative":
            self.promises = Promises(state, now)
            self.promises.look()
        elif state.line.windowed and state.line.front:
            self.backfill = Backfill(state, now)
            self.backfill.reserve_for(EVERYWHERE)

    def asked(self) -> Reasons:
        """The costs of the pools that would take it now, best first, and the refusals of the
        others, by name."""
        costs: dict[PoolName, Cost] = {}
        for candidate in self.shape.candidates:
            name = candidate.pool.name
            fitting = name not in costs and fits(candidate, self._open(candidate))
            if fitting and self._against(candidate) is None:
                costs[name] = candidate.cost
        refusals = [
            found.refusal or self._word_of(found)
            for name, found in self.shape.ordered_matches
            if name not in costs
        ]
        return tuple(costs.values()), tuple(refusals)

    def refused(self) -> tuple[Refusal, ...]:
        """What every pool says to a job that does not start now, by name."""
        matches = self.shape.ordered_matches
        return tuple(found.refusal or self._word_of(found) for _, found in matches)

    def passes(self, pool: PoolName) -> JobRecord | None:
        """Whom it passes if it starts in a pool: the first job that waits for something there."""
        mask = self.shape.matches[pool].mask
        return next((job for held, job in self.holders if held & mask), None)

    def _open(self, candidate: Candidate) -> int:
        """The flavors of a candidate that no reservation keeps from it."""
        return candidate.open_part(self.closed)

    def _word_of(self, found: Match) -> Refusal:
        """What a pool says that could run the job, but not now."""
        forbidden = [forbids(self.state, self.job, each) for each in found.candidates]
        if all(forbidden):
            return forbidden[0] or self._full(found)
        fitting = [each for each in found.candidates if fits(each, self._open(each))]
        if not fitting and (kept := self._kept_for_others(found)):
            return kept
        for candidate in fitting:
            against = self._against(candidate)
            if against is not None:
                return against
        return self._overlooked(fitting[0]) if fitting else self._full(found)

    def _kept_for_others(self, found: Match) -> Refusal | None:
        """What a pool says if reservations keep from it what it has room on, or all it has."""
        some = any(self._open(each) for each in found.candidates)
        if some and not any(fits(each, each.mask) for each in found.candidates):
            return None
        kept = first_to_open(self.state, self.job, found, now=self.now)
        if kept is None:
            return None
        left = kept[0].begin - self.now
        limit = left >= MINUTE and self._would_pass(left)
        return reserved(self.job, kept[0], self.now, until=kept[1], limit=limit)

    def _against(self, candidate: Candidate) -> Refusal | None:
        """What keeps it from the room that there is by a candidate."""
        return forbids(self.state, self.job, candidate) or self._kept(candidate)

    def _promised(self, candidate: Candidate, promises: Promises) -> Refusal | None:
        """Why it may not start by a candidate that has room, where starts are promised."""
        if promises.too_far_back(self.job):
            return self._too_far_back(candidate)
        if promises.starts_now(self.job, candidate):
            return None
        before = [each for each in promises.closed if each[1].order < self.job.order]
        holder = self._holder(candidate, before)
        if holder is not None:
            return self._behind(candidate, holder)
        match = self.shape.matches[candidate.pool.name]
        return promised_there(match, promises.promised, self.job)

    def _too_far_back(self, candidate: Candidate) -> Refusal:
        first = self.holders[0][1] if self.holders else None
        return Refusal(
            code=RefusalCode.BEHIND_EARLIER_JOB,
            pool=candidate.pool.name,
            detail=f"{DEPTH} jobs come before it that could use the same, and only these are"
            " promised a start",
            unblocked_by="one of them starts or is cancelled",
            behind=first.id if first is not None else None,
        )

    def promised(self) -> Promise | None:
        """The start that it is promised, if it is."""
        return None if self.promises is None else self.promises.promised.get(self.job)

    def _kept(self, candidate: Candidate) -> Refusal | None:
        """Why it may not have the room that there is by a candidate, if it may not."""
        if self.promises is not None:
            return self._promised(candidate, self.promises)
        holders = self.holders if self.backfill is None else self.backfill.closed
        held = 0
        for mask, holder in holders:
            held |= mask if holder is not self.job else 0
        own = self._open(candidate) & ~held
        if not fits(candidate, own):
            first = self._holder(candidate, holders)
            return None if first is None else self._behind(candidate, first)
        if self.backfill is None:
            return None
        window = self.backfill.window(self.job, candidate, own)
        if window is None or window >= (self.job.window or ALWAYS):
            return None
        return self._reserved(self._reservation(candidate, window))

    def _holder(self, candidate: Candidate, holders: Holders) -> JobRecord | None:
        """The first in order that keeps some of the room there is."""
        before = 0
        for mask, holder in holders:
            own = mask & ~before & self._open(candidate)
            before |= mask
            if holder is not self.job and any(
                flavor.mask & own and flavor.tightest(need) is not None
                for flavor, need in candidate.kinds
            ):
                return holder
        return None

    def _reservation(self, candidate: Candidate, window: int) -> Reservation:
        assert self.backfill is not None
        return next(
            each
            for each in self.backfill.reservations
            if each.candidate.pool is candidate.pool and each.at == self.now + window
        )

    def _behind(self, candidate: Candidate, holder: JobRecord) -> Refusal:
        detail = f"what is free there is kept for job {holder.id}, {self._comes(holder)}"
        if self.backfill is not None or self.promises is not None:
            detail += "; when that job can start is not known" + self._endless(candidate)
        return Refusal(
            code=RefusalCode.BEHIND_EARLIER_JOB,
            pool=candidate.pool.name,
            detail=detail,
            unblocked_by=f"job {holder.id} starts or is cancelled",
            behind=holder.id,
        )

    def _comes(self, other: JobRecord) -> str:
        """How another job stands to this one."""
        why = because(self.state, self.job, other)
        if why in ("", BY_SUBMISSION):
            return "which comes earlier" if why else "which is first in line for it"
        return f"which comes earlier ({why})"

    def _endless(self, candidate: Candidate) -> str:
        """Names a run of which nobody knows when it ends."""
        return next(
            (
                f", because run {run.id} there tells no end"
                for run in candidate.pool.open.values()
                if run.until is None
            ),
            "",
        )

    def _reserved(self, kept: Reservation) -> Refusal:
        first, window = kept.job, max(kept.at - self.now, 0)
        left = span(window)
        if self.job.window:
            until = f"this job needs {span(self.job.window)}, and only {left} are left until then"
        else:
            until = "it is not known how long this job runs"
        limit = window >= MINUTE and self._would_pass(window)
        mend = f", or this job is given a time limit of at most {left}" if limit else ""
        return Refusal(
            code=RefusalCode.BEHIND_EARLIER_JOB,
            pool=kept.candidate.pool.name,
            detail=f"what is free there is kept for job {first.id}, {self._comes(first)} and is"
            f" expected to start there in {left}; {until}",
            unblocked_by=f"job {first.id} starts or is cancelled{mend}",
            behind=first.id,
            until=kept.at,
        )

    def _would_pass(self, limit: Duration) -> bool:
        """Whether it would start now with another time limit: tried out."""
        if self.origin is None or self.job.id not in self.origin.jobs:
            return False
        copy = fork(self.origin)
        job = copy.jobs[self.job.id]
        job.cancelled = True
        copy.withdraw(job)
        told = replace(job.told, job=JobId(f"{job.id}+"), time_limit=limit, after=(), history=())
        again = copy.record(told)
        again.rejected_by = job.rejected_by
        copy.admit(again)
        decide_all(copy, self.now)
        return again.run is not None

    def _overlooked(self, candidate: Candidate) -> Refusal:
        """Reservations stand for a while, though they would be made otherwise by now."""
        times = [at for mask, at in self.state.alarms.items() if mask & candidate.mask]
        again = min(times, default=None)
        soon = f" or, at the latest, in {span(again - self.now)}" if again is not None else ""
        detail = "what is free there was kept for others when it was last looked at"
        mend, until = f"something there ends{soon}", again
        holder = self._standing(candidate)
        if holder is not None:
            detail = f"what is free there is kept for job {holder.id}, {self._comes(holder)}"
            mend = f"job {holder.id} starts or is cancelled, or {mend}"
            kept = self.state.kept.get(holder)
            until = kept.at if kept is not None else again
        return Refusal(
            code=RefusalCode.BEHIND_EARLIER_JOB,
            pool=candidate.pool.name,
            detail=detail,
            unblocked_by=mend,
            behind=holder.id if holder is not None else None,
            until=until,
        )

    def _standing(self, candidate: Candidate) -> JobRecord | None:
        """Whose reservation stands where there is room."""
        for job, closed in self.state.closed.items():
            if closed.mask & candidate.mask and job is not self.job:
                return job
        nodes = {id(node) for flavor, need in candidate.kinds for node, _ in flavor.holding(need)}
        for job, kept in self.state.kept.items():
            if job is not self.job and any(id(node) in nodes for node in kept.nodes):
                return job
        return None

    # Full --------------------------------------------------------------------------------------

    def _full(self, found: Match) -> Refusal:
        refusal = full_of(found)
        detail = f"{refusal.detail}; {_figures(self.shape, found, self.closed)}"
        ending = self._ending(found)
        if ending:
            names = listed([f"run {run.id}" for run in ending])
            verb = "is" if len(ending) == 1 else "are"
            whose = "its deadline" if self.job.hurries else "it"
            detail += f"; {names} {verb} ending there to make room for {whose}"
            return replace(refusal, detail=detail, unblocked_by=_ended(ending))
        safe = self._safe_until(found)
        if safe is not None:
            what = f"what it may displace there is safe for {span(safe - self.now)} more"
            return self._full_until(refusal, f"{detail}; {what}", safe)
        until = in_time(self.job, found, self.now)
        if until is not None and self._displaces(eager(self.job), found, found.mask, at=until):
            what = f"for its deadline it may displace what runs there in {span(until - self.now)}"
            return self._full_until(refusal, f"{detail}; {what}", until)
        return replace(refusal, detail=detail, preemption_helps=self._bolder(found))

    def _full_until(self, refusal: Refusal, detail: str, until: Instant) -> Refusal:
        latest = f"{refusal.unblocked_by}, at the latest in {span(until - self.now)}"
        return replace(refusal, detail=detail, unblocked_by=latest, until=until)

    def _ending(self, found: Match) -> list[RunRecord]:
        """The runs in a pool that were told to stop for it."""
        waits_for = self.job.making_room or ()
        return [run for run in found.pool.open.values() if run.id in waits_for]

    def _safe_until(self, found: Match) -> Instant | None:
        """When the first of what it may displace is no longer protected, if that is why it has
        to wait."""
        if self.job.making_room or not may_displace(self.state, self.job, NEVER):
            return None
        least, own = self.state.policy.min_run_time, found.mask & ~self.closed
        for mask, _ in self.holders:
            own &= ~mask
        times = {run.began + least for run in found.pool.open.values()}
        for at in sorted(at for at in times if at > self.now):
            if self._displaces(self.job, found, own, at=at):
                return at
        return None

    def _bolder(self, found: Match) -> bool:
        """Whether it would displace what holds the room, had it the highest of priorities."""
        if not self.state.policy.preemption or self.job.told.priority >= PRIORITY_MAX:
            return False
        bold = JobRecord(replace(self.job.told, priority=PRIORITY_MAX), self.job.account)
        bold.shape, bold.served = self.shape, self.job.served
        at = self.now + self.state.policy.min_run_time
        return self._displaces(bold, found, found.mask & ~self.closed, at=at)

    def _displaces(self, job: JobRecord, found: Match, allowed: int, *, at: Instant) -> bool:
        """Whether a job would displace others in a pool."""
        shape, asked = job.shape, (job.nobody_yields_until, job.nobody_moves_until)
        job.shape = replace(self.shape, candidates=found.candidates)
        found_some = bool(victims(self.state, job, allowed, now=at).runs)
        job.shape, (job.nobody_yields_until, job.nobody_moves_until) = shape, asked
        return found_some


@contextmanager
def untouched(state: State, now: Instant) -> Iterator[None]:
    """Whatever is worked out meanwhile of what waits, by now, leaves the state as it was."""
    overdue = [run for pool in state.capacity.pools.values() for run in pool.ends.overdue(now)]
    expected = [(run, run.until) for run in overdue]
    kept, closed, alarms = dict(state.kept), dict(state.closed), dict(state.alarms)
    promised = dict(state.promised)
    fresh, renewed = dict(state.capacity.fresh), state.capacity.renewed
    try:
        yield
    finally:
        for run, until in expected:
            state.expect_end(run, until)
        state.kept, state.closed, state.alarms = kept, closed, alarms
        state.promised = promised
        state.capacity.fresh, state.capacity.renewed = fresh, renewed


def _ended(ending: list[RunRecord]) -> str:
    if len(ending) == 1:
        return f"run {ending[0].id} has ended"
    return f"these {counted(len(ending), 'run')} have ended"


def _figures(shape: Shape, found: Match, closed: int) -> str:
    """What a full pool has room for now, but for what reservations keep from the job."""
    if shape.demand.tasks > 1:
        best = max(room(candidate, candidate.open_part(closed)) for candidate in found.candidates)
        return f"there is room for {best} of {shape.demand.tasks} tasks now"
    first = next(each for each in found.candidates if each.open_part(closed))
    flavors = {id(flavor) for flavor, _ in first.kinds if not flavor.mask & closed}
    frees = [node.free() for node in found.pool.nodes.values() if id(node.flavor) in flavors]
    return f"the freest node there has {amount_of(max(frees, key=_size))} free"


def _size(amount: Resources) -> tuple[int, int, int]:
    return amount.accelerators_total, amount.cpu_milli, amount.memory_mib
