"""Queues: list, make, change."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import Operator, Viewer
from suan.api.body import read_json
from suan.api.checks import check_name
from suan.api.openapi import json_body
from suan.api.queues import Queue
from suan.api.quotas import quota_args, quota_of, quota_view
from suan.api.requests import QueueRequest
from suan.api.services import ApiContext, context_of
from suan.model.job import JobState
from suan.model.quota import Quota
from suan.model.store import Command, JobFilter
from suan.model.views import QueueView, bounds_view

router = APIRouter(tags=["queues"])
RECORDED_WITHIN_S = 2.0


@router.get("/v1/queues", responses=documented(200, dict[str, list[QueueView]], examples.QUEUES))
async def list_queues(request: Request, _: Viewer) -> Response:
    """Every queue, with its quota and how many jobs stand in it."""
    context = context_of(request)
    known = await context.queues.all(fresh=True)
    return answer({"queues": await _views(context, known)})


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
    check_name(name, "name")
    context = context_of(request)
    asked = await read_json(request, QueueRequest)
    quota = None if asked.quota is None else quota_of(asked.quota)
    args = {
        "weight": str(asked.weight),
        "discipline": asked.discipline,
        "open": "true" if asked.open else "false",
        **({} if quota is None else quota_args(quota)),
    }

    def done(queue: Queue) -> bool:
        as_asked = queue[:3] == (asked.weight, asked.discipline, asked.open)
        return as_asked and quota in (None, queue.quota)

    await context.store.request(Command("set_queue", name, caller.user, args), context.now())
    context.live.nudge()
    recorded = await context.queues.wait_for(name, done, RECORDED_WITHIN_S)
    before = (await context.queues.all()).get(name, Queue())
    queue = Queue(
        asked.weight, asked.discipline, asked.open, before.quota if quota is None else quota
    )
    [view] = await _views(context, {name: queue})
    return answer(view, 200 if recorded else 202)


async def _views(context: ApiContext, queues: Mapping[str, Queue]) -> list[QueueView]:
    """Queues by name; what those with a quota hold is told as well."""
    limited = [name for name in sorted(queues) if queues[name].quota != Quota()]
    held = await context.store.held(limited) if limited else {}
    views = []
    for name in sorted(queues):
        weight, discipline, open_, quota = queues[name]
        counts = await context.store.counts(JobFilter(queue=name))
        view = QueueView(
            name=name,
            weight=weight,
            discipline=discipline,
            open=open_,
            pending=counts.get(JobState.PENDING, 0),
            running=counts.get(JobState.RUNNING, 0),
            quota=quota_view(quota),
            held=bounds_view(held.get(name, ())) if name in limited else None,
        )
        views.append(view)
    return views
