"""Passes on to the leader what only the leader can answer."""

from collections.abc import AsyncIterator

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from suan.api.services import ApiContext
from suan.model.errors import NotLeader
from suan.peering import protocol, signing

HOP = "x-suan-forwarded"
_PASSED_ON = (
    "authorization",
    "content-type",
    "accept",
    "x-suan-user",
    "last-event-id",
    *signing.HEADERS,
)
_GIVEN_BACK = (
    "content-type",
    "retry-after",
    "www-authenticate",
    "x-suan-run",
    "x-suan-next-offset",
    protocol.VERSION_HEADER,
    protocol.END_HEADER,
    protocol.NEXT_HEADER,
)


async def to_leader(context: ApiContext, request: Request) -> Response | None:
    """The leader's answer, or ``None`` if this server leads and should answer itself.

    Raises:
        NotLeader: nobody leads, the leader cannot be reached, or it forwarded this to us.
    """
    status = context.live.status()
    if status.leading:
        return None
    if HOP in request.headers:
        raise NotLeader(None, message="the server that was taken for the leader does not lead")
    if not status.leader_url:
        raise NotLeader(None)
    return await _forward(status.leader_url, request)


async def _forward(leader: str, request: Request) -> Response:
    import httpx  # here, because a leader never needs it

    client = httpx.AsyncClient(timeout=httpx.Timeout(5.0, read=None), trust_env=False)
    url = f"{leader.rstrip('/')}{request.url.path}"
    headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
    passed = client.build_request(
        request.method,
        url,
        params=str(request.query_params),
        headers={**headers, HOP: "1"},
        content=await request.body(),
    )
    try:
        answer = await client.send(passed, stream=True)
    except httpx.HTTPError as error:
        await client.aclose()
        message = f"the leader at {leader} cannot be reached: {type(error).__name__}"
        raise NotLeader(None, message=message) from None

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_raw():
                yield piece
        finally:
            await answer.aclose()
            await client.aclose()

    back = {name: answer.headers[name] for name in _GIVEN_BACK if name in answer.headers}
    return StreamingResponse(pieces(), answer.status_code, headers=back)
