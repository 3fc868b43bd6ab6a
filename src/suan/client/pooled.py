"""Senders over httpx: connections are kept and shared, proxies are honoured."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx

from suan.client import plain
from suan.client.discovery import LOOPBACK
from suan.client.errors import ServerUnreachable
from suan.client.wire import AsyncStream, Reply, Request, Stream

CONNECTIONS = 100
# This machine is never reached through a proxy, whatever the environment says of others.
_DIRECT = [f"all://{f'[{host}]' if ':' in host else host}" for host in LOOPBACK]


class PooledSender:
    """Blocking; one may be shared between threads."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._http = httpx.Client(
            timeout=timeout_s, limits=_limits(), mounts=dict.fromkeys(_DIRECT)
        )

    def send(self, request: Request) -> Reply:
        with _told(request.url, self._timeout_s):
            answer = self._http.send(_built(self._http, request))
        return Reply(answer.status_code, answer.headers, answer.content)

    @contextmanager
    def stream(self, request: Request) -> Iterator[Stream]:
        with _told(request.url, self._timeout_s):
            answer = self._http.send(_built(self._http, request), stream=True)
        try:
            yield Stream(answer.status_code, answer.headers, self._chunks(answer, request.url))
        finally:
            answer.close()

    def close(self) -> None:
        self._http.close()

    def _chunks(self, answer: httpx.Response, url: str) -> Iterator[bytes]:
        with _told(url, self._timeout_s):
            yield from answer.iter_bytes()


class AsyncPooledSender:
    """For one event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._http = httpx.AsyncClient(
            timeout=timeout_s, limits=_limits(), mounts=dict.fromkeys(_DIRECT)
        )

    async def send(self, request: Request) -> Reply:
        with _told(request.url, self._timeout_s):
            answer = await self._http.send(_built(self._http, request))
        return Reply(answer.status_code, answer.headers, answer.content)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncStream]:
        with _told(request.url, self._timeout_s):
            answer = await self._http.send(_built(self._http, request), stream=True)
        try:
            chunks = self._chunks(answer, request.url)
            yield AsyncStream(answer.status_code, answer.headers, chunks)
        finally:
            await answer.aclose()

    async def close(self) -> None:
        await self._http.aclose()

    async def _chunks(self, answer: httpx.Response, url: str) -> AsyncIterator[bytes]:
        with _told(url, self._timeout_s):
            async for chunk in answer.aiter_bytes():
                yield chunk


def _limits() -> httpx.Limits:
    return httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)


def _built(http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    return http.build_request(
        request.method, request.url, headers=request.headers, content=request.content
    )


@contextmanager
def _told(url: str, timeout_s: float) -> Iterator[None]:
    """Turn what httpx raises into one exception that says what is known."""
    try:
        yield
    except httpx.ConnectError as error:
        raise _unconnected(url, error) from error
    except httpx.TimeoutException as error:
        raise plain.timed_out(url, timeout_s) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise plain.broken(url, error) from error


def _unconnected(url: str, error: BaseException) -> ServerUnreachable:
    """Which failure to connect it was; httpx keeps the system's own word at the chain's end."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return plain.unknown_host(url)
        if isinstance(cause, ConnectionRefusedError):
            return plain.refused(url)
        cause = cause.__cause__ or cause.__context__
    if "All connection attempts failed" in str(error):  # anyio drops the cause of several
        return plain.refused(url)
    return plain.broken(url, Exception(str(error)))
