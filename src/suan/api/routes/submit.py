"""Submitting jobs: one (or an array, or a job file), and many."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import Submitter
from suan.api.body import Given, read_batch, read_jobs
from suan.api.openapi import BATCH_BODY, JOB_BODY
from suan.api.services import context_of
from suan.api.submission import check_key, submit
from suan.model.views import SubmittedView

router = APIRouter(tags=["jobs"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any text of the caller's. The same key and body again gives the first answer.",
    ),
]
_ANSWERS = documented(
    201,
    SubmittedView,
    examples.SUBMITTED,
    "conflict",
    "over_pending_limit",
    "store_full",
    "store_read_only",
    also={200: "An earlier request with this key had made these jobs"},
)


@router.post("/v1/jobs", status_code=201, responses=_ANSWERS, openapi_extra=JOB_BODY)
async def submit_job(request: Request, caller: Submitter, key: Key = None) -> Response:
    """Submit one job, an array or a sweep; or a job file; or an `#SBATCH` script.

    Durable when it is acknowledged. It never waits for the leader.
    """
    check_key(key)
    return await _submit(
        request, await read_jobs(request, context_of(request).now()), user=caller.user, key=key
    )


@router.post("/v1/jobs/batch", status_code=201, responses=_ANSWERS, openapi_extra=BATCH_BODY)
async def submit_batch(request: Request, caller: Submitter, key: Key = None) -> Response:
    """Submit up to 100,000 jobs, all or none. `after` may name other jobs of the batch."""
    check_key(key)
    return await _submit(request, await read_batch(request), user=caller.user, key=key)


async def _submit(request: Request, given: Given, *, user: str, key: str | None) -> Response:
    view = await submit(context_of(request), given, user=user, key=key)
    return answer(view, 200 if view.repeated else 201)
