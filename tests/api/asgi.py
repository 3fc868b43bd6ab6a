"""Asks the application directly, and sees its answer piece by piece, as a socket would carry it.

httpx's own transport collects the whole answer first, which no test of a stream can use.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message


class Stream:
    """One request in progress."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.gone = asyncio.Event()  # set it, and the client has gone away
        self._messages: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        self._asked = False

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self._messages.put(message)

    async def start(self) -> None:
        message = await asyncio.wait_for(self._messages.get(), 20)
        self.status = message["status"]
        self.headers = {k.decode(): v.decode() for k, v in message["headers"]}

    async def piece(self) -> bytes | None:
        """The next bytes that are not empty; ``None`` at the end."""
        while True:
            message = await asyncio.wait_for(self._messages.get(), 20)
            if not message.get("more_body"):
                return message.get("body") or None
            if message["body"]:
                return bytes(message["body"])

    async def until(self, wanted: bytes) -> bytes:
        """Everything up to the piece with which ``wanted`` has come."""
        seen = b""
        while wanted not in seen:
            piece = await self.piece()
            assert piece is not None, f"it ended after {seen!r}"
            seen += piece
        return seen

    async def rest(self) -> bytes:
        pieces = []
        while (piece := await self.piece()) is not None:
            pieces.append(piece)
        return b"".join(pieces)


@asynccontextmanager
async def stream(app: ASGIApp, target: str, **headers: str) -> AsyncIterator[Stream]:
    """GET ``target``; at the end the client goes away, and the application must let go."""
    path, _, query = target.partition("?")
    sent = {"host": "127.0.0.1", **{k.replace("_", "-"): v for k, v in headers.items()}}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.encode(), v.encode()) for k, v in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 7826),
    }
    open_ = Stream()
    served = asyncio.create_task(app(scope, open_.receive, open_.send))
    try:
        await open_.start()
        yield open_
    finally:
        open_.gone.set()
        done, _ = await asyncio.wait({served}, timeout=5)
        assert done, "the application went on after its client had gone"
