"""Settle: what follows from runs that ended and jobs that were cancelled."""

from suan.core.filters import IMPOSSIBLE
from suan.core.records import JobRecord, Phase
from suan.core.retry import Fate, fate
from suan.core.state import State, Unsettled
from suan.model.job import Cause, JobState
from suan.model.plan import Decision, Finish, Requeue
from suan.model.units import Instant, JobId, PoolName, RunId

FULFILS = {
    "succeeded": (JobState.SUCCEEDED,),
    "failed": (JobState.FAILED,),
    "ended": (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED),
}
"""Which final states fulfil each condition of a dependency."""

_SUCCEEDED, _HAS_SUCCEEDED = Cause.SUCCEEDED, JobState.SUCCEEDED  # each look-up takes a while


def settle_next(state: State, now: Instant) -> Decision:
    """Answer the oldest of what is unsettled."""
    ended = state.unsettled.popleft()
    job, run, outcome = ended.job, ended.run, ended.outcome
    if run is None or outcome is None:
        if ended.skipped and not job.cancelled:
            return finish(state, job, JobState.SKIPPED, detail=ended.skipped)
        return finish(state, job, JobState.CANCELLED, detail="cancelled before it ran")
    if outcome.cause is _SUCCEEDED:
        return finish(state, job, _HAS_SUCCEEDED, run=run.id, detail=outcome.detail)
    if job.cancelled:
        detail = outcome.detail or "cancelled while it ran"
        return finish(state, job, JobState.CANCELLED, run=run.id, detail=detail)
    found = fate(outcome, job.told.retry, job.tries)
    if found.state is not None:
        return finish(state, job, found.state, run=run.id, detail=found.detail)
    job.tries = job.tries.counting(outcome.cause)
    return _run_again(state, ended, found, now=now)


def _run_again(state: State, ended: Unsettled, found: Fate, *, now: Instant) -> Decision:
    job, run, detail = ended.job, ended.run, found.detail
    assert run is not None
    if found.elsewhere:
        bar(state, job, (run.pool,))
        if not _possible(state, job):
            detail += "; no other pool can run it"
            return finish(state, job, JobState.FAILED, run=run.id, detail=detail)
        detail += "; it goes elsewhere"
    if ended.outcome is not None and ended.outcome.cause is Cause.RESIZED and run.keeps:
        state.resuming.append(run)
    not_before = now + found.wait
    state.requeue(job, not_before, now)
    return Requeue(job.id, run.id, not_before, detail)


def bar(state: State, job: JobRecord, pools: tuple[PoolName, ...]) -> None:
    """Give a job that is not in line the shape of one that ``pools``, too, have rejected."""
    assert job.shape is not None
    job.rejected_by = tuple(sorted({*job.rejected_by, *pools}))
    job.shape.jobs -= 1
    job.shape = state.line.shape_of(job.told.demand, job.rejected_by)
    job.shape.jobs += 1


def _possible(state: State, job: JobRecord) -> bool:
    """Whether any pool, as it is, could ever run the job."""
    state.refresh()
    assert job.shape is not None
    refusals = [match.refusal for match in job.shape.matches.values()]
    return any(refusal is None or refusal.code not in IMPOSSIBLE for refusal in refusals)


def finish(
    state: State, job: JobRecord, final: JobState, *, run: RunId | None = None, detail: str
) -> Finish:
    """A job has ended; whoever waits for it may go on, or never can."""
    state.forget(job)
    waiters = state.waiters.pop(job.id, ()) if state.waiters else ()
    for waiter in sorted(waiters, key=lambda each: each.told.seq):
        if waiter.phase is Phase.WAITS:
            _tell(state, waiter, job.id, final=final)
    return Finish(job.id, final, run, detail)


def _tell(state: State, waiter: JobRecord, ended: JobId, *, final: JobState) -> None:
    assert waiter.waits_for is not None
    for condition in waiter.waits_for.pop(ended):
        if final not in FULFILS[condition]:
            wish = "end" if condition == "ended" else f"have {condition}"
            state.withdraw(waiter, f"it waits for job {ended} to {wish}, which is {final.value}")
            return
    if not waiter.waits_for:
        waiter.waits_for = None
        state.enter(waiter)
