"""Pools: what there is, what is free; drain and undrain."""

from fastapi import APIRouter, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented
from suan.api.auth import Caller, Operator, Viewer
from suan.api.forwarding import to_leader
from suan.api.services import ApiContext, context_of
from suan.api.views import pool_view
from suan.model.errors import NotFound
from suan.model.live import PoolStatus
from suan.model.store import Command
from suan.model.views import PoolView

router = APIRouter(tags=["pools"])
_ASKED = documented(202, dict[str, str], examples.DRAINED, "not_found", "not_leader")


@router.get(
    "/v1/pools", responses=documented(200, dict[str, list[PoolView]], examples.POOLS, "not_leader")
)
async def list_pools(request: Request, _: Viewer) -> Response:
    """Every pool as the leader sees it now."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    return answer({"pools": tuple(map(pool_view, await context.live.pools()))})


@router.get(
    "/v1/pools/{name}",
    responses=documented(200, PoolView, examples.POOL, "not_found", "not_leader"),
)
async def get_pool(request: Request, _: Viewer, name: str) -> Response:
    """One pool, with its nodes."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    return answer(pool_view(await _find(context, name), with_nodes=True))


@router.post("/v1/pools/{name}/drain", status_code=202, responses=_ASKED)
async def drain_pool(request: Request, caller: Operator, name: str) -> Response:
    """Start nothing new there; what runs may end."""
    return await _ask(request, "drain", name, caller=caller)


@router.post("/v1/pools/{name}/undrain", status_code=202, responses=_ASKED)
async def undrain_pool(request: Request, caller: Operator, name: str) -> Response:
    """Take a drain back."""
    return await _ask(request, "undrain", name, caller=caller)


async def _ask(request: Request, kind: str, name: str, *, caller: Caller) -> Response:
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    await _find(context, name)
    await context.store.request(Command(kind, name, caller.user), context.now())
    context.live.nudge()
    return answer({"pool": name, "asked": kind}, 202)


async def _find(context: ApiContext, name: str) -> PoolStatus:
    pools = await context.live.pools()
    found = next((pool for pool in pools if pool.offer.pool == name), None)
    if found is None:
        there = ", ".join(sorted(pool.offer.pool for pool in pools)[:20]) or "none"
        raise NotFound(
            f"there is no pool {name[:80]!r}; there are {there}",
            where="name",
            mend="see `suan pool list`",
        )
    return found
