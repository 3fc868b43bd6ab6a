"""Explain: why a job is where it is, from the same filters and the same search that decide."""

from dataclasses import replace

from suan.core.deadline_words import of_deadline
from suan.core.forking import fork
from suan.core.lookahead import (
    MOST_NEAR,
    NOT_ASKED,
    Range,
    decide_all,
    decide_some,
    foresee,
    foreseeable,
    near,
)
from suan.core.quota_words import withheld
from suan.core.racks import closeness
from suan.core.records import JobRecord, Phase
from suan.core.standing import BY_SUBMISSION, ahead, because
from suan.core.state import State
from suan.core.waiting import Waiting, untouched
from suan.core.wording import counted, listed, span
from suan.model.events import JobSubmitted
from suan.model.job import JobState
from suan.model.plan import Cost, Decision, Explanation, Place
from suan.model.refusal import Refusal, RefusalCode
from suan.model.units import Instant, JobId

_BARRED = (
    RefusalCode.OVER_CEILING,
    RefusalCode.OVER_GUARANTEE,
    RefusalCode.NOTHING_TO_BORROW,
    RefusalCode.OVER_USER_LIMIT,
    RefusalCode.OVER_DEVICE_HOURS,
    RefusalCode.OVER_MONEY,
)


def explain(state: State, job: JobRecord, now: Instant) -> Explanation:
    """Why a job waits or where it runs. Changes nothing that a decision rests on."""
    state.refresh()
    if job.phase is Phase.RUNS:
        return _of_running(state, job)
    if job.phase is Phase.SETTLES:
        summary = "It has ended or was cancelled; the next cycle records what follows."
        return Explanation(job.id, JobState.PENDING, summary)
    gate = _gate(state, job, now)
    if gate is not None:
        told = Explanation(job.id, JobState.PENDING, _waits(gate), (gate,))
        return told if gate.permanent else _timed(told, _behind_gate(state, job, now))
    return _of_waiting(state, job, now)


def consider(state: State, event: JobSubmitted, now: Instant) -> Explanation:
    """What would be said of a job that was not submitted: it gets a shape, and no place in line."""
    event = replace(event, after=(), history=())
    if foreseeable(state):
        copy = fork(state)
        job = copy.record(event)
        copy.admit(job)
        return explain(copy, job, now)
    job = state.record(event)
    state.assess(job)
    job.phase = Phase.IN_LINE
    job.shape = state.line.shape_of(event.demand, ())
    return explain(state, job, now)


def _of_running(state: State, job: JobRecord) -> Explanation:
    run = job.run
    assert run is not None
    how, whom = "runs" if run.started else "is being started", ""
    if run.stopping is not None:
        how = "is being stopped" if run.keeps is None else "is being resized"
        if run.makes_room_for is not None and not job.cancelled:
            whom = f", to make room for job {run.makes_room_for.id}"
            whom += " and go on elsewhere" if run.moves else ""
        if run.keeps is not None:
            whom += f", and goes on with at least {counted(len(run.keeps), 'node')}"
    names, demand, size = list(dict.fromkeys(run.nodes)), job.told.demand, ""
    if demand.max_tasks is not None:
        size = f" with {len(run.nodes)} of {demand.tasks}..{demand.max_tasks} nodes"
    nodes = state.capacity.pools[run.pool].nodes
    near = closeness(nodes[name].status.rack for name in names)
    where = f"on {listed([*names])}{near and ', '}{near}"
    summary = f"It {how}{size} in pool {run.pool}, {where}, as run {run.id}{whom}."
    return Explanation(job.id, JobState.RUNNING, summary)


def _gate(state: State, job: JobRecord, now: Instant) -> Refusal | None:
    """What keeps a job from every pool alike."""
    if job.phase is Phase.WAITS:
        return _waits_for(state, job)
    if job.phase is Phase.BACKS_OFF and job.not_before > now:
        seconds = (job.not_before - now + 999_999) // 1_000_000
        return Refusal(
            code=RefusalCode.BACKING_OFF,
            pool=None,
            detail=f"its retry waits out a back-off of {seconds} s more",
            unblocked_by="the back-off is over",
            until=job.not_before,
        )
    if not state.queue(job.told.queue).is_open:
        return Refusal(
            code=RefusalCode.QUEUE_CLOSED,
            pool=None,
            detail=f"queue {job.told.queue} is closed and starts nothing",
            unblocked_by=f"an operator opens queue {job.told.queue}",
            permanent=True,
        )
    if not state.capacity.pools:
        return Refusal(
            code=RefusalCode.NO_POOLS,
            pool=None,
            detail="no pool has been joined",
            unblocked_by="a pool that can run it joins",
            permanent=True,
        )
    return None


def _behind_gate(state: State, job: JobRecord, now: Instant) -> Range:
    """When a job may start that waits for others to end, or waits out a back-off."""
    earliest = job.not_before if job.phase is Phase.BACKS_OFF else None
    wishes = (job.waits_for or {}).items()
    if any("failed" in wish for _, wish in wishes):
        return Range(earliest, None, "not known: it waits for a job to fail")
    if not foreseeable(state) or any(name not in state.jobs for name, _ in wishes):
        return Range(earliest, None, "")
    copy = fork(state)
    decide_all(copy, now)
    twin = copy.jobs.get(job.id)
    if twin is None or twin.phase not in (Phase.WAITS, Phase.BACKS_OFF, Phase.IN_LINE):
        return Range(earliest, None, "")
    told = foresee(copy, job.id, now, known=state.durations)
    if wishes:
        told = replace(told, rests_on=f"{told.rests_on}; what it waits for succeeding")
    return told if told.earliest is not None else replace(told, earliest=earliest)


def _waits_for(state: State, job: JobRecord) -> Refusal:
    assert job.waits_for is not None
    wishes = [
        f"job {name}{'' if name in state.jobs else ' (not submitted yet)'} to"
        f" {' and '.join('end' if c == 'ended' else f'have {c}' for c in conditions)}"
        for name, conditions in job.waits_for.items()
    ]
    return Refusal(
        code=RefusalCode.WAITS_FOR_JOBS,
        pool=None,
        detail=f"it waits for {listed(wishes)}",
        unblocked_by="they have ended so" if len(wishes) > 1 else "that job has ended so",
    )


def _of_waiting(state: State, job: JobRecord, now: Instant) -> Explanation:
    """On a copy that has decided all that follows by now, where the state is not too large."""
    if not foreseeable(state):
        return _undecided(state, job, now)
    copy = fork(state)
    decisions = decide_all(copy, now)
    twin = copy.jobs.get(job.id)
    if twin is None or twin.phase is Phase.SETTLES:
        summary = "It ends without another run; the next cycle records why."
        return Explanation(job.id, JobState.PENDING, summary)
    if twin.phase is Phase.RUNS:
        return _of_starting(state, job.id, decisions, now=now)
    assert twin.shape is not None
    found = NOT_ASKED
    if twin.shape.candidates:
        found = foresee(copy, job.id, now, known=state.durations)
    return _timed(_kept(Waiting(copy, twin, now, origin=state)), found)


def _of_starting(
    state: State, job: JobId, decisions: list[Decision], *, now: Instant
) -> Explanation:
    """The next cycle starts it: what the pools say just before."""
    number, place = next(
        (at, each)
        for at, each in enumerate(decisions)
        if isinstance(each, Place) and each.job == job
    )
    copy = fork(state)
    decide_some(copy, now, number)
    waiting = Waiting(copy, copy.jobs[job], now)
    asked, refusals = waiting.asked()
    costs = (place.costs[0], *(cost for cost in asked if cost.pool != place.pool))
    return _takes(waiting, costs, tuple(r for r in refusals if r.pool != place.pool))


def _undecided(state: State, job: JobRecord, now: Instant) -> Explanation:
    """As things stand; and on a part of a copy, if that is enough to look ahead."""
    with untouched(state, now):
        waiting = Waiting(state, job, now)
        costs, refusals = waiting.asked()
        told = _takes(waiting, costs, refusals) if costs else _kept(waiting)
    if costs or not waiting.shape.candidates:
        return told
    return _timed(told, _from_near(state, job, told.ahead or 0, now=now))


def _from_near(state: State, job: JobRecord, before: int, *, now: Instant) -> Range:
    found = near(state, job, before)
    if found is None:
        many = f"{counted(before, 'job')} come before it" if before >= MOST_NEAR else ""
        many = many or f"{counted(len(state.jobs), 'job')} are unfinished"
        return Range(None, None, f"not known: {many}, too many to look ahead")
    copy, left_out = found
    decide_all(copy, now)
    if copy.jobs[job.id].phase is not Phase.IN_LINE:
        return Range(now, None, "")
    told = foresee(copy, job.id, now, known=state.durations)
    rests = f"{told.rests_on}; {counted(left_out, 'job')} further back left out"
    return replace(told, rests_on=rests if left_out else told.rests_on)


def _timed(told: Explanation, found: Range) -> Explanation:
    return replace(told, earliest=found.earliest, latest=found.latest, rests_on=found.rests_on)


def _takes(waiting: Waiting, costs: tuple[Cost, ...], refusals: tuple[Refusal, ...]) -> Explanation:
    names = listed([cost.pool for cost in costs])
    best = ", the first being the best" if len(costs) > 1 else ""
    passing = waiting.passes(costs[0].pool)
    past = f" It passes job {passing.id} without delaying it." if passing else ""
    return Explanation(
        job=waiting.job.id,
        state=JobState.PENDING,
        summary=f"It can start now: {names} would take it{best}.{past}",
        refusals=refusals,
        costs=costs,
        ahead=ahead(waiting.state, waiting.job)[0],
    )


def _kept(waiting: Waiting) -> Explanation:
    barred = withheld(waiting.state, waiting.job)
    refusals = waiting.refused() if barred is None else (barred,)
    before, first = ahead(waiting.state, waiting.job)
    said = _summary(refusals) if barred is None else _waits(barred)
    if first is not None and (before > 1 or first.id not in [each.behind for each in refusals]):
        said += f" {_before(waiting, before, first)}"
    promise = waiting.promised()
    if promise is not None:
        left = span(max(promise.at - waiting.now, 0))
        said += f" It is promised a start in pool {promise.pool} in {left} at the latest."
    return Explanation(
        job=waiting.job.id,
        state=JobState.PENDING,
        summary=said,
        refusals=refusals,
        ahead=before,
        due=of_deadline(waiting.state, waiting.job, waiting.now),
    )


def _before(waiting: Waiting, count: int, first: JobRecord) -> str:
    """Who comes before it, and by what."""
    why = because(waiting.state, waiting.job, first)
    reason = "" if why == BY_SUBMISSION else f": {why}"
    if count == 1:
        return f"Job {first.id} comes before it{reason}."
    return f"{counted(count, 'job')} come before it, the first is job {first.id}{reason}."


def _waits(cause: Refusal) -> str:
    return f"It waits: {cause.detail}. It goes on when {cause.unblocked_by}."


def _summary(refusals: tuple[Refusal, ...]) -> str:
    """One true sentence: the cause nearest to being lifted, and what lifts it."""
    behind = [r for r in refusals if r.code is RefusalCode.BEHIND_EARLIER_JOB]
    full = [r for r in refusals if r.code is RefusalCode.NO_CAPACITY]
    reserved = [r for r in refusals if r.code is RefusalCode.RESERVED]
    barred = [r for r in refusals if r.code in _BARRED and not r.permanent]
    if barred and not full and not behind:
        return _waits(barred[0])
    passing = [r for r in refusals if not r.permanent]
    states = (
        (full, "is full"),
        (behind, "is held"),
        (reserved, "is reserved"),
        (passing, "is not ready"),
    )
    for some, say in states:
        if some:
            first = some[0]
            others = [r.pool or "" for r in some[1:]]
            more = f" (and so for {listed(others)})" if others else ""
            return (
                f"It waits for pool {first.pool}, which {say}: {first.detail}{more}."
                f" It goes on when {first.unblocked_by}."
            )
    first = refusals[0]
    count = "The only pool" if len(refusals) == 1 else f"None of the {len(refusals)} pools"
    verb = "cannot run it as things are" if len(refusals) == 1 else "can run it as things are"
    return f"{count} {verb}; of {first.pool}: {first.detail}. It goes on when {first.unblocked_by}."
