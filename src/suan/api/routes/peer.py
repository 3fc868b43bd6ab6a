"""What a peer asks: signed requests of another platform, about what is offered to it.

For platforms, not for people: `suan.pools.peer` is the other end (docs/explanation/peer-pool.md).
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import Response as AnyResponse

from suan.api import examples, offering
from suan.api.answers import answer, documented, problems
from suan.api.body import read_json
from suan.api.explaining import explain
from suan.api.forwarding import to_leader
from suan.api.openapi import json_body
from suan.api.peering import Peer
from suan.api.requests import ContentAsked
from suan.api.routes.content import PIECES, take
from suan.api.services import ApiContext, context_of
from suan.model.errors import InputError, NotFound
from suan.model.job import JobState
from suan.model.peer import ForwardedRun, Mirrored
from suan.model.pool import LogChunk, OutputFile
from suan.model.spec import CHECKPOINT_SIGNALS
from suan.model.units import PoolName, RunId
from suan.model.views import MissingView
from suan.peering.protocol import (
    END_HEADER,
    NEXT_HEADER,
    VERSION,
    VERSION_HEADER,
    EndRun,
    Forward,
    OfferSaid,
    Platform,
    Settled,
    Sight,
)
from suan.peering.summary import closed

router = APIRouter(tags=["peer"])
LONGEST_WAIT_S = 30
MOST_OF_A_LOG = 4 << 20
_HEADERS = {VERSION_HEADER: str(VERSION)}
_CODES = ("peer_version", "token_expired", "token_revoked", "not_leader")
_READING = (*_CODES, "not_found", "pool_unavailable", "pool_rejected")
_OCTETS = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BYTES: dict[int | str, dict[str, Any]] = {
    **problems(*_READING),
    200: {"description": "Bytes of the file; none beyond its end", "content": _OCTETS},
}
_LOG: dict[int | str, dict[str, Any]] = {
    **problems(*_READING),
    200: {
        "description": f"Bytes, as the pool has them; `{NEXT_HEADER}` is where to go on, and"
        f" `{END_HEADER}` is 1 if nothing will follow.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}
T = TypeVar("T")


@router.get("/v1/peer/offers", responses=documented(200, Platform, examples.PLATFORM, *_CODES))
async def tell_platform(request: Request) -> Response:
    """Which platform answers, and what it offers to the peer that asks."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    peer = await context.peers.peer(request)
    store = context.store.peers
    said = []
    for offer in await store.offers():
        if offer.peer == peer.name:
            why = closed(offer, context.now())
            said.append(OfferSaid(offer.pool, not why, why or "open"))
    version = context.services.settings.version
    return _answer(Platform(await store.platform(), version, VERSION, tuple(said)))


@router.get(
    "/v1/peer/offers/{pool}",
    responses=documented(200, Sight, examples.SIGHT, *_CODES, "not_found"),
)
async def observe_offer(
    request: Request,
    pool: str,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0.0,
) -> Response:
    """What the offer comes to now, and what the peer's runs do, since a cursor. Where nothing is
    new it answers within `wait_s`."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    peer = await context.peers.peer(request)
    return _answer(await offering.sight(context, peer, pool, cursor=cursor, wait_s=wait_s))


@router.put(
    "/v1/peer/offers/{pool}/runs/{run}",
    responses=documented(
        200,
        Settled,
        examples.SETTLED,
        *_CODES,
        "not_found",
        "way_refused",
        "offer_closed",
        "superseded",
        "content_missing",
        "over_pending_limit",
        "conflict",
        "store_full",
        "store_read_only",
    ),
    openapi_extra=json_body("Forward", examples.FORWARD, "peer"),
)
async def forward_run(request: Request, pool: str, run: str) -> Response:
    """Start a run: it becomes a job here, once, however often this is asked."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    peer = await context.peers.peer(request)
    asked = _read(await request.body(), Forward)
    if asked.launch.run != run:
        raise InputError("the launch is of another run", where="launch.run", mend="name it alike")
    made = await offering.forward(context, peer, pool, asked=asked)
    return _answer(Settled(made.run, made.turn))


@router.post(
    "/v1/peer/content/missing",
    responses=documented(200, MissingView, examples.MISSING, *_CODES),
    openapi_extra=json_body("ContentAsked", examples.CONTENT_ASKED, "peer"),
)
async def find_missing_content(request: Request) -> Response:
    """Which of the contents that runs bring are not here whole, each with how much of it is."""
    context = context_of(request)
    await context.peers.peer(request)
    asked = await read_json(request, ContentAsked)
    return _answer(MissingView(dict(await context.content.missing(asked.digests))))


@router.post(
    "/v1/peer/content",
    responses=documented(200, dict[str, str], examples.SENT, *_CODES, "content_full"),
    openapi_extra={**PIECES, "x-suan-scope": "peer"},
)
async def put_content_of_peer(request: Request) -> Response:
    """Send pieces of contents that runs bring, as to `POST /v1/content`."""
    context = context_of(request)
    await context.peers.peer(request)
    await take(request, context.content)
    return _answer({"content": "kept"})


@router.post(
    "/v1/peer/runs/{run}/find",
    responses=documented(200, Settled, examples.SETTLED, *_CODES),
)
async def find_run(request: Request, run: str) -> Response:
    """Whether a run is here. If not, no launch of an earlier turn will make it so."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    peer = await context.peers.peer(request)
    known = await context.store.peers.seek(ForwardedRun(peer.name, RunId(run), PoolName("")))
    if known.job is None:
        return _answer(Settled(None, known.turn))
    seen = await _mirrored(context, peer, run)
    waiting = await _why(context, seen)
    return _answer(Settled(known.run, known.turn, offering.report(seen), waiting))


@router.post(
    "/v1/peer/runs/{run}/end",
    responses=documented(200, dict[str, str], examples.ENDING, *_CODES),
    openapi_extra=json_body("EndRun", examples.END_RUN, "peer"),
)
async def end_run(request: Request, run: str) -> Response:
    """End a run, or see to it that it never starts. One that has ended stays as it is."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    peer = await context.peers.peer(request)
    how = _read(await request.body(), EndRun)
    if how.signal not in CHECKPOINT_SIGNALS or how.grace < 0:
        known = ", ".join(CHECKPOINT_SIGNALS)
        raise InputError("no such signal, or no grace", where="signal", mend=f"use one of {known}")
    await offering.end(context, peer, RunId(run), how=how)
    return _answer({"run": run, "asked": "end"})


@router.get("/v1/peer/runs/{run}/log", responses=_LOG, response_class=AnyResponse)
async def read_run_log(
    request: Request,
    run: str,
    task: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    stream: Annotated[Literal["stdout", "stderr"], Query()] = "stdout",
    *,
    offset: Annotated[int, Query(ge=-(2**53), le=2**53)] = 0,
    limit: Annotated[int, Query(ge=0, le=MOST_OF_A_LOG)] = MOST_OF_A_LOG,
) -> Response:
    """A piece of a task's output. A negative offset counts from the end."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    seen = await _mirrored(context, await context.peers.peer(request), run)
    if task >= len(seen.forwarded.nodes):
        raise InputError(f"the run has no task {task}", where="query.task", mend="count from 0")
    if seen.last is None:
        chunk = LogChunk(b"", max(0, offset), end=seen.state.final)
    else:
        chunk = await context.live.read_log(
            seen.last, task=task, stream=stream, offset=offset, limit=limit
        )
    told = {NEXT_HEADER: str(chunk.next_offset), END_HEADER: str(int(chunk.end))}
    headers = {**_HEADERS, **told, "Cache-Control": "no-store"}
    return Response(chunk.data, headers=headers, media_type="application/octet-stream")


@router.get(
    "/v1/peer/runs/{run}/outputs",
    responses=documented(200, list[OutputFile], examples.LEFT, *_READING),
)
async def list_run_outputs(request: Request, run: str) -> Response:
    """The files that a run has left so far."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    seen = await _mirrored(context, await context.peers.peer(request), run)
    return _answer(await context.live.list_outputs(seen.last) if seen.last is not None else ())


@router.get("/v1/peer/runs/{run}/output", responses=_BYTES, response_class=AnyResponse)
async def read_run_output(
    request: Request,
    run: str,
    path: Annotated[str, Query(max_length=4096)],
    *,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=0, le=MOST_OF_A_LOG)] = MOST_OF_A_LOG,
) -> Response:
    """Bytes of one of them; none at its end."""
    context = context_of(request)
    if passed := await to_leader(context, request):
        return passed
    seen = await _mirrored(context, await context.peers.peer(request), run)
    if seen.last is None:
        raise NotFound(f"run {run} has left nothing", where="run", mend="wait until it has begun")
    data = await context.live.read_output(seen.last, path, offset=offset, limit=limit)
    headers = {**_HEADERS, "Cache-Control": "no-store"}
    return Response(data, headers=headers, media_type="application/octet-stream")


async def _mirrored(context: ApiContext, peer: Peer, run: str) -> Mirrored:
    seen = await context.store.peers.one(peer.name, RunId(run))
    if seen is None:
        detail = f"run {run[:80]!r} of {peer.name} never came, so it has no logs"
        raise NotFound(detail, where="run", mend="see whether it was launched")
    return seen


async def _why(context: ApiContext, seen: Mirrored) -> str:
    """Why a run has not started, in this platform's words."""
    if seen.state is not JobState.PENDING or seen.forwarded.job is None:
        return ""
    job = await context.store.get(seen.forwarded.job)
    return (await explain(context, job)).summary if job is not None else ""


def _answer(view: Any) -> Response:
    return answer(view, headers=_HEADERS)


def _read(body: bytes, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body is none: {error}", where="body", mend="upgrade suan") from None
