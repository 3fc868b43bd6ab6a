"""A run's output, streamed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from suan.api.answers import problems
from suan.api.auth import Viewer
from suan.api.forwarding import to_leader
from suan.api.logs import Log, Pulse, first_of
from suan.api.routes.jobs import find_job
from suan.api.services import ApiContext, context_of
from suan.model.errors import InputError, NotFound, PoolError
from suan.model.job import Job, Run, RunState
from suan.model.units import run_id

router = APIRouter(tags=["jobs"])
OCTETS = "application/octet-stream"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **problems("not_found", "pool_unavailable", "pool_rejected", "not_leader"),
    200: {
        "description": "The bytes of the log, secret values as `***`. `X-Suan-Run` names the run;"
        " `X-Suan-Next-Offset`, when not following, is where to go on.",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    },
}


@dataclass(frozen=True, slots=True)
class Which:
    """Which log of a job. ``attempt`` of ``None`` is the latest."""

    attempt: int | None
    task: int
    stream: str


async def _which(
    attempt: Annotated[int | None, Query(ge=1, le=1_000_000, description="default: latest")] = None,
    task: Annotated[int, Query(ge=0, le=1_000_000, description="rank in the gang")] = 0,
    stream: Annotated[Literal["stdout", "stderr"], Query()] = "stdout",
) -> Which:
    return Which(attempt, task, stream)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a log."""

    offset: int | None
    tail: int | None
    limit: int | None
    follow: bool


async def _part(
    offset: Annotated[int | None, Query(ge=0, le=2**53, description="the first byte")] = None,
    tail: Annotated[int | None, Query(ge=0, le=10_000_000, description="the last lines")] = None,
    limit: Annotated[int | None, Query(ge=1, le=2**53, description="at most so many bytes")] = None,
    *,
    follow: Annotated[bool, Query(description="go on until the run has ended")] = False,
) -> Part:
    if offset is not None and tail is not None:
        raise InputError("offset and tail exclude each other", where="query.tail", mend="use one")
    if follow and limit is not None:
        raise InputError("follow takes no limit", where="query.limit", mend="leave one out")
    return Part(offset, tail, limit, follow)


@router.get("/v1/jobs/{job_id}/logs", responses=_ANSWERS, response_class=StreamingResponse)
async def read_logs(
    request: Request,
    _: Viewer,
    job_id: str,
    *,
    which: Annotated[Which, Depends(_which)],
    part: Annotated[Part, Depends(_part)],
) -> Response:
    """The output of one task of one run: whole, in part, or as it comes."""
    context = context_of(request)
    job = await find_job(context, job_id)
    _check_task(which.task, job.spec.max_nodes or job.spec.num_nodes)
    reader = Reader(context, job, which, await _secrets(context, job))
    run = await reader.run()
    if run is None or not _launched(run):
        if part.follow:
            return _streamed(reader.follow_when_started(part), run)
        if run is None:
            raise NotFound(
                f"job {job.id} has no run{f' {which.attempt}' if which.attempt else ' yet'}",
                where="query.attempt" if which.attempt else "job_id",
                mend="add follow=true to wait for it; `suan why` says why it waits",
            )
        return _streamed(_iterated(b""), run, next_offset=0)
    try:
        return await _answer(reader.log(run), part)
    except PoolError:
        passed = await to_leader(context, request)
        if passed is None:
            raise
        return passed


@dataclass(frozen=True, slots=True)
class Reader:
    """One log of a job, which may not have started."""

    context: ApiContext
    job: Job
    which: Which
    secrets: tuple[bytes, ...]

    async def run(self) -> Run | None:
        """The run, if it is recorded."""
        if self.which.attempt is not None:
            return await self.context.store.run(run_id(self.job.id, self.which.attempt))
        runs = await self.context.store.runs([self.job.id])
        return runs[-1] if runs else None

    def log(self, run: Run) -> Log:
        """The run's log.

        Raises:
            InputError: it has no such task.
        """
        _check_task(self.which.task, len(run.nodes))
        return Log(self.context.live, run, self.which.task, self.which.stream, self.secrets)

    async def follow_when_started(self, part: Part) -> AsyncIterator[bytes]:
        """Wait until the run is launched; then everything until it has ended."""
        pulse = Pulse()
        while True:
            job = await self.context.store.get(self.job.id)  # first: its last run is then recorded
            run = await self.run()
            if run is not None and _launched(run):
                break
            over = (
                run is not None and run.state is RunState.ENDED and self.which.attempt is not None
            )
            if job is None or job.state.final or over:
                return
            await pulse.wait()
        if self.which.task >= len(run.nodes):  # of an elastic job, this run has fewer
            return
        log = self.log(run)
        async for piece in log.follow(await _first_byte(log, part)):
            yield piece


def _check_task(task: int, tasks: int) -> None:
    if task >= tasks:
        raise InputError(
            f"the job has {tasks} task(s), counted from 0",
            where="query.task",
            mend=f"use 0 to {tasks - 1}",
        )


def _launched(run: Run) -> bool:
    return run.ref is not None or run.state is RunState.STARTED


async def _answer(log: Log, part: Part) -> Response:
    if part.follow:
        await log.size()  # what the pool cannot give is told before the first byte
        return _streamed(log.follow(await _first_byte(log, part)), log.run)
    size = await log.size()
    first = min(size, await _first_byte(log, part, size))
    last = size if part.limit is None else min(size, first + part.limit)
    return _streamed(await first_of(log.range(first, last)), log.run, next_offset=last)


async def _first_byte(log: Log, part: Part, size: int | None = None) -> int:
    if part.tail is None:
        return part.offset or 0
    return await log.start_of_last(part.tail, await log.size() if size is None else size)


def _streamed(
    pieces: AsyncIterator[bytes], run: Run | None, next_offset: int | None = None
) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if run is not None:
        headers["X-Suan-Run"] = run.id
    if next_offset is not None:
        headers["X-Suan-Next-Offset"] = str(next_offset)
    return StreamingResponse(pieces, headers=headers, media_type=OCTETS)


async def _iterated(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _secrets(context: ApiContext, job: Job) -> tuple[bytes, ...]:
    found = await context.store.secrets(job)
    return tuple(value.encode() for value in found.values())
