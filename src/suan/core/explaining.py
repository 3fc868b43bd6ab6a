"""Explain: why a job is where it is, from the same filters and the same search that decide."""

from dataclasses import replace

from suan.core.capacity import Pool
from suan.core.matching import Candidate, Shape
from suan.core.packing import room
from suan.core.reasons import holders_before, of_wait
from suan.core.records import JobRecord, Phase
from suan.core.state import State
from suan.core.wording import amount_of, listed
from suan.model.events import JobSubmitted
from suan.model.job import JobState
from suan.model.plan import Explanation
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import Resources
from suan.model.units import Instant


def explain(state: State, job: JobRecord, now: Instant) -> Explanation:
    """Why a job waits or where it runs. Changes nothing that a decision rests on."""
    state.refresh()
    if job.phase is Phase.RUNS:
        return _of_running(job)
    if job.phase is Phase.SETTLES:
        summary = "It has ended or was cancelled; the next cycle records what follows."
        return Explanation(job.id, JobState.PENDING, summary)
    gate = _gate(state, job, now)
    if gate is not None:
        earliest = job.not_before if gate.code is RefusalCode.BACKING_OFF else None
        summary = f"It waits: {gate.detail}. It goes on when {gate.unblocked_by}."
        return Explanation(job.id, JobState.PENDING, summary, (gate,), earliest=earliest)
    return _of_waiting(state, job)


def consider(state: State, event: JobSubmitted, now: Instant) -> Explanation:
    """What would be said of a job that was not submitted: it gets a shape, and no place in line."""
    job = state.record(event)
    state.assess(job)
    job.phase = Phase.IN_LINE
    job.shape = state.line.shape_of(event.demand, ())
    return explain(state, job, now)


def _of_running(job: JobRecord) -> Explanation:
    run = job.run
    assert run is not None
    how = "runs" if run.started else "is being started"
    if run.stopping is not None:
        how = "is being stopped"
    nodes = listed(list(dict.fromkeys(run.nodes)))
    summary = f"It {how} in pool {run.pool}, on {nodes}, as run {run.id}."
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


def _of_waiting(state: State, job: JobRecord) -> Explanation:
    shape = job.shape
    assert shape is not None
    holders = holders_before(state, job)
    held = 0
    for mask, _ in holders:
        held |= mask
    costs, told = of_wait(shape, ~held, holders)
    refusals = tuple(_with_figures(shape, refusal) for refusal in told)
    if costs:
        names = listed([cost.pool for cost in costs])
        best = ", the first being the best" if len(costs) > 1 else ""
        summary = f"It can start now: {names} would take it{best}."
    else:
        summary = _summary(refusals)
    return Explanation(
        job=job.id,
        state=JobState.PENDING,
        summary=summary,
        refusals=refusals,
        costs=costs,
        ahead=_ahead(state, job),
    )


def _with_figures(shape: Shape, refusal: Refusal) -> Refusal:
    """Say of a full pool what it has room for now."""
    ways = [c for c in shape.candidates if c.pool.name == refusal.pool]
    if refusal.code is not RefusalCode.NO_CAPACITY or not ways:
        return refusal
    best = max(room(candidate) for candidate in ways)
    if shape.demand.tasks > 1:
        figures = f"there is room for {best} of {shape.demand.tasks} tasks now"
    else:
        figures = f"the freest node there has {_freest(ways[0].pool, ways[0])} free"
    return replace(refusal, detail=f"{refusal.detail}; {figures}")


def _freest(pool: Pool, candidate: Candidate) -> str:
    flavors = {id(flavor) for flavor, _ in candidate.kinds}
    frees = [node.free() for node in pool.nodes.values() if id(node.flavor) in flavors]
    return amount_of(max(frees, key=_size))


def _size(amount: Resources) -> tuple[int, int, int]:
    return amount.accelerators_total, amount.cpu_milli, amount.memory_mib


def _summary(refusals: tuple[Refusal, ...]) -> str:
    """One true sentence: the cause nearest to being lifted, and what lifts it."""
    behind = [r for r in refusals if r.code is RefusalCode.BEHIND_EARLIER_JOB]
    full = [r for r in refusals if r.code is RefusalCode.NO_CAPACITY]
    passing = [r for r in refusals if not r.permanent]
    for some, say in ((full, "is full"), (behind, "is held"), (passing, "is not ready")):
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


def _ahead(state: State, job: JobRecord) -> int:
    """How many jobs of its queue stand in line before it."""
    before = 0
    for shape in state.line.shapes.values():
        for (account, priority), lane in shape.lanes.items():
            if account.queue != job.told.queue or priority < job.told.priority:
                continue
            before += sum(other.order < job.order for other in lane.jobs())
    return before
