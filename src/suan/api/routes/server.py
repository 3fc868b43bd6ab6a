"""The server itself, its health and metrics, and the reference map of sites."""

from typing import Any

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import Viewer, refuse_unknown_query
from suan.api.health import OK, Health, health
from suan.api.metrics import CONTENT_TYPE, platform_text
from suan.api.services import context_of
from suan.api.views import time_of
from suan.model.store import JobFilter
from suan.model.views import ServerView, SiteView

router = APIRouter(tags=["server"])
_HEALTH: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Health,
        "description": "All is well",
        "content": {"application/json": {"example": examples.HEALTHY}},
    },
    503: {
        "model": Health,
        "description": "Something is not; `checks` says what",
        "content": {"application/json": {"example": examples.UNHEALTHY}},
    },
    422: documented(200, Health, {}, "invalid_input")[422],
    500: documented(200, Health, {}, "internal")[500],
}
_METRICS = documented(200, str, "") | {
    200: {
        "description": "Metrics in Prometheus' text format",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": examples.METRICS}},
    }
}


@router.get("/v1/health", responses=_HEALTH, openapi_extra={"security": []})
async def get_health(request: Request) -> Response:
    """Whether this server can do its work. Needs no token."""
    refuse_unknown_query(request)
    found = await health(context_of(request))
    return answer(found, 200 if found.status == OK else 503)


@router.get("/v1/server", responses=documented(200, ServerView, examples.SERVER))
async def get_server(request: Request, _: Viewer) -> Response:
    """Which server answers, and how it is doing."""
    context = context_of(request)
    status, settings = context.live.status(), context.services.settings
    counts = await context.store.counts(JobFilter())
    view = ServerView(
        version=settings.version,
        engine=context.store.engine_name,
        leading=status.leading,
        leader_url=status.leader_url,
        started_at=time_of(settings.started_at),
        cycles=status.cycles,
        jobs={state.value: count for state, count in counts.items()},
        pools=len(await context.live.pools()) if status.leading else 0,
        trouble=status.trouble,
        policy=settings.policy,
        place=settings.place,
    )
    return answer(view)


@router.get("/v1/sites", responses=documented(200, dict[str, list[SiteView]], examples.SITES))
async def list_sites(_: Viewer) -> Response:
    """The reference map: hubs and clusters, their PUE and grid factor, with the source of each."""
    from suan.facts.sites import sites

    return answer({"sites": sites()})


@router.get("/metrics", responses=_METRICS, response_class=Response)
async def get_metrics(request: Request, _: Viewer) -> Response:
    """Metrics for Prometheus. Needs the scope viewer, as everything does."""
    context = context_of(request)
    status = context.live.status()
    jobs = await context.store.counts(JobFilter())
    pools = await context.live.pools() if status.leading else ()
    text = platform_text(status, context.live.metrics(), jobs=jobs, pools=pools)
    text += context.metrics.text()
    return Response(text, headers={"Content-Type": CONTENT_TYPE})
