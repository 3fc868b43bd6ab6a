"""What happens, as pages or as a stream of server-sent events."""

import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from suan.api import examples
from suan.api.answers import answer, documented, encode
from suan.api.auth import Viewer
from suan.api.logs import Pulse
from suan.api.services import ApiContext, context_of
from suan.api.views import event_view
from suan.model.errors import InputError
from suan.model.store import FeedEntry
from suan.model.views import EventView

router = APIRouter(tags=["events"])
HEARTBEAT_S = 15.0
PAGE = 1000
SSE = "text/event-stream"
_ANSWERS = documented(200, dict[str, list[EventView]], examples.EVENTS)
_ANSWERS[200]["content"][SSE] = {"schema": {"type": "string"}, "example": examples.SSE}


@router.get("/v1/events", responses=_ANSWERS)
async def read_events(
    request: Request,
    _: Viewer,
    after: Annotated[
        int, Query(ge=-1, le=2**53, description="an event's id; -1 begins with the newest")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 100,
    last_event_id: Annotated[str | None, Header(description="goes before `after`")] = None,
) -> Response:
    """Events after an id, oldest first. With `Accept: text/event-stream`, as they happen.

    A stream has no end; when it breaks, the browser's (or client's) `Last-Event-ID` resumes it.
    """
    context = context_of(request)
    start = after if last_event_id is None else _event_id(last_event_id)
    if SSE in request.headers.get("accept", ""):
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(context, start), headers=headers, media_type=SSE)
    found = await context.store.feed(start, limit)
    return answer({"events": tuple(map(event_view, found))})


def _event_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise InputError(
            f"{text[:80]!r} is not an event's id", where="Last-Event-ID", mend="send the last id"
        )
    return int(text)


async def _stream(context: ApiContext, after: int) -> AsyncIterator[bytes]:
    yield b": connected\n\n"  # so that the client knows at once, even if nothing happens
    pulse, spoke = Pulse(), time.monotonic()
    while True:
        entries = await context.store.feed(after, PAGE)
        if entries:
            after = entries[-1].id
            yield b"".join(map(_message, entries))
            pulse.reset()
            spoke = time.monotonic()
            continue
        if time.monotonic() - spoke >= HEARTBEAT_S:
            yield b": alive\n\n"
            spoke = time.monotonic()
        await pulse.wait()


def _message(entry: FeedEntry) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (
        entry.id,
        entry.kind.encode(),
        encode(event_view(entry)),
    )
