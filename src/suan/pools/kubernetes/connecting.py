"""The connections to an API server, so that none stays open when the pool is closed.

httpcore loses connections where a request is cancelled: in its TLS handshake, and while it closes
others that are idle for too long (its shield is against anyio's cancellation, not asyncio's). A
request's ``trace`` extension sees each that is made.
"""

import asyncio
import contextlib
from typing import Any, Protocol

_CONNECTED = ".connect_tcp.complete"
_NOT_SECURED = ".start_tls.failed"


class _Stream(Protocol):
    async def aclose(self) -> None: ...
    def get_extra_info(self, info: str) -> Any: ...


class Connections:
    """Every connection of one client that may be open."""

    def __init__(self) -> None:
        self._made: set[_Stream] = set()

    def trace(self) -> "Connecting":
        """The ``trace`` of a request."""
        return Connecting(self)

    def add(self, stream: _Stream) -> None:
        """One was made."""
        self._made = {each for each in self._made if _is_open(each)} | {stream}

    async def close(self) -> None:
        """Close those that the client has lost, too."""
        for each in self._made:
            await _close(each)
        self._made.clear()
        for _ in range(2):  # until the loop has closed the sockets
            await asyncio.sleep(0)


class Connecting:
    """One request's ``trace``: called by httpcore with each step's name and what it came to."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._made: _Stream | None = None

    async def __call__(self, step: str, told: dict[str, Any]) -> None:
        if step.endswith(_CONNECTED):
            stream: _Stream = told["return_value"]
            self._made = stream
            self._connections.add(stream)
        elif step.endswith(_NOT_SECURED) and self._made is not None:
            await _close(self._made)


async def _close(stream: _Stream) -> None:
    with contextlib.suppress(OSError):
        await stream.aclose()


def _is_open(stream: _Stream) -> bool:
    try:
        return bool(stream.get_extra_info("socket").fileno() >= 0)
    except (AttributeError, ValueError):  # what becomes of asking uvloop for one that is closed
        return False
