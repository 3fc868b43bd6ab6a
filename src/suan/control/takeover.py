"""The beginning of a term: the scheduler is rebuilt from what is recorded, entry by entry.

Order matters: queues and drains, then each unfinished job by its number, directly followed by its
open run. A job whose last run ended without its fate being recorded is told so again: the
scheduler then decides what the earlier leader had no time for.
"""

from collections.abc import AsyncIterator, Iterable

from suan.control.book import Book
from suan.control.dependencies import Never, resolve
from suan.control.draft import BillOf, Draft
from suan.control.intake import demand_of, submission_of
from suan.model.events import JobCancelled, PastRun, PoolDrained, QueueChanged, RunEnded, RunPlaced
from suan.model.job import Job, JobState, Run, RunState
from suan.model.store import JobUpdate, Ledger, Store
from suan.model.units import Instant, JobId, PoolName, QueueName

JOBS_PER_ENTRY = 500


async def opening(ledger: Ledger, book: Book, now: Instant, bill: BillOf) -> Draft:
    """The term's first entry: queues and drained pools."""
    draft = Draft(book, now, bill)
    for name, (weight, discipline, is_open) in sorted((await ledger.queues()).items()):
        draft.events.append(QueueChanged(now, QueueName(name), weight, discipline, is_open))
    for pool in sorted(await ledger.drained_pools()):
        draft.events.append(PoolDrained(now, PoolName(pool)))
        if (sight := book.pools.get(PoolName(pool))) is not None:
            sight.drained = True
    return draft


async def returning(store: Store, book: Book, now: Instant, bill: BillOf) -> AsyncIterator[Draft]:
    """The unfinished jobs that an earlier leader had taken, in bounded drafts. ``book.runs`` holds
    the open runs already."""
    open_runs = {run.job: run for run in book.runs.values()}
    after_seq = -1
    while jobs := await store.unfinished_jobs(after_seq, JOBS_PER_ENTRY):
        after_seq = jobs[-1].seq
        past = await _past_runs(store, jobs)
        states = dict(await store.job_states([dep for job in jobs for dep, _ in job.after]))
        draft = Draft(book, now, bill)
        for job in jobs:
            _return(draft, book, job, open_run=open_runs.get(job.id), past=past, states=states)
        yield draft


async def _past_runs(store: Store, jobs: Iterable[Job]) -> dict[JobId, list[Run]]:
    """Ended runs of those jobs that have had any, oldest first."""
    tried = [job.id for job in jobs if job.attempts]
    past: dict[JobId, list[Run]] = {}
    for run in await store.runs(tried) if tried else ():
        if run.state is RunState.ENDED:
            past.setdefault(run.job, []).append(run)
    return past


def _return(
    draft: Draft,
    book: Book,
    job: Job,
    *,
    open_run: Run | None,
    past: dict[JobId, list[Run]],
    states: dict[JobId, JobState],
) -> None:
    _enter(book, job)
    # A job that has had a run waits for nothing any more, whatever became of the others.
    waits = resolve(() if job.attempts else job.after, states)
    if isinstance(waits, Never):
        states[job.id] = JobState.SKIPPED
        draft.skip(job.id, waits.detail)
        return
    ended = past.get(job.id, [])
    undecided = None
    if job.state is JobState.RUNNING and open_run is None and ended:
        undecided = ended.pop()
        book.ended[job.id] = undecided
    run = open_run or undecided
    draft.events.append(
        submission_of(
            job,
            waits.open,
            demand_of(job.spec),
            attempts=job.attempts,
            history=tuple(_past(run) for run in ended),
        )
    )
    if run is not None:
        draft.events.append(_placed(run, draft.now))
    if undecided is not None and undecided.outcome is not None:
        draft.events.append(RunEnded(draft.now, undecided.id, undecided.outcome))
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
                exit_code=job.exit_code,
                detail=job.detail,
            )
        )


def _placed(run: Run, now: Instant) -> RunPlaced:
    started = run.state is not RunState.PLACED and run.started_at is not None
    return RunPlaced(
        now,
        run.id,
        run.job,
        run.pool,
        run.nodes,
        run.option,
        started=started,
        per_task=run.per_task,
    )


def _past(run: Run) -> PastRun:
    assert run.outcome is not None
    assert run.ended_at is not None
    return PastRun(run.pool, run.ended_at, run.outcome)
