"""Explanations: from the scheduler while a job is unfinished, from the record afterwards."""

from dataclasses import replace

from suan.api.services import ApiContext
from suan.api.views import explanation_view, stopping_of
from suan.model.job import Job, JobState
from suan.model.plan import Explanation
from suan.model.spec import JobSpec
from suan.model.views import ExplanationView


async def explain(context: ApiContext, job: Job) -> ExplanationView:
    """Why a job is where it is. Only the leader may ask this of an unfinished job."""
    if job.state.final:
        return ExplanationView(job.id, job.state.value, _ended(job))
    found = await context.live.explain(job.id)
    if found is None:
        return ExplanationView(
            job.id, job.state.value, "just submitted; the scheduler has not looked at it yet"
        )
    return replace(await _view(context, found), last_run=await _last_run(context, job))


async def _last_run(context: ApiContext, job: Job) -> str:
    if job.state is JobState.PENDING:
        return job.detail
    runs = await context.store.runs([job.id])
    return (stopping_of(runs[-1]) if runs else "") or job.detail


async def plans(
    context: ApiContext, specs: tuple[JobSpec, ...], user: str
) -> tuple[ExplanationView, ...]:
    """Where jobs would go: one answer for each distinct demand."""
    distinct = {_demand(spec): spec for spec in reversed(specs)}
    return tuple(
        [
            await _view(context, await context.live.dry_run(spec, user))
            for spec in reversed(distinct.values())
        ]
    )


async def _view(context: ApiContext, found: Explanation) -> ExplanationView:
    currencies: dict[str, str] = {}
    if found.costs:
        pools = await context.live.pools()
        currencies = {pool.offer.pool: pool.offer.terms.currency for pool in pools}
    return explanation_view(found, currencies)


def _ended(job: Job) -> str:
    where = f" in {job.pool}" if job.pool else ""
    code = f" with exit code {job.exit_code}" if job.exit_code else ""
    detail = f": {job.detail}" if job.detail else ""
    verb = "was cancelled" if job.state is JobState.CANCELLED else job.state.value
    return f"the job {verb}{where}{code}{detail}"


def _demand(spec: JobSpec) -> object:
    return (
        spec.num_nodes,
        spec.max_nodes,
        repr(spec.resources),
        spec.ordered,
        spec.framework,
        spec.reservation,
        spec.max_hourly_cost,
        spec.queue,
        spec.tenant,
        spec.priority,
        spec.time_limit,
        spec.expected,
        spec.deadline,
        spec.run,
    )
