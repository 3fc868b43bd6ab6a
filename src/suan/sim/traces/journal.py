"""suan's own journal as a trace: what was submitted, and how long it ran.

A job's run time is that of its last run which came to an end of its own (or was cancelled); a job
without one is left out. Of an elastic job it is what its least nodes would have taken for that run
and those that were resized before, if each node does as much as any other.

The pools are those of the journal, each node as last observed, whole: what others used of it and
whether it was cordoned is left out. Queues are as last set, and open.
What was reserved in advance is reserved again, from when that was known.

The run times are only known once the journal was read, so it is read whole.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from urllib.parse import urlsplit

import msgspec

from suan.model.errors import InputError
from suan.model.events import (
    Event,
    JobSubmitted,
    PoolObserved,
    QueueChanged,
    ReservationCancelled,
    ReservationMade,
    RunEnded,
    RunPlaced,
    RunStarted,
)
from suan.model.job import Cause
from suan.model.offer import NodeStatus, Offer
from suan.model.reservation import Reservation
from suan.model.store import Journal
from suan.model.units import Duration, Instant, JobId, NodeName, PoolName, QueueName, RunId, job_of
from suan.sim.pools import SimulatedPool
from suan.sim.traces.formats import JOURNAL
from suan.sim.traces.job import TraceJob
from suan.sim.traces.opening import Fits, Trace, kept
from suan.sim.traces.tally import Tally

PAGE = 500
ITS_OWN_END = frozenset(
    (Cause.SUCCEEDED, Cause.FAILED, Cause.TIMED_OUT, Cause.OUT_OF_MEMORY, Cause.CANCELLED)
)


class History:
    """What a journal tells, gathered entry by entry."""

    def __init__(self) -> None:
        self.jobs: dict[JobId, tuple[int, JobSubmitted]] = {}  # with the entry's number
        self.runtimes: dict[JobId, Duration] = {}
        self._before: dict[JobId, Duration] = {}  # in runs that were resized
        self.started: set[JobId] = set()
        self.queues: dict[QueueName, QueueChanged] = {}
        self.reserved: list[ReservationMade | ReservationCancelled] = []
        self._kept: dict[str, Reservation] = {}
        self._open: dict[RunId, tuple[Instant, int]] = {}  # since when, and with how many tasks
        self._offers: dict[PoolName, Offer] = {}
        self._nodes: dict[PoolName, dict[NodeName, NodeStatus]] = {}

    def take(self, number: int, events: Iterable[Event]) -> None:
        """One entry."""
        for event in events:
            if isinstance(event, JobSubmitted):
                self.jobs.setdefault(event.job, (number, event))  # a new term tells it again
            elif isinstance(event, RunStarted):
                self._begins(event.run, event.at, event.tasks)
            elif isinstance(event, RunPlaced):
                if event.started:
                    since = event.at if event.since is None else event.since
                    self._begins(event.run, since, len(event.nodes))
            elif isinstance(event, RunEnded):
                self._ends(event)
            elif isinstance(event, PoolObserved):
                self._observe(event)
            elif isinstance(event, QueueChanged):
                self.queues[event.queue] = replace(event, at=0, open=True)
            elif isinstance(event, ReservationMade | ReservationCancelled):
                self._reserve(event)

    def _reserve(self, event: ReservationMade | ReservationCancelled) -> None:
        if isinstance(event, ReservationCancelled):
            if self._kept.pop(event.name, None) is not None:
                self.reserved.append(event)
        elif self._kept.get(event.reservation.name) != event.reservation:  # a new term tells again
            self._kept[event.reservation.name] = event.reservation
            self.reserved.append(event)

    def pools(self) -> tuple[SimulatedPool, ...]:
        """Every pool that had nodes, by name."""
        return tuple(
            SimulatedPool(self._offers[name], tuple(nodes.values()))
            for name, nodes in sorted(self._nodes.items())
            if nodes
        )

    def _begins(self, run: RunId, at: Instant, tasks: int) -> None:
        self._open.setdefault(run, (at, tasks))
        self.started.add(job_of(run))

    def _ends(self, event: RunEnded) -> None:
        began, tasks = self._open.pop(event.run, (None, 1))
        job = job_of(event.run)
        if began is None or job not in self.jobs:
            return
        demand, took = self.jobs[job][1].demand, event.at - began
        if demand.max_tasks is not None:
            took = took * tasks // demand.tasks
        if event.outcome.cause is Cause.RESIZED:
            self._before[job] = self._before.get(job, 0) + took
        elif event.outcome.cause in ITS_OWN_END:
            self.runtimes[job] = self._before.get(job, 0) + took

    def _observe(self, event: PoolObserved) -> None:
        name = event.offer.pool
        self._offers[name] = event.offer
        nodes = self._nodes.setdefault(name, {})
        if event.complete:
            nodes.clear()
        for node in event.nodes:
            nodes[node.name] = NodeStatus(node.name, node.total, rack=node.rack)
        for gone in event.removed:
            nodes.pop(gone, None)


def read_history(url: str) -> History:
    """A store's whole journal. Reads only, so it is safe beside a running server.

    Raises:
        InputError: the URL is not a store's.
        StoreError: it cannot be read.
    """
    return asyncio.run(_read(url))


async def _read(url: str) -> History:
    from suan.store import open_store

    store = await open_store(url, create=False)
    try:
        return await gather(store)
    finally:
        await store.close()


async def gather(journal: Journal) -> History:
    """The whole journal, page by page."""
    history, after = History(), 0
    while page := await journal.entries(after, PAGE):
        for entry in page:
            history.take(entry.number, entry.events)
        after = page[-1].number
    return history


def as_trace(history: History, url: str, fits: Fits, *, limit: int | None = None) -> Trace:
    """The journal's jobs, by submission; ``line`` is the entry that told of them.

    Raises:
        InputError: there is no job in it whose run time is known.
    """
    tally = Tally()
    told = sorted(history.jobs.values(), key=lambda each: (each[1].at, each[1].seq))
    usable = [each for each in told if _usable(history, each[1], each[0], tally=tally)]
    jobs = islice(_fitting(_jobs(history, usable, tally=tally), fits, tally), limit)
    fitting = _with_known_dependencies(list(jobs), tally)
    if not fitting:
        raise InputError(
            "the journal has no job that can be used: "
            + ("; ".join(tally.told()) or "none was submitted"),
            where=_shown(url),
            mend="let jobs run to their end first, or give another store",
        )
    trace = kept(_shown(url), JOURNAL, fitting, tally=tally)
    trace.dependent = any(job.after for job in fitting)
    trace.queues = tuple(event for _, event in sorted(history.queues.items()))
    trace.reserved = tuple(_moved(event, usable[0][1].at) for event in history.reserved)
    return trace


def _moved(
    event: ReservationMade | ReservationCancelled, origin: Instant
) -> ReservationMade | ReservationCancelled:
    """The same in the trace's time; what was told before its beginning is told at that."""
    at = max(event.at - origin, 0)
    if isinstance(event, ReservationCancelled):
        return replace(event, at=at)
    kept = event.reservation
    begin, end, made_at = kept.begin - origin, kept.end - origin, kept.made_at - origin
    return ReservationMade(at, replace(kept, begin=begin, end=end, made_at=made_at))


def _usable(history: History, told: JobSubmitted, number: int, *, tally: Tally) -> bool:
    runtime = history.runtimes.get(told.job)
    if runtime:
        return True
    if runtime is not None:
        tally.note("zero_length", number)
    else:
        tally.note("unfinished" if told.job in history.started else "never_ran", number)
    return False


def _jobs(
    history: History, usable: list[tuple[int, JobSubmitted]], *, tally: Tally
) -> Iterable[TraceJob]:
    origin = usable[0][1].at if usable else 0
    for number, told in usable:
        runtime = history.runtimes[told.job]
        if told.time_limit is not None and runtime > told.time_limit:
            tally.note("over_limit", number)
            runtime = told.time_limit
        yield TraceJob(
            told.job,
            number,
            told.at - origin,
            runtime,
            told.demand,
            told.time_limit,
            told.user,
            told.tenant,
            told.queue,
            told.name,
            told.priority,
            None if told.deadline is None else told.deadline - origin,
            told.expected,
            told.after,
            told.retry,
            told.checkpoint,
            told.command,
        )


def _fitting(jobs: Iterable[TraceJob], fits: Fits, tally: Tally) -> Iterator[TraceJob]:
    for job in jobs:
        if fits(job):
            yield job
        else:
            tally.note("too_large", job.line)


def _with_known_dependencies(jobs: list[TraceJob], tally: Tally) -> list[TraceJob]:
    """A job cannot wait for one that is not in the trace."""
    there = {job.job for job in jobs}
    found = []
    for job in jobs:
        after = tuple(each for each in job.after if each[0] in there)
        if after != job.after:
            tally.note("no_dependency", job.line)
            job = msgspec.structs.replace(job, after=after)
        found.append(job)
    return found


def _shown(url: str) -> str:
    """The URL without a password."""
    parts = urlsplit(url)
    return url if parts.password is None else url.replace(f":{parts.password}@", ":…@", 1)
