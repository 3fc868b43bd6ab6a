"""The line to a server for an event loop: ``line`` with ``await``."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from suan.client import retry
from suan.client.bringing import Asking
from suan.client.decode import failure
from suan.client.discovery import Endpoint
from suan.client.follow import Followed
from suan.client.line import stream_ended
from suan.client.wire import AsyncSender, AsyncStream, Call, request
from suan.model.errors import SuanError

T = TypeVar("T")
CLOSE_S = 0.5  # how long a stream may take to end when the client is closed


def _next(asking: Asking[Any], answer: Any) -> tuple[bool, Any]:
    """Whether it has ended, with its result; or its next call."""
    try:
        return False, asking.send(answer)
    except StopIteration as done:
        return True, done.value


class AsyncLine:
    """Makes calls to one server as one user."""

    def __init__(self, sender: AsyncSender, endpoint: Endpoint, patience_s: float) -> None:
        self._sender = sender
        self._endpoint = endpoint
        self._patience_s = patience_s
        self._streams = 0
        self._quiet = asyncio.Event()  # no stream is open

    async def close(self) -> None:
        """Close the connections; a stream that a loop has just left ends first."""
        if self._streams:
            with suppress(TimeoutError):  # somebody still holds it
                await asyncio.wait_for(self._quiet.wait(), CLOSE_S)
        await self._sender.close()

    async def do(self, call: Call[T]) -> T:
        """Make a call, again where that is safe and may help."""
        attempt = 0
        while True:
            try:
                return call.decode(await self._sender.send(request(call, self._endpoint)))
            except SuanError as error:
                pause = retry.pause(call, error, attempt)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            attempt += 1

    async def patiently(self, call: Call[T]) -> T:
        """Make a call, outlasting a restart of the server."""
        patience = retry.Patience(self._patience_s)
        while True:
            try:
                return await self.do(call)
            except SuanError as error:
                pause = patience.pause(error, time.monotonic())
            await asyncio.sleep(pause)

    async def asked(self, asking: Asking[T]) -> T:
        """Make the calls that it wants, outlasting a restart of the server; gives its result."""
        answer: Any = None
        make = self.do  # the first: whether there is a server is told at once
        while True:  # it reads and hashes files between the calls: in a thread
            ended, found = await asyncio.to_thread(_next, asking, answer)
            if ended:
                result: T = found
                return result
            answer, make = await make(found), self.patiently

    @asynccontextmanager
    async def open(self, call: Call[None]) -> AsyncIterator[AsyncStream]:
        """Make a call whose answer is read piece by piece."""
        self._streams += 1
        self._quiet.clear()
        try:
            async with self._sender.stream(request(call, self._endpoint)) as stream:
                if stream.status >= 300:
                    body = b"".join([chunk async for chunk in stream.chunks])
                    raise failure(stream.status, stream.headers, body)
                yield stream
        finally:
            self._streams -= 1
            if not self._streams:
                self._quiet.set()

    async def followed(self, source: Followed[T]) -> AsyncIterator[T]:
        """A stream that goes on where it was when its connection breaks."""
        patience = retry.Patience(self._patience_s)
        while True:
            try:
                async with self.open(source.call) as stream:
                    patience.opened(time.monotonic())
                    async for chunk in stream.chunks:
                        patience.renew()
                        for item in source.take(chunk):
                            yield item
                if not source.endless:
                    return
                ended: SuanError = stream_ended(self._endpoint)
            except SuanError as error:
                ended = error
            await asyncio.sleep(patience.pause(ended, time.monotonic()))
