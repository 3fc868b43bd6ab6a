"""Connections that are given up while they are made are closed.

httpcore closes a connection whose TLS handshake fails, but not one whose handshake is cancelled, as
when a pool is closed while its watches reconnect: its socket would stay open until it is garbage.
A request's ``trace`` extension sees each step, and closes what the handshake was for.
"""

import contextlib
from typing import Any, Protocol

_CONNECTED = ".connect_tcp.complete"
_NOT_SECURED = ".start_tls.failed"


class _Stream(Protocol):
    async def aclose(self) -> None: ...


class Connecting:
    """One request's ``trace``: called by httpcore with each step's name and what it came to."""

    def __init__(self) -> None:
        self._made: _Stream | None = None

    async def __call__(self, step: str, told: dict[str, Any]) -> None:
        if step.endswith(_CONNECTED):
            self._made = told["return_value"]
        elif step.endswith(_NOT_SECURED) and self._made is not None:
            with contextlib.suppress(OSError):
                await self._made.aclose()
