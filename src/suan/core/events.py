"""Apply: what each event changes. One function an event, in one table."""

from collections.abc import Callable
from typing import Any

from suan.core import advance
from suan.core.deadlines import grace_of
from suan.core.disciplines import devices_of
from suan.core.records import JobRecord, Phase, RunRecord
from suan.core.retry import fate
from suan.core.shares import amounts_of
from suan.core.state import State
from suan.model.errors import InvariantViolation
from suan.model.events import (
    JobCancelled,
    JobSubmitted,
    LimitsChanged,
    PastRun,
    PolicyChanged,
    PoolDrained,
    PoolLost,
    PoolObserved,
    PoolRemoved,
    QueueChanged,
    QuotaChanged,
    ReservationCancelled,
    ReservationMade,
    RunEnded,
    RunPlaced,
    RunRemembered,
    RunStarted,
    TenantChanged,
    TimePassed,
)
from suan.model.job import SAVING, Cause, Outcome
from suan.model.policy import DISCIPLINES


def _job_submitted(state: State, event: JobSubmitted) -> None:
    if event.job in state.jobs:
        raise InvariantViolation(f"submitted twice: {state.jobs[event.job].story()}")
    job = state.record(event)
    for past in event.history:
        _remember(job, past)
    state.admit(job)
    state.capacity.typical.note(event.demand)


def _remember(job: JobRecord, past: PastRun) -> None:
    """What an earlier leader made of a run that has ended still holds."""
    found = fate(past.outcome, job.told.retry, job.tries)
    job.tries = job.tries.counting(past.outcome.cause)
    job.not_before = past.ended_at + found.wait if found.wait else 0
    if found.elsewhere:
        job.rejected_by = tuple(sorted({*job.rejected_by, past.pool}))
    if past.started_at is not None and past.per_task is not None:
        ran = max(past.ended_at - past.started_at, 0)
        job.served += ran * devices_of(past.per_task) * past.tasks


def _job_cancelled(state: State, event: JobCancelled) -> None:
    job = state.jobs.get(event.job)
    if job is None or job.cancelled:
        return
    job.cancelled = True
    if job.run is not None:
        job.run.stopping = Cause.CANCELLED
        if job.run.keeps is not None:  # of what it holds all becomes free
            job.run.keeps = None
            state.capacity.pools[job.run.pool].version += 1
        state.stops.append(job.run)
    elif job.phase is not Phase.SETTLES:
        state.withdraw(job)


def _pool_observed(state: State, event: PoolObserved) -> None:
    pool = state.capacity.pool(event.offer.pool)
    if not pool.available or pool.offer != event.offer:
        pool.offer = event.offer
        pool.available, pool.detail = True, ""
        state.capacity.changed[pool.name] = None
    pool.observed_at = event.at
    state.capacity.observe(pool, event.nodes, event.removed, complete=event.complete)


def _pool_lost(state: State, event: PoolLost) -> None:
    pool = state.capacity.pool(event.pool)
    pool.available, pool.detail = False, event.detail
    state.capacity.changed[pool.name] = None


def _pool_drained(state: State, event: PoolDrained) -> None:
    pool = state.capacity.pool(event.pool)
    if pool.drained != event.drained:
        pool.drained = event.drained
        state.capacity.changed[pool.name] = None


def _pool_removed(state: State, event: PoolRemoved) -> None:
    if event.pool not in state.capacity.pools:
        return
    for run in [run for run in state.runs.values() if run.pool == event.pool]:
        detail = f"pool {event.pool} was removed from the platform"
        state.end(run, Outcome(Cause.LOST, detail=detail), event.at)
    state.capacity.remove(event.pool)


def _run_placed(state: State, event: RunPlaced) -> None:
    job = state.jobs.get(event.job)
    if job is None:
        raise InvariantViolation(f"run {event.run} is of a job that was never told: {event.job}")
    if job.run is not None or job.phase is Phase.SETTLES:
        raise InvariantViolation(f"run {event.run} is told on taking over, but {job.story()}")
    run = RunRecord(
        event.run,
        job,
        pool=event.pool,
        nodes=event.nodes,
        per_task=event.per_task or job.told.demand.options[event.option].per_task,
        option=event.option,
    )
    run.started, run.hourly = event.started, event.hourly
    state.assess(job)
    state.start(run, event.at if event.since is None else event.since)
    run.stopping = event.stopping
    if event.stopping is not None:
        state.tell(run, event.stopping)
    run.keeps, job.hurries = event.keeps, event.hurries
    if event.makes_room_for is not None:
        state.room_for[run.id] = event.makes_room_for
    if event.stopping in SAVING:
        state.expect_end(run, event.at + grace_of(run))


def _run_remembered(state: State, event: RunRemembered) -> None:
    state.durations.learn_past(event)
    if state.shares.counts:
        state.shares.recall(
            state.shares.account(event.queue, event.tenant, event.user),
            amounts_of(event.per_task, event.tasks),
            began=event.started_at,
            until=event.ended_at,
            now=event.at,
        )


def _run_started(state: State, event: RunStarted) -> None:
    run = state.runs.get(event.run)
    if run is not None and not run.started:
        run.started = True
        if event.at != run.began and run.stopping is None:
            state.begin(run, event.at)


def _run_ended(state: State, event: RunEnded) -> None:
    run = state.runs.get(event.run)
    if run is not None:
        state.end(run, event.outcome, event.at, used=event.used)


def _queue_changed(state: State, event: QueueChanged) -> None:
    discipline = event.discipline or None
    if discipline is not None and discipline not in DISCIPLINES:
        raise InvariantViolation(f"queue {event.queue} is given no discipline: {discipline!r}")
    queue = state.queue(event.queue)
    queue.weight = event.weight
    state.shares.set_weight(("queue", event.queue), event.weight)
    if queue.discipline != discipline:
        queue.discipline = discipline
        state.reorder(event.queue)
    if queue.is_open != event.open:
        queue.is_open = event.open
        state.line.set_open(event.queue, is_open=event.open)


def _tenant_changed(state: State, event: TenantChanged) -> None:
    state.shares.set_weight(("tenant", event.tenant), event.weight)


def _quota_changed(state: State, event: QuotaChanged) -> None:
    holder = ("tenant", event.tenant) if event.tenant else ("queue", event.queue)
    state.set_quota(holder, event.quota)


def _limits_changed(state: State, event: LimitsChanged) -> None:
    state.set_limits(event.user, event.limits, event.spent)


def _reservation_made(state: State, event: ReservationMade) -> None:
    advance.make(state, event.reservation)


def _reservation_cancelled(state: State, event: ReservationCancelled) -> None:
    advance.cancel(state, event.name)


def _policy_changed(state: State, event: PolicyChanged) -> None:
    state.set_policy(event.policy)


def _time_passed(state: State, event: TimePassed) -> None:
    """Time has no state of its own: ``decide`` is told what time it is."""


APPLY: dict[type, Callable[[State, Any], None]] = {
    JobSubmitted: _job_submitted,
    JobCancelled: _job_cancelled,
    PoolObserved: _pool_observed,
    PoolLost: _pool_lost,
    PoolDrained: _pool_drained,
    PoolRemoved: _pool_removed,
    RunPlaced: _run_placed,
    RunRemembered: _run_remembered,
    RunStarted: _run_started,
    RunEnded: _run_ended,
    QueueChanged: _queue_changed,
    TenantChanged: _tenant_changed,
    QuotaChanged: _quota_changed,
    LimitsChanged: _limits_changed,
    ReservationMade: _reservation_made,
    ReservationCancelled: _reservation_cancelled,
    PolicyChanged: _policy_changed,
    TimePassed: _time_passed,
}
