"""Content that jobs bring: which of it is here, taking more of it, giving it back."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from suan.api import examples
from suan.api.answers import answer, documented, problems
from suan.api.auth import Submitter
from suan.api.body import content_type, read_json
from suan.api.openapi import json_body
from suan.api.problems import ContentFull, MalformedBody
from suan.api.requests import ContentAsked, FetchRequest
from suan.api.services import context_of
from suan.content import frames
from suan.content.cache import Broken, Full
from suan.content.kept import Kept
from suan.content.manifest import is_digest
from suan.model.errors import InputError, NotFound, PoolRejected
from suan.model.views import FetchView, MissingView

router = APIRouter(tags=["content"])
OCTETS = "application/octet-stream"
MOST_READ = 8 << 20
PIECES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            OCTETS: {"schema": {"type": "string", "format": "binary"}, "example": examples.PIECE}
        },
    },
    "x-suan-scope": "submitter",
}
_GIVEN: dict[int | str, dict[str, Any]] = {
    **problems("not_found"),
    200: {
        "description": "Bytes of the content; none beyond its end. `X-Suan-Size` is its size.",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    },
}


@router.post(
    "/v1/content/missing",
    responses=documented(200, MissingView, examples.MISSING),
    openapi_extra=json_body("ContentAsked", examples.CONTENT_ASKED, "submitter"),
)
async def find_missing(request: Request, _: Submitter) -> Response:
    """Which contents are not here whole, each with how many of its first bytes are."""
    asked = await read_json(request, ContentAsked)
    return answer(MissingView(dict(await context_of(request).content.missing(asked.digests))))


@router.post(
    "/v1/content",
    status_code=204,
    responses={**problems("content_full"), 204: {"description": "Kept"}},
    openapi_extra=PIECES,
)
async def put_content(request: Request, _: Submitter) -> Response:
    """Send pieces of contents: for each a line `DIGEST OFFSET LENGTH SIZE`, then its bytes. A piece
    that the server has is no error; with its last one a content is checked against its digest."""
    await take(request, context_of(request).content)
    return Response(status_code=204)


async def take(request: Request, content: Kept) -> None:
    """Keep the pieces that a request's body holds.

    Raises:
        InputError: they are none, or not those of a content with such a digest.
        ContentFull: there is no room for them.
    """
    content_type(request, OCTETS)
    body = await request.body()
    try:
        await content.put(frames.decode(body))
    except ValueError as error:
        mend = "send a line DIGEST OFFSET LENGTH SIZE before each piece"
        raise MalformedBody(str(error), where="body", mend=mend) from None
    except Broken as error:
        mend = "ask what is missing, and send it from there; files must not change meanwhile"
        raise InputError(str(error), where="body", mend=mend) from None
    except Full as error:
        raise ContentFull(str(error)) from None


@router.post(
    "/v1/content/fetch",
    responses=documented(
        200,
        FetchView,
        examples.FETCH,
        "content_full",
        also={202: "It goes on; ask again"},
    ),
    openapi_extra=json_body("FetchRequest", examples.FETCH_REQUEST, "submitter"),
)
async def fetch_content(request: Request, _: Submitter) -> Response:
    """Have the server fetch what a URL stands for, or ask how far it is; answered in a second."""
    asked = await read_json(request, FetchRequest)
    try:
        fetch = await context_of(request).fetcher.ask(asked.url)
    except Full as error:
        raise ContentFull(str(error)) from None
    view = FetchView(fetch.url, fetch.done, fetch.size, fetch.digest)
    return answer(view, 200 if fetch.digest else 202)


@router.get("/v1/content/{digest}", responses=_GIVEN, response_class=Response)
async def get_content(
    request: Request,
    _: Submitter,
    digest: str,
    offset: Annotated[int, Query(ge=0, le=2**53, description="the first byte")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_READ, description="at most so many")] = MOST_READ,
) -> Response:
    """Bytes of a content, by the SHA-256 of the whole."""
    content = context_of(request).content
    try:
        if not is_digest(digest):
            raise PoolRejected(f"{digest[:80]!r} is not a SHA-256 in hexadecimal")
        size = await content.size(digest)
        data = await content.read(digest, offset, limit)
    except PoolRejected as error:
        raise NotFound(str(error), where="digest", mend=error.mend) from None
    return Response(data, headers={"X-Suan-Size": str(size)}, media_type=OCTETS)
