"""Limits: what one user may have at once."""

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import USER, Operator, Viewer
from suan.api.body import read_json
from suan.api.openapi import json_body
from suan.api.quotas import limits_args, limits_view
from suan.api.recorded import recorded
from suan.api.requests import LimitsRequest
from suan.api.services import context_of
from suan.model.errors import InputError
from suan.model.quota import Limits
from suan.model.store import Command
from suan.model.views import LimitsView

router = APIRouter(tags=["queues"])
RECORDED_WITHIN_S = 2.0


@router.get("/v1/limits", responses=documented(200, dict[str, list[LimitsView]], examples.LIMITS))
async def list_limits(request: Request, _: Viewer) -> Response:
    """Every user who has limits, with what counts against them."""
    context = context_of(request)
    found = sorted((await context.store.limits()).items())
    return answer({"limits": [await limits_view(context, user, each) for user, each in found]})


@router.get("/v1/limits/{user}", responses=documented(200, LimitsView, examples.LIMIT))
async def get_limits(request: Request, _: Viewer, user: str) -> Response:
    """What one user may have at once; a user of whom nothing was set may have anything."""
    context = context_of(request)
    _check(user)
    limits = (await context.store.limits()).get(user, Limits())
    return answer(await limits_view(context, user, limits))


@router.put(
    "/v1/limits/{user}",
    responses=documented(
        200,
        LimitsView,
        examples.LIMIT,
        also={202: "Asked for; the leader has not recorded it yet"},
    ),
    openapi_extra=json_body("LimitsRequest", examples.LIMITS_REQUEST, "operator"),
)
async def put_limits(request: Request, caller: Operator, user: str) -> Response:
    """Set what a user may have at once. What runs is left alone."""
    context = context_of(request)
    _check(user)
    asked = await read_json(request, LimitsRequest)
    limits = Limits(asked.running, asked.pending, asked.device_hours, asked.money)
    command = Command("set_limits", user, caller.user, limits_args(limits))
    await context.store.request(command, context.now())
    context.live.nudge()

    async def done() -> bool:
        return (await context.store.limits()).get(user, Limits()) == limits

    in_time = await recorded(done, RECORDED_WITHIN_S)
    return answer(await limits_view(context, user, limits), 200 if in_time else 202)


def _check(user: str) -> None:
    if not USER.fullmatch(user):
        raise InputError(
            f"{user[:80]!r} is not a user's name",
            where="user",
            mend="use letters, digits and . _ @ + -, at most 64",
        )
