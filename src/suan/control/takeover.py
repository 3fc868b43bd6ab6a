"""The beginning of a term: the scheduler is rebuilt from what is recorded, entry by entry.

Order matters: policy, queues, quotas, tenants, limits, drains and reservations, then the runs that
ended lately, then each unfinished job by its number, directly followed by its open run. A job whose
last run ended without its fate being recorded is told so again: the scheduler then decides what the
earlier leader had no time for.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from suan.control.book import Book
from suan.control.dependencies import Never, resolve
from suan.control.draft import BillOf, Draft
from suan.control.intake import Needs, OnceForEach, command_of, needs_of, submission_of
from suan.control.quotas import NO_QUEUE
from suan.model.events import (
    JobCancelled,
    LimitsChanged,
    PastRun,
    PolicyChanged,
    PoolDrained,
    QueueChanged,
    QuotaChanged,
    ReservationMade,
    RunEnded,
    RunPlaced,
    RunRemembered,
    TenantChanged,
)
from suan.model.job import Job, JobState, Run, RunState
from suan.model.policy import Policy
from suan.model.quota import BUDGET_WINDOW, Quota, Spent
from suan.model.store import EndedRun, JobUpdate, Ledger, Store
from suan.model.units import Instant, JobId, Money, PoolName, QueueName, TenantName

JOBS_PER_ENTRY = RUNS_PER_ENTRY = 2000
HALF_LIVES = 4


async def opening(
    ledger: Ledger, book: Book, now: Instant, *, bill: BillOf, policy: Policy
) -> Draft:
    """The term's first entry: the policy, queues, tenants and their quotas, limits, drained pools
    and reservations."""
    draft = Draft(book, now, bill)
    draft.events.append(PolicyChanged(now, policy))
    for name, (weight, discipline, is_open) in sorted((await ledger.queues()).items()):
        draft.events.append(QueueChanged(now, QueueName(name), weight, discipline, is_open))
    for name, quota in sorted((await ledger.quotas()).items()):
        draft.events.append(QuotaChanged(now, QueueName(name), quota))
    for name, tenant in sorted((await ledger.tenants()).items()):
        draft.events.append(TenantChanged(now, TenantName(name), tenant.weight))
        if tenant.quota != Quota():
            draft.events.append(QuotaChanged(now, NO_QUEUE, tenant.quota, TenantName(name)))
    found = await ledger.limits()
    budgeted = [user for user, limits in found.items() if limits.budgeted]
    spent = await ledger.spent(budgeted, now - BUDGET_WINDOW)
    for user, limits in sorted(found.items()):
        draft.events.append(LimitsChanged(now, user, limits, spent.get(user, ())))
    for pool in sorted(await ledger.drained_pools()):
        draft.events.append(PoolDrained(now, PoolName(pool)))
        if (sight := book.pools.get(PoolName(pool))) is not None:
            sight.drained = True
    book.reservations = dict(await ledger.reservations())
    draft.forget_over()
    for _, reservation in sorted(book.reservations.items()):
        draft.events.append(ReservationMade(now, reservation))
    return draft


async def remembering(
    ledger: Ledger, book: Book, now: Instant, *, bill: BillOf, policy: Policy, most: int
) -> AsyncIterator[Draft]:
    """The runs that ended lately, oldest first, in bounded drafts: at most ``most``, and none of
    which a 16th or less would count in a share."""
    since = await ledger.ended_cutoff(most, now - HALF_LIVES * policy.half_life)
    page = await ledger.ended_runs(since, None, RUNS_PER_ENTRY)
    while page:
        last = page[-1]
        after = (last.ended_at, last.run)
        following = asyncio.ensure_future(ledger.ended_runs(since, after, RUNS_PER_ENTRY))
        try:
            draft, commands = Draft(book, now, bill), OnceForEach(command_of)
            draft.events += [_remembered(ended, now, commands) for ended in page]
            yield draft
            page = await following
        finally:
            following.cancel()


def _remembered(ended: EndedRun, now: Instant, commands: OnceForEach[str]) -> RunRemembered:
    spec = ended.spec
    return RunRemembered(
        at=now,
        queue=QueueName(spec.queue),
        tenant=TenantName(spec.tenant),
        user=ended.user,
        name=spec.name,
        command=commands.of(spec),
        tasks=ended.tasks,
        per_task=ended.per_task,
        started_at=ended.started_at,
        ended_at=ended.ended_at,
        cause=ended.cause,
        time_limit=spec.time_limit,
    )


async def returning(
    store: Store, book: Book, now: Instant, *, bill: BillOf
) -> AsyncIterator[Draft]:
    """The unfinished jobs that an earlier leader had taken, in bounded drafts. ``book.runs`` holds
    the open runs already."""
    open_runs = {run.job: run for run in book.runs.values()}
    page = await store.unfinished_jobs(-1, JOBS_PER_ENTRY)
    while page:
        following = asyncio.ensure_future(store.unfinished_jobs(page[-1].seq, JOBS_PER_ENTRY))
        try:
            draft, needs = Draft(book, now, bill), OnceForEach(needs_of)
            past = await _past_runs(store, page)
            waited_for = [other for job in page for other, _ in job.after]
            states = dict(await store.job_states(waited_for)) if waited_for else {}
            for job in page:
                told = _Told(open_runs.get(job.id), past.get(job.id, []), states, needs)
                _return(draft, book, job, told=told)
            yield draft
            page = await following
        finally:
            following.cancel()


async def _past_runs(store: Store, jobs: Iterable[Job]) -> dict[JobId, list[Run]]:
    """Ended runs of those jobs that have had any, oldest first."""
    tried = [job.id for job in jobs if job.attempts]
    past: dict[JobId, list[Run]] = {}
    for run in await store.runs(tried) if tried else ():
        if run.state is RunState.ENDED:
            past.setdefault(run.job, []).append(run)
    return past


@dataclass(frozen=True, slots=True)
class _Told:
    """What else is recorded about a job; the last two are shared by its page."""

    open_run: Run | None
    ended: list[Run]
    states: dict[JobId, JobState]
    needs: OnceForEach[Needs]


def _return(draft: Draft, book: Book, job: Job, *, told: _Told) -> None:
    _enter(book, job)
    # A job that has had a run waits for nothing any more, whatever became of the others.
    waits = resolve(() if job.attempts else job.after, told.states)
    if isinstance(waits, Never):
        told.states[job.id] = JobState.SKIPPED
        draft.skip(job.id, waits.detail)
        return
    run, history = told.open_run, tuple(_past(run) for run in told.ended)
    if run is None and told.ended and job.state is JobState.RUNNING:
        run, history = told.ended[-1], history[:-1]
        book.ended[job.id] = run
    needs = told.needs.of(job.spec)
    draft.events.append(
        submission_of(job, waits.open, needs, attempts=job.attempts, history=history)
    )
    if run is not None:
        draft.events.append(_placed(run, draft.now, draft.hourly(run)))
        if run.outcome is not None:
            ended_at = draft.now if run.ended_at is None else run.ended_at
            told_already = Spent(ended_at)  # what it has used is in what its user has spent
            draft.events.append(RunEnded(ended_at, run.id, run.outcome, told_already))
    if job.cancel_requested:
        draft.events.append(JobCancelled(draft.now, job.id))


def _enter(book: Book, job: Job) -> None:
    """Count the job where the store has it."""
    book.pending += 1
    if job.attempts:
        book.enter(
            JobUpdate(
                id=job.id,
                state=job.state,
                attempts=job.attempts,
                started_at=job.started_at,
                pool=job.pool,
                nodes=job.nodes,
                exit_code=job.exit_code,
                detail=job.detail,
            )
        )


def _placed(run: Run, now: Instant, hourly: Money) -> RunPlaced:
    started, stop = run.state is not RunState.PLACED and run.started_at is not None, run.stop
    return RunPlaced(
        now,
        run.id,
        run.job,
        run.pool,
        run.nodes,
        run.option,
        started=started,
        per_task=run.per_task,
        since=run.placed_at if run.started_at is None else run.started_at,
        stopping=None if stop is None else stop.cause,
        hourly=hourly,
        hurries=run.hurries,
        keeps=None if stop is None else stop.keeps,
        makes_room_for=None if stop is None else stop.makes_room_for,
    )


def _past(run: Run) -> PastRun:
    assert run.outcome is not None
    assert run.ended_at is not None
    return PastRun(
        run.pool,
        run.ended_at,
        run.outcome,
        started_at=run.started_at,
        tasks=len(run.nodes),
        per_task=run.per_task,
    )
