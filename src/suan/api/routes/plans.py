"""Dry runs: where would a job go?"""

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import Viewer
from suan.api.body import read_jobs
from suan.api.checks import checked_spec
from suan.api.explaining import plans
from suan.api.forwarding import to_leader
from suan.api.openapi import PLAN_BODY
from suan.api.services import context_of
from suan.api.submission import prefixes
from suan.model.views import ExplanationView

router = APIRouter(tags=["plans"])


@router.post(
    "/v1/plans",
    responses=documented(
        200,
        dict[str, list[ExplanationView]],
        examples.PLANS,
        "not_leader",
    ),
    openapi_extra=PLAN_BODY,
)
async def plan(request: Request, caller: Viewer) -> Response:
    """Where jobs would go if they were submitted now, at what cost, and why. Changes nothing.

    One answer for each distinct demand: an array is one.
    """
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    given = await read_jobs(request, context.now())
    specs = tuple(
        checked_spec(spec, prefix)
        for spec, prefix in zip(given.specs, prefixes(given), strict=True)
    )
    return answer({"plans": await plans(context, specs, caller.user)})
