"""A request and its answer, as values: what the senders carry."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlencode

from suan import __version__
from suan.client.discovery import Endpoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whole. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One thing to ask of the API, and how its answer is read.

    ``repeatable`` says that doing it twice is the same as doing it once.
    """

    method: str
    path: str
    decode: Callable[[Reply], T]
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None


def request(call: Call[T], endpoint: Endpoint) -> Request:
    """The request that a call is, to this server, as this user."""
    headers = {
        "Accept": "application/json",
        "User-Agent": f"suan/{__version__}",
        "X-Suan-User": endpoint.user,
    }
    if endpoint.token:
        headers["Authorization"] = f"Bearer {endpoint.token}"
    headers.update(call.headers)
    query = "?" + urlencode(call.query) if call.query else ""
    return Request(call.method, endpoint.url + call.path + query, headers, call.content)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body comes piece by piece."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class AsyncStream:
    """An answer whose body comes piece by piece."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Sender(Protocol):
    """Carries requests. Any failure to carry one is a ``ServerUnreachable``."""

    def send(self, request: Request) -> Reply: ...

    def stream(self, request: Request) -> AbstractContextManager[Stream]: ...

    def close(self) -> None: ...


class AsyncSender(Protocol):
    """Carries requests. Any failure to carry one is a ``ServerUnreachable``."""

    async def send(self, request: Request) -> Reply: ...

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncStream]: ...

    async def close(self) -> None: ...
