"""Queues: list, make, change."""

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import Operator, Viewer
from suan.api.body import read_json
from suan.api.checks import NAME
from suan.api.openapi import json_body
from suan.api.queues import Queue
from suan.api.requests import QueueRequest
from suan.api.services import ApiContext, context_of
from suan.model.errors import InputError
from suan.model.job import JobState
from suan.model.store import Command, JobFilter
from suan.model.views import QueueView

router = APIRouter(tags=["queues"])
RECORDED_WITHIN_S = 2.0


@router.get("/v1/queues", responses=documented(200, dict[str, list[QueueView]], examples.QUEUES))
async def list_queues(request: Request, _: Viewer) -> Response:
    """Every queue, with how many jobs stand in it."""
    context = context_of(request)
    known = await context.queues.all(fresh=True)
    return answer({"queues": [await _view(context, name, known[name]) for name in sorted(known)]})


@router.put(
    "/v1/queues/{name}",
    responses=documented(
        200,
        QueueView,
        examples.QUEUE,
        also={202: "Asked for; the leader has not recorded it yet"},
    ),
    openapi_extra=json_body("QueueRequest", examples.QUEUE_REQUEST, "operator"),
)
async def put_queue(request: Request, caller: Operator, name: str) -> Response:
    """Make a queue or change it."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} is not a name",
            where="name",
            mend="use letters, digits and . _ - (first a letter or digit), at most 64",
        )
    context = context_of(request)
    asked = await read_json(request, QueueRequest)
    queue = (asked.weight, asked.discipline, asked.open)
    args = {
        "weight": str(asked.weight),
        "discipline": asked.discipline,
        "open": "true" if asked.open else "false",
    }
    await context.store.request(Command("set_queue", name, caller.user, args), context.now())
    context.live.nudge()
    recorded = await context.queues.wait_for(name, queue, RECORDED_WITHIN_S)
    return answer(await _view(context, name, queue), 200 if recorded else 202)


async def _view(context: ApiContext, name: str, queue: Queue) -> QueueView:
    weight, discipline, open_ = queue
    counts = await context.store.counts(JobFilter(queue=name))
    return QueueView(
        name=name,
        weight=weight,
        discipline=discipline,
        open=open_,
        pending=counts.get(JobState.PENDING, 0),
        running=counts.get(JobState.RUNNING, 0),
    )
