"""Jobs: list, count, show, cancel, explain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import Caller, Submitter, Viewer
from suan.api.checks import JOB_ID
from suan.api.dependencies import members_of
from suan.api.explaining import explain
from suan.api.forwarding import to_leader
from suan.api.problems import Forbidden
from suan.api.services import ApiContext, context_of
from suan.api.views import job_detail, job_view
from suan.model.errors import InputError, NotFound
from suan.model.job import Job, JobState
from suan.model.store import Command, JobFilter
from suan.model.units import JobId
from suan.model.views import ExplanationView, JobDetail, JobList

router = APIRouter(tags=["jobs"])
Text = Annotated[str | None, Query(max_length=200)]
_SLICE = 5000  # commands in one commit: others may write in between


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose jobs to list."""

    user: str | None
    tenant: str | None


async def _whose(user: Text = None, tenant: Text = None) -> Whose:
    return Whose(user, tenant)


async def job_filter(
    whose: Annotated[Whose, Depends(_whose)],
    state: Annotated[list[JobState] | None, Query(description="any of these")] = None,
    queue: Text = None,
    *,
    name: Text = None,
    array_id: Text = None,
    label: Annotated[str | None, Query(max_length=400, description="key=value")] = None,
) -> JobFilter:
    """The filter that the query parameters make."""
    key, equals, value = (label or "").partition("=")
    if label is not None and not equals:
        raise InputError(f"{label!r} is not a label", where="query.label", mend="write key=value")
    return JobFilter(
        states=tuple(state or ()),
        queue=queue,
        user=whose.user,
        tenant=whose.tenant,
        name=name,
        array_id=JobId(array_id) if array_id is not None else None,
        label=(key, value) if label is not None else None,
    )


Filter = Annotated[JobFilter, Depends(job_filter)]


@router.get("/v1/jobs", responses=documented(200, JobList, examples.JOB_LIST))
async def list_jobs(
    request: Request,
    _: Viewer,
    where: Filter,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Jobs, newest first, a page at a time."""
    page = await context_of(request).store.list(where, cursor, limit)
    return answer(JobList(tuple(map(job_view, page.jobs)), page.next_cursor))


@router.get("/v1/jobs/counts", responses=documented(200, dict[str, int], examples.COUNTS))
async def count_jobs(request: Request, _: Viewer, where: Filter) -> Response:
    """How many jobs there are in each state."""
    found = await context_of(request).store.counts(where)
    return answer({state.value: found.get(state, 0) for state in JobState})


@router.get(
    "/v1/jobs/{job_id}", responses=documented(200, JobDetail, examples.JOB_DETAIL, "not_found")
)
async def get_job(request: Request, _: Viewer, job_id: str) -> Response:
    """A job, whole: what was asked for, its runs, its bill. Secrets are named, never shown."""
    context = context_of(request)
    job = await find_job(context, job_id)
    runs = await context.store.runs([job.id])
    return answer(job_detail(job, runs))


@router.post(
    "/v1/jobs/{job_id}/cancel",
    status_code=202,
    responses=documented(202, dict[str, list[str]], examples.CANCELLED, "not_found"),
)
async def cancel_job(request: Request, caller: Submitter, job_id: str) -> Response:
    """Cancel a job, or all unfinished members of an array. What has ended stays as it is."""
    context = context_of(request)
    jobs = await _job_or_members(context, job_id)
    _check_owner(caller, jobs)
    unfinished = [job.id for job in jobs if not job.state.final]
    now = context.now()
    for start in range(0, len(unfinished), _SLICE):
        commands = [Command("cancel", job, caller.user) for job in unfinished[start:][:_SLICE]]
        await context.store.request_all(commands, now)
    context.live.nudge()
    return answer({"cancelled": unfinished}, 202)


@router.get(
    "/v1/jobs/{job_id}/explain",
    responses=documented(200, ExplanationView, examples.EXPLANATION, "not_found", "not_leader"),
)
async def explain_job(request: Request, _: Viewer, job_id: str) -> Response:
    """Why a job waits, what would unblock it, where it could run; or where it runs or ran."""
    context = context_of(request)
    job = await find_job(context, job_id)
    if not job.state.final and (passed := await to_leader(context, request)):
        return passed
    return answer(await explain(context, job))


async def find_job(context: ApiContext, job_id: str) -> Job:
    """The job.

    Raises:
        NotFound: there is none.
    """
    job = await context.store.get(JobId(job_id)) if JOB_ID.fullmatch(job_id) else None
    if job is None:
        raise NotFound(
            f"there is no job {job_id[:80]!r}", where="job_id", mend="see `suan queue` for ids"
        )
    return job


async def _job_or_members(context: ApiContext, job_id: str) -> Sequence[Job]:
    if JOB_ID.fullmatch(job_id) and "-" not in job_id:
        job = await context.store.get(JobId(job_id))
        if job is None and (members := await members_of(JobId(job_id), context.store)):
            return members
    return [await find_job(context, job_id)]


def _check_owner(caller: Caller, jobs: Sequence[Job]) -> None:
    foreign = next((job for job in jobs if job.user != caller.user), None)
    if foreign is not None and not caller.may("operator"):
        raise Forbidden(
            f"job {foreign.id} belongs to {foreign.user!r}; the token is {caller.user!r}'s",
            mend="ask its owner, or an operator",
        )
