"""What is offered to other owners' platforms: the operator's side."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from suan.api import examples, offering
from suan.api.answers import answer, documented
from suan.api.auth import Operator, Viewer, digest_of, new_secret, token_id
from suan.api.body import read_json
from suan.api.checks import check_name
from suan.api.forwarding import to_leader
from suan.api.openapi import json_body
from suan.api.quotas import amounts_of, quota_args
from suan.api.requests import BoundsRequest, OfferRequest
from suan.api.services import ApiContext, context_of
from suan.api.views import offer_view
from suan.model.errors import InputError, NotFound
from suan.model.peer import PEER_SCOPE, PeerOffer, Prices, user_of
from suan.model.quota import Quota, Tenant
from suan.model.store import Command, Token
from suan.model.units import SECOND, PoolName
from suan.model.views import PeerView
from suan.peering.summary import closed

router = APIRouter(tags=["peers"])


@router.get(
    "/v1/peers",
    responses=documented(200, dict[str, list[PeerView]], examples.PEERS, "not_leader"),
)
async def list_peers(request: Request, _: Viewer) -> Response:
    """Every peer to whom something is offered, or that may still sign, and what it has here."""
    context = context_of(request)
    return answer({"peers": await _views(context)})


@router.put(
    "/v1/peers/{name}/offers/{pool}",
    responses=documented(200, PeerView, examples.PEER, "not_found", "not_leader"),
    openapi_extra=json_body("OfferRequest", examples.OFFER_REQUEST, "operator"),
)
async def put_offer(request: Request, caller: Operator, name: str, pool: str) -> Response:
    """Offer a peer a part of a pool, or change what is offered. A peer that has no token gets one,
    whose secret is in this answer and nowhere else."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    check_name(name, "name")
    asked = await read_json(request, OfferRequest)
    await context.queues.check([(asked.queue, "queue")])
    offer = _offer(context, asked, name=name, pool=pool, by=caller.user)
    if await offering.pool_of(context, offer) is None:
        raise NotFound(f"there is no pool {pool[:80]!r}", where="pool", mend="see `suan pool list`")
    await _set_ceiling(context, offer)
    await context.store.peers.offer(offer)
    secret = await _provide_secret(context, name, anew=asked.new_secret)
    found = next(each for each in await _views(context) if each.name == name)
    headers = {"Cache-Control": "no-store"}
    return answer(replace(found, secret=secret), headers=headers)


@router.delete(
    "/v1/peers/{name}/offers/{pool}",
    responses=documented(200, dict[str, list[str]], examples.REVOKED, "not_found", "not_leader"),
)
async def revoke_offer(
    request: Request,
    caller: Operator,
    name: str,
    pool: str,
    *,
    now: Annotated[bool, Query(description="end what runs under it, too")] = False,
) -> Response:
    """Take an offer back. What waits goes back to its sender, what runs may end. The peer's token
    stays good, for it must hear the ends."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    for offer in await context.store.peers.offers():
        if (offer.peer, offer.pool) == (name, pool):
            ended = await offering.revoke(context, offer, by=caller.user, now=now)
            return answer({"ended": ended})
    raise NotFound(
        f"nothing of pool {pool[:80]!r} is offered to {name[:80]!r}",
        where="pool",
        mend="see `suan peer list`",
    )


def _offer(context: ApiContext, asked: OfferRequest, *, name: str, pool: str, by: str) -> PeerOffer:
    prices = None
    if asked.prices is not None:
        models = amounts_of(
            BoundsRequest(accelerators=asked.prices.accelerator_hour), "prices.accelerator_hour"
        )
        prices = Prices(
            currency=asked.prices.currency,
            cpu_hour=asked.prices.cpu_hour,
            accelerator_hour=models,
            energy_kwh=asked.prices.energy_kwh,
        )
    return PeerOffer(
        peer=name,
        pool=PoolName(pool),
        ceiling=amounts_of(asked.ceiling, "ceiling"),
        share_milli=asked.share_milli,
        hours=asked.hours,
        begin=None if asked.begin is None else asked.begin * SECOND,
        end=None if asked.end is None else asked.end * SECOND,
        prices=prices,
        queue=asked.queue,
        priority=asked.priority,
        made_at=context.now(),
        by=by,
    )


async def _set_ceiling(context: ApiContext, offer: PeerOffer) -> None:
    """What is never more than the offer's is the business of its tenant's quota."""
    now = (await context.store.tenants()).get(offer.tenant, Tenant())
    try:
        wanted = Quota(now.quota.guarantee, offer.ceiling, now.quota.cohort)
    except ValueError as error:
        where, _, detail = str(error).partition(": ")
        mend = f"raise it, or lower the guarantee: `suan tenants set {offer.tenant}`"
        raise InputError(detail, where=where, mend=mend) from None
    if wanted != now.quota:
        args = {"weight": str(now.weight), **quota_args(wanted)}
        command = Command("set_tenant", offer.tenant, offer.by, args)
        await context.store.request(command, context.now())
        context.live.nudge()


async def _provide_secret(context: ApiContext, peer: str, *, anew: bool) -> str | None:
    """A secret for a peer that has no good token, or is to have another one."""
    now, tokens = context.now(), context.store.tokens
    for token in await _tokens(context, peer):
        if not anew:
            return None
        await tokens.revoke(token.id, now)
    random_bytes = context.services.random_bytes
    secret = new_secret(random_bytes)
    made = Token(token_id(random_bytes), peer, PEER_SCOPE, user_of(peer), now)
    await tokens.create(made, digest_of(secret))
    return secret


async def _tokens(context: ApiContext, peer: str | None = None) -> list[Token]:
    """The good tokens of peers, the newest last."""
    return [
        token
        for token in await context.store.tokens.list()
        if token.scope == PEER_SCOPE and token.revoked_at is None and peer in (None, token.name)
    ]


async def _views(context: ApiContext) -> list[PeerView]:
    tokens = {token.name: token.id for token in await _tokens(context)}
    offers = await context.store.peers.offers()
    found = []
    for name in sorted({*tokens, *(offer.peer for offer in offers)}):
        views = []
        for offer in offers:
            if offer.peer == name:
                runs = await context.store.peers.open(name, offer.pool)
                why = closed(offer, context.now())
                views.append(offer_view(offer, closed=why, runs=len(runs)))
        found.append(PeerView(name, tokens.get(name, ""), tuple(views)))
    return found
