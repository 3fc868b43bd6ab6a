"""What runs have left: the files, and their bytes."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented, problems
from suan.api.auth import Viewer
from suan.api.forwarding import to_leader
from suan.api.paths import rest
from suan.api.routes.jobs import find_job
from suan.api.services import ApiContext, context_of
from suan.model.errors import NotFound, PoolError
from suan.model.job import Run
from suan.model.units import run_id
from suan.model.views import OutputsView, OutputView

router = APIRouter(tags=["jobs"])
OCTETS = "application/octet-stream"
MOST_READ = 8 << 20
_PATH = "/v1/jobs/{job_id}/outputs/" + rest("path")
_CODES = ("not_found", "pool_unavailable", "pool_rejected", "not_leader")
_BYTES: dict[int | str, dict[str, Any]] = {
    **problems(*_CODES),
    200: {
        "description": "Bytes of the file; none beyond its end",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    },
}


@dataclass(frozen=True, slots=True)
class Span:
    """Which bytes of a file."""

    offset: int
    limit: int


async def _span(
    offset: Annotated[int, Query(ge=0, le=2**53, description="the first byte")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_READ, description="at most so many")] = MOST_READ,
) -> Span:
    return Span(offset, limit)


Attempt = Annotated[int | None, Query(ge=1, le=1_000_000, description="default: latest")]


@router.get(
    "/v1/jobs/{job_id}/outputs",
    responses=documented(200, OutputsView, examples.OUTPUTS, *_CODES),
)
async def list_outputs(
    request: Request, _: Viewer, job_id: str, attempt: Attempt = None
) -> Response:
    """The files that a run has left so far, in `SUAN_OUTPUT_DIR` and where `outputs` says."""
    context = context_of(request)
    run = await _run(context, job_id, attempt)
    try:
        found = await context.live.list_outputs(run)
    except PoolError:
        if passed := await to_leader(context, request):
            return passed
        raise
    files = (OutputView(each.path, each.size, each.digest, each.executable) for each in found)
    return answer(OutputsView(run.id, tuple(files)))


@router.get(_PATH, responses=_BYTES, response_class=Response)
async def read_output(
    request: Request,
    _: Viewer,
    job_id: str,
    *,
    path: str,
    attempt: Attempt = None,
    span: Annotated[Span, Depends(_span)],
) -> Response:
    """Bytes of one of them, as they are."""
    context = context_of(request)
    run = await _run(context, job_id, attempt)
    try:
        data = await context.live.read_output(run, path, offset=span.offset, limit=span.limit)
    except PoolError:
        if passed := await to_leader(context, request):
            return passed
        raise
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return Response(data, headers=headers, media_type=OCTETS)


async def _run(context: ApiContext, job_id: str, attempt: int | None) -> Run:
    job = await find_job(context, job_id)
    if attempt is not None:
        run = await context.store.run(run_id(job.id, attempt))
    else:
        runs = await context.store.runs([job.id])
        run = runs[-1] if runs else None
    if run is None:
        raise NotFound(
            f"job {job.id} has no run{f' {attempt}' if attempt else ' yet'}",
            where="query.attempt" if attempt else "job_id",
            mend="wait until it has started; `suan why` says why it waits",
        )
    return run
