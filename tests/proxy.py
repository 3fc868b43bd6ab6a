"""A line between two servers that a test can break: a TCP proxy in the test's own event loop."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class Proxy:
    """Passes bytes on to ``upstream``. ``mode`` holds for requests that begin from now on:

    ``pass``        as they come
    ``lose_answer`` the request arrives whole, and the line breaks before its answer does
    ``hold``        the line breaks before the request arrives; ``deliver`` sends it on later
    ``cut``         the line breaks at once

    A request that holds the bytes ``stalls``, if there are any, gets no answer until ``go_on``.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.mode = "pass"
        self.held: list[bytes] = []
        self.url = ""
        self.stalls = b""
        self.stalled = 0
        self._going = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def deliver(self) -> list[bytes]:
        """Send on what was held; the answers' first lines."""
        held, self.held = self.held, []
        return [await self._send(request) for request in held]

    def go_on(self) -> None:
        """Answer what stalled, and stall no more."""
        self.stalls = b""
        self._going.set()

    def break_lines(self) -> None:
        """Break every line that is open."""
        for writer in tuple(self._open):
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (request := await _request(reader)) is not None:
                if not await self._pass(request, writer):
                    break
        except OSError:
            pass  # the line is broken, as it may be
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass(self, request: bytes, writer: asyncio.StreamWriter) -> bool:
        mode = self.mode
        if self.stalls and self.stalls in request:
            self.stalled += 1
            await self._going.wait()
        if mode == "hold":
            self.held.append(request)
        if mode in ("hold", "cut"):
            return False
        parts = urlsplit(self.upstream)
        theirs, ours = await asyncio.open_connection(parts.hostname, parts.port)
        ours.write(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        try:
            while chunk := await theirs.read(65536):
                if mode == "lose_answer":
                    return False
                writer.write(chunk)
                await writer.drain()
        finally:
            ours.close()
        return False

    async def _send(self, request: bytes) -> bytes:
        parts = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(request)
        line = await reader.readline()
        writer.close()
        return line


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    """One request, whole; ``None`` at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        return head + await reader.readexactly(int(found[1]) if found else 0)
    except asyncio.IncompleteReadError:
        return None


@asynccontextmanager
async def proxy(upstream: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """A proxy on a free port, closed at the end; with ``tls`` it is reached by HTTPS."""
    made = Proxy(upstream)
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    made.url = f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listener.close()
        made.go_on()
        made.break_lines()
