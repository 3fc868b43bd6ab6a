"""Jobs, runs and cycles to store."""

from dataclasses import replace
from typing import Any

from suan.model.demand import Demand, Option
from suan.model.events import Event, JobSubmitted, TimePassed
from suan.model.job import Job, JobState, Run, RunState
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.store import (
    Cycle,
    JobUpdate,
    JournalEntry,
    Lease,
    NewJob,
    Store,
    Submission,
    Submitted,
)
from suan.model.units import JobId, NodeName, PoolName, run_id

NOW = 1_700_000_000_000_000
TTL = 10_000_000

SPEC = JobSpec(run="true", name="sample")


def new_jobs(*names: str, spec: JobSpec = SPEC, **fields: Any) -> tuple[NewJob, ...]:
    return tuple(NewJob(id=JobId(name), spec=spec, **fields) for name in names)


def submission(*names: str, user: str = "ada", spec: JobSpec = SPEC, **fields: Any) -> Submission:
    return Submission(jobs=new_jobs(*names, spec=spec), user=user, **fields)


async def submit(store: Store, *names: str, now: int = NOW, **fields: Any) -> Submitted:
    return await store.submit(submission(*names, **fields), now)


async def lead(store: Store, holder: str = "leader", now: int = NOW) -> Lease:
    lease = await store.acquire(holder, "http://here", now, TTL)
    assert lease is not None
    return lease


def entry(number: int, *events: Event, kind: str = "cycle", now: int = NOW) -> JournalEntry:
    return JournalEntry(number, kind, 1, now, events or (TimePassed(now),), 100, f"digest{number}")


def cycle(*entries: JournalEntry, **fields: Any) -> Cycle:
    return Cycle(entries=entries, **fields)


def submitted_event(job: Job) -> JobSubmitted:
    return JobSubmitted(
        at=job.submitted_at,
        job=job.id,
        seq=job.seq,
        demand=Demand(tasks=1, options=(Option(Resources(1000, 1024)),)),
        user=job.user,
    )


def placed(job: str, attempt: int = 1, **fields: Any) -> Run:
    run = Run(
        id=run_id(JobId(job), attempt),
        job=JobId(job),
        attempt=attempt,
        pool=PoolName("here"),
        nodes=(NodeName("n1"), NodeName("n2")),
        per_task=Resources(1000, 2048, (("A100-80GB", 8000),)),
        state=RunState.PLACED,
        placed_at=NOW,
        reasons=("cheapest of 2", "there: no_capacity"),
    )
    return replace(run, **fields)


def updated(job: str, state: JobState, **fields: Any) -> JobUpdate:
    return JobUpdate(id=JobId(job), state=state, attempts=fields.pop("attempts", 1), **fields)
