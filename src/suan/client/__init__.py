"""The typed Python SDK: ``suan.Client`` and ``suan.AsyncClient``.

Contract: one method for each thing the API can do, taking and giving the types of
``suan.model`` (``JobSpec`` in, ``suan.model.views`` out). What a request looks like and how an
answer is read is written once, without I/O (``calls``, ``decode``, ``retry``, ``sse``); the two
clients only send. Failures are exceptions of ``suan.client.errors``; nothing is printed, and
nothing is retried that could be done twice.

Not for: deciding anything, or reading the store. Whatever this can do, another language can do
from the OpenAPI document.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suan.client.aio import AsyncClient
    from suan.client.errors import (
        AccessDenied,
        BadReply,
        Conflict,
        ServerError,
        ServerUnreachable,
        WaitTimeout,
    )
    from suan.client.sync import Client

__all__ = [
    "AccessDenied",
    "AsyncClient",
    "BadReply",
    "Client",
    "Conflict",
    "ServerError",
    "ServerUnreachable",
    "WaitTimeout",
]


def __getattr__(name: str) -> Any:
    # On first use, so that the command line does not load asyncio and httpx for nothing.
    if name not in __all__:
        raise AttributeError(f"module 'suan.client' has no attribute {name!r}")
    from importlib import import_module

    home = {"AsyncClient": "aio", "Client": "sync"}.get(name, "errors")
    return getattr(import_module(f"suan.client.{home}"), name)
