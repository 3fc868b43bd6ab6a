"""A stream that is left half way through ends in order, and before the client's connections do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from suan.client.aline import AsyncLine
from suan.client.discovery import Endpoint
from suan.client.follow import FollowedEvents
from suan.client.wire import AsyncStream, Reply, Request

EVENT = b'id: 1\nevent: x\ndata: {"id":1,"at":"2026-01-01T00:00:00Z","kind":"x"}\n\n'


class Sender:
    """Streams one event and then nothing; tells what was closed, in order."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    async def send(self, request: Request) -> Reply:
        raise NotImplementedError(request)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncStream]:
        try:
            yield AsyncStream(200, {}, self._chunks())
        finally:
            await asyncio.sleep(0)
            self.closed.append("stream")

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield EVENT
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed.append("sender")


async def test_a_loop_that_is_left_closes_its_stream_first() -> None:
    sender = Sender()
    line = AsyncLine(sender, Endpoint("http://127.0.0.1:1", None, "u", "test"), 1.0)
    async for event in line.followed(FollowedEvents(0)):
        assert event.kind == "x"
        break
    await line.close()
    assert sender.closed == ["stream", "sender"]
