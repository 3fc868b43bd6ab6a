"""Opening a trace: its format, its order, and its first submission moved to 0."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from suan.model.errors import InputError
from suan.model.events import QueueChanged, ReservationCancelled, ReservationMade
from suan.model.units import Instant
from suan.sim.traces.formats import FORMATS, Format
from suan.sim.traces.job import TraceJob
from suan.sim.traces.tally import Tally
from suan.sim.traces.text import head

KEPT_JOBS = 100_000  # as many are kept in memory, some 30 MB, and need not be read again
Fits: TypeAlias = Callable[[TraceJob], bool]


class Trace:
    """A trace that can be gone through any number of times.

    ``count`` jobs, the last submitted at ``last``; what was left out or changed is in ``tally``.
    ``dependent`` says whether some job waits for another; ``queues`` are those that were set up,
    and ``reserved`` says when nodes come to be reserved, and when that is taken back.
    A long file that is in order is read anew, row by row, each time; any other is kept in memory.
    """

    __slots__ = (
        "_again",
        "count",
        "dependent",
        "format",
        "last",
        "name",
        "queues",
        "reserved",
        "tally",
    )

    def __init__(
        self,
        name: str,
        form: str,
        again: Callable[[], Iterator[TraceJob]],
        *,
        tally: Tally,
        count: int,
        last: Instant,
    ) -> None:
        self.name = name
        self.format = form
        self.tally = tally
        self.count = count
        self.last = last
        self.dependent = False
        self.queues: tuple[QueueChanged, ...] = ()
        self.reserved: tuple[ReservationMade | ReservationCancelled, ...] = ()
        self._again = again

    def jobs(self) -> Iterator[TraceJob]:
        """The jobs, by submission; those of one moment in the file's order."""
        return self._again()


def open_trace(path: Path, form: str | None, fits: Fits, *, limit: int | None = None) -> Trace:
    """Go through a file once: what it is, what of it can be used, whether it is in order.

    Jobs for which ``fits`` is false are left out. With ``limit`` only the file's first so many jobs
    are used.

    Raises:
        InputError: it cannot be read, is of no known format, or has no job that can be used.
    """
    name = form or _sniffed(path)
    found = FORMATS[name]
    tally = Tally()
    survey = _Survey(islice(_fitting(found, path, tally, fits=fits), limit))
    if not survey.count:
        raise _empty(path, name, tally)
    origin = survey.first

    def again() -> Iterator[TraceJob]:
        if "too_large" not in tally.counts:  # all fit, as the survey has found
            return islice(found.read(path, Tally(), origin), limit)
        return islice(_fitting(found, path, Tally(), fits=fits, origin=origin), limit)

    for line in survey.unordered:
        tally.note("unordered", line)
    if survey.unordered or survey.count <= KEPT_JOBS:
        # stable: rows of one moment stay in the file's order
        jobs = sorted(survey.jobs if not origin and survey.jobs else again(), key=_submission)
        return kept(path.name, name, jobs, tally=tally)

    last = survey.last - origin
    return Trace(path.name, name, again, tally=tally, count=survey.count, last=last)


def check_format(name: str | None) -> str | None:
    """The format asked for.

    Raises:
        InputError: there is none of that name.
    """
    if name is None or name in FORMATS:
        return name
    raise InputError(
        f"there is no trace format called {name!r}",
        where="--format",
        mend=f"known formats: {', '.join(FORMATS)}; a journal is given by its URL",
    )


class _Survey:
    """One pass over a trace: how many jobs, from when to when, and which rows go back in time.

    ``jobs`` holds them all, or none if they are more than are kept.
    """

    def __init__(self, jobs: Iterator[TraceJob]) -> None:
        self.count, self.first, self.last = 0, 0, 0
        self.unordered: list[int] = []
        self.jobs: list[TraceJob] = []
        at = 0
        for job in jobs:
            submit = job.submit
            if submit < at and self.count:
                self.unordered.append(job.line)
                self.first = min(self.first, submit)
            else:
                at = submit
            if not self.count:
                self.first = submit
            self.count += 1
            if self.count <= KEPT_JOBS:
                self.jobs.append(job)
        if self.count > KEPT_JOBS:
            self.jobs.clear()
        self.last = at


def _submission(job: TraceJob) -> Instant:
    return job.submit


def _fitting(
    found: Format, path: Path, tally: Tally, *, fits: Fits, origin: Instant = 0
) -> Iterator[TraceJob]:
    for job in found.read(path, tally, origin):
        if fits(job):
            yield job
        else:
            tally.note("too_large", job.line)


def kept(name: str, form: str, jobs: list[TraceJob], *, tally: Tally) -> Trace:
    """A trace of jobs that are in memory, in order; there is at least one."""
    last = jobs[-1].submit
    return Trace(name, form, lambda: iter(jobs), tally=tally, count=len(jobs), last=last)


def _sniffed(path: Path) -> str:
    beginning = head(path)
    for name, each in FORMATS.items():
        if each.sniff(beginning):
            return name
    raise InputError(
        "the trace is of no format that suan knows",
        where=f"{path}:1",
        mend=f"say which with --format: {', '.join(FORMATS)}; docs/reference/traces.md shows them",
    )


def _empty(path: Path, form: str, tally: Tally) -> InputError:
    told = "; ".join(tally.told()) or "the file has no rows"
    return InputError(
        f"the trace, read as {form}, has no job that can be used: {told}",
        where=str(path),
        mend="check --format, and that --pools declares nodes which can hold its jobs",
    )
