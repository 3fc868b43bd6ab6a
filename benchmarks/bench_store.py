"""The store: submissions, listings and records, on SQLite and PostgreSQL.

Each engine gets a fresh store on a real disk with every commit synced. While single submissions
are timed, 100,000 jobs are pending (10,000 with ``--quick``).
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import harness

from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted
from suan.model.job import Job, JobState, Run, RunState
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.store import (
    Cycle,
    FeedEntry,
    JobFilter,
    JobUpdate,
    JournalEntry,
    Lease,
    NewJob,
    Store,
    Submission,
)
from suan.model.units import JobId, NodeName, PoolName, run_id
from suan.store import open_store

SCRIPT = Path(__file__).parents[1] / "scripts" / "postgres"
CONNECTIONS = 8
NOW = 1_700_000_000_000_000

Rows = list[tuple[str, str, str]]


def jobs(prefix: str, count: int, *, distinct: bool = True) -> tuple[NewJob, ...]:
    """``count`` jobs with a spec each, or one between them."""
    shared = JobSpec(run="true", labels={"team": "vision"})
    specs = (
        JobSpec(run=f"python train.py --seed {at}", labels={"team": "vision"})
        if distinct
        else shared
        for at in range(count)
    )
    return tuple(NewJob(JobId(f"{prefix}{at}"), spec) for at, spec in enumerate(specs))


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await work()
    return time.perf_counter() - start


async def batches(store: Store, pending: int, size: int) -> float:
    """Seconds to submit ``pending`` jobs, ``size`` at a time over eight connections."""
    ready = [Submission(jobs(f"b{at}-", size), user="ada") for at in range(pending // size)]

    async def connection() -> None:
        while ready:
            await store.submit(ready.pop(), NOW)

    return await timed(lambda: asyncio.gather(*(connection() for _ in range(CONNECTIONS))))


async def singly(store: Store, count: int, label: str) -> tuple[float, list[float]]:
    """Seconds for ``count`` submissions of one job over eight connections, and each one's."""
    ready = [Submission((new,), user="ada") for new in jobs(label, count)]
    each: list[float] = []

    async def connection() -> None:
        while ready:
            start = time.perf_counter()
            await store.submit(ready.pop(), NOW)
            each.append(time.perf_counter() - start)

    whole = await timed(lambda: asyncio.gather(*(connection() for _ in range(CONNECTIONS))))
    return whole, each


async def median(work: Callable[[], Awaitable[object]], repeat: int = 15) -> float:
    return harness.percentile([await timed(work) for _ in range(repeat)], 50)


def cycle(number: int, taken: tuple[Job, ...]) -> Cycle:
    """Every job of ``taken`` is told to the scheduler, placed, and noted in the feed."""
    per_task = Resources(1000, 1024)
    events = tuple(
        JobSubmitted(NOW, job.id, job.seq, Demand(1, (Option(per_task),)), user="ada")
        for job in taken
    )
    runs = tuple(
        Run(
            run_id(job.id, 1),
            job.id,
            1,
            PoolName("here"),
            (NodeName("n"),),
            per_task,
            RunState.PLACED,
            NOW,
            reasons=("the only pool",),
        )
        for job in taken
    )
    return Cycle(
        entries=(JournalEntry(number, "cycle", 1, NOW, events, 1000, "digest"),),
        jobs=tuple(JobUpdate(job.id, JobState.RUNNING, 1, NOW, pool="here") for job in taken),
        runs=runs,
        feed=tuple(FeedEntry(0, NOW, "job.submitted", job.id, None) for job in taken),
        taken_jobs=tuple(job.id for job in taken),
    )


async def cycles(store: Store, lease: Lease, count: int, size: int) -> tuple[float, int]:
    """Seconds to gather and record ``count`` cycles of ``size`` jobs, and the jobs they had."""
    done = 0

    async def work() -> None:
        nonlocal done
        for number in range(count):
            gathered = await store.gather(size)
            await store.record(cycle(number + 1, gathered.jobs), lease)
            done += len(gathered.jobs)

    return await timed(work), done


async def measure(url: str, *, small: bool) -> Rows:
    store = await open_store(url)
    pending = 10_000 if small else 100_000
    rows: Rows = []

    def add(what: str, figure: str, detail: str = "") -> None:
        rows.append((what, figure, detail))

    seconds = await batches(store, pending, 1000)
    add("submit, 1,000 at a time", f"{harness.number(pending / seconds)} jobs/s", "a spec each")
    count = 400 if small else 4000
    seconds, each = await singly(store, count, "s")
    p50, p99 = (harness.duration(harness.percentile(each, p)) for p in (50, 99))
    add("submit singly", f"{harness.number(count / seconds)} /s", f"median {p50}, p99 {p99}")
    array = Submission(jobs("a", pending, distinct=False), user="ada")
    seconds = await timed(lambda: store.submit(array, NOW))
    add(f"submit an array of {pending:,}", harness.duration(seconds), "one transaction")
    for what, where in (
        ("list 100", JobFilter()),
        ("list 100 of a user and state", JobFilter((JobState.PENDING,), user="ada")),
        ("list 100 by a label", JobFilter(label=("team", "vision"))),
    ):
        seconds = await median(lambda where=where: store.list(where, None, 100))
        add(what, harness.duration(seconds), f"of {2 * pending + count:,}")
    seconds = await median(lambda: store.counts(JobFilter()))
    add("count by state", harness.duration(seconds), f"of {2 * pending + count:,}")
    seconds = await median(lambda: store.counts(JobFilter(queue="default")))
    add("count a queue by state", harness.duration(seconds), f"of {2 * pending + count:,}")
    lease = await store.acquire("bench", "", NOW, 10**12)
    assert lease is not None
    seconds, done = await cycles(store, lease, 5 if small else 20, 1000)
    add("gather and record a cycle of 1,000", f"{harness.number(done / seconds)} jobs/s")
    await store.close()
    return rows


async def reopening(url: str) -> float:
    async def work() -> None:
        await (await open_store(url)).close()

    return await median(work, 5)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    directory = tempfile.mkdtemp(prefix="suan-postgres-")
    try:
        started = subprocess.run(
            [str(SCRIPT), "start", directory], check=True, stdout=subprocess.PIPE, text=True
        )
        yield started.stdout.strip()
    finally:
        subprocess.run([str(SCRIPT), "stop", directory], check=False)
        shutil.rmtree(directory, ignore_errors=True)


def report(name: str, url: str, *, small: bool) -> None:
    rows = asyncio.run(measure(url, small=small))
    rows.append(("open, schema current", harness.duration(asyncio.run(reopening(url))), ""))
    rows.append(("memory at the end", f"{harness.rss_mib(os.getpid()):.0f} MiB", "this process"))
    print(f"### {name}\n\n{harness.table(('what', 'figure', ''), rows)}")


def main() -> None:
    small = harness.quick()
    with tempfile.TemporaryDirectory() as directory:
        report("SQLite", f"sqlite:///{directory}/suan.db", small=small)
    with postgres() as url:
        report("PostgreSQL", url, small=small)


if __name__ == "__main__":
    main()
