"""Tenants: their weights in fair share and their quotas."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import Operator, Viewer
from suan.api.body import read_json
from suan.api.checks import check_tenant
from suan.api.openapi import json_body
from suan.api.paths import rest
from suan.api.quotas import quota_args, quota_of, quota_view
from suan.api.recorded import recorded
from suan.api.requests import TenantRequest
from suan.api.services import ApiContext, context_of
from suan.model.quota import Quota, Tenant
from suan.model.store import Command
from suan.model.views import TenantView, bounds_view

router = APIRouter(tags=["queues"])
RECORDED_WITHIN_S = 2.0


@router.get("/v1/tenants", responses=documented(200, dict[str, list[TenantView]], examples.TENANTS))
async def list_tenants(request: Request, _: Viewer) -> Response:
    """Every tenant of whom something was set, with what it holds."""
    context = context_of(request)
    return answer({"tenants": await _views(context, await context.store.tenants())})


@router.put(
    f"/v1/tenants/{rest('name')}",
    responses=documented(
        200,
        TenantView,
        examples.TENANT,
        also={202: "Asked for; the leader has not recorded it yet"},
    ),
    openapi_extra=json_body("TenantRequest", examples.TENANT_REQUEST, "operator"),
)
async def put_tenant(request: Request, caller: Operator, name: str) -> Response:
    """Set a tenant's weight beside its siblings, and its quota. What runs is left alone."""
    check_tenant(name, "name")
    context = context_of(request)
    asked = await read_json(request, TenantRequest)
    quota = None if asked.quota is None else quota_of(asked.quota)
    args = {"weight": str(asked.weight), **({} if quota is None else quota_args(quota))}

    async def done() -> bool:
        found = (await context.store.tenants()).get(name, Tenant())
        return found.weight == asked.weight and quota in (None, found.quota)

    await context.store.request(Command("set_tenant", name, caller.user, args), context.now())
    context.live.nudge()
    in_time = await recorded(done, RECORDED_WITHIN_S)
    before = (await context.store.tenants()).get(name, Tenant())
    tenant = Tenant(asked.weight, before.quota if quota is None else quota)
    [view] = await _views(context, {name: tenant})
    return answer(view, 200 if in_time else 202)


async def _views(context: ApiContext, tenants: Mapping[str, Tenant]) -> list[TenantView]:
    held = await context.store.held_by_tenants(list(tenants))
    return [
        TenantView(
            name=name,
            weight=tenant.weight,
            running=held[name][0],
            quota=None if tenant.quota == Quota() else quota_view(tenant.quota),
            held=bounds_view(held[name][1]),
        )
        for name, tenant in sorted(tenants.items())
    ]
