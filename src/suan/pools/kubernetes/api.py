"""Talking to an API server: few requests, in Kubernetes' own words, with what a failure means."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import httpx
import msgspec

from suan.model.errors import (
    PoolAuthError,
    PoolError,
    PoolOutcomeUnknown,
    PoolRejected,
    PoolUnavailable,
)
from suan.pools.kubernetes.connecting import Connections
from suan.pools.kubernetes.kubeconfig import Access
from suan.pools.kubernetes.objects import Change, Page, Status

T = TypeVar("T")
Params = Mapping[str, str]

PAGE = 500
OPENED = "OPENED"  # what a watch says first, of itself
_CONNECTIONS = 64
_CONNECT_S = 10.0
_ANSWER_S = 30.0
_SILENCE_S = 60.0  # of a watch: then it is opened anew, which shows whether the server is there
_MERGE = "application/merge-patch+json"
_JSON = "application/json"
_TRANSIENT = {429, 500, 502, 503, 504}


class Gone(Exception):
    """A watch cannot go on from where it was: list again."""


class ApiServer:
    """One API server. Belongs to one event loop."""

    def __init__(self, access: Access) -> None:
        self.access = access
        timeout = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
        self._client = httpx.AsyncClient(
            base_url=access.server,
            verify=access.trust,
            proxy=access.proxy,
            timeout=timeout,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=_CONNECTIONS),
            trust_env=access.proxy is None,
        )
        self._connections = Connections()
        self._extensions: dict[str, Any] = {}
        if access.server_name:
            self._extensions["sni_hostname"] = access.server_name

    async def get(self, path: str, kind: type[T], **params: str) -> T | None:
        """An object, or ``None`` where there is none.

        Raises:
            PoolError: as everything here.
        """
        response = await self._send("GET", path, params=params)
        if response.status_code == 404:
            return None
        return _decoded(self.checked(response), kind)

    async def create(self, path: str, body: Mapping[str, Any], kind: type[T]) -> T | None:
        """Make an object; ``None`` if there is one of that name already."""
        response = await self._send("POST", path, body=body)
        if response.status_code == 409 and _status(response).reason == "AlreadyExists":
            return None
        return _decoded(self.checked(response), kind)

    async def patch(self, path: str, body: Mapping[str, Any], kind: type[T]) -> T | None:
        """Change what ``body`` names of an object; ``None`` where there is none."""
        response = await self._send("PATCH", path, body=body, form=_MERGE)
        if response.status_code == 404:
            return None
        return _decoded(self.checked(response), kind)

    async def delete(self, path: str, *, grace_s: int | None = None, uid: str = "") -> None:
        """Take an object away, and what it owns with it. Absent is success."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if grace_s is not None:
            body["gracePeriodSeconds"] = grace_s
        if uid:
            body["preconditions"] = {"uid": uid}
        response = await self._send("DELETE", path, body=body)
        if response.status_code not in (404, 409):
            self.checked(response)

    async def review(self, body: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Ask the server's opinion, by an object that is answered and not kept."""
        response = await self._send("POST", path, body=body)
        return _decoded(self.checked(response), dict[str, Any])

    async def pass_on(
        self, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Have the server pass a request on (``pods/proxy``): GET without a content, else POST."""
        method = "GET" if content is None else "POST"
        return await self._send(method, path, content=content, headers=headers)

    async def list(self, path: str, kind: type[T], **params: str) -> tuple[list[T], str]:
        """Every object, in pages, and from where to watch them."""
        found: list[T] = []
        following = {**params, "limit": str(PAGE)}
        while True:
            response = await self._send("GET", path, params=following)
            if response.status_code == 410:  # the pages took so long that the next is forgotten
                found, following = [], dict(params)
                continue
            page: Page[T] = _decoded(self.checked(response), Page[kind])  # type: ignore[valid-type] # it is one at run time
            found.extend(page.items or ())
            if not page.metadata.continue_:
                return found, page.metadata.resource_version
            following["continue"] = page.metadata.continue_

    async def watch(self, path: str, since: str, **params: str) -> AsyncGenerator[Change, None]:
        """What changes, from a version on, until the server ends it or has been silent for so long
        that it may be gone. It may just as well have nothing to say: bookmarks are not promised.

        Raises:
            Gone: that version is forgotten.
        """
        asked = {
            **params, "watch": "1", "allowWatchBookmarks": "1", "resourceVersion": since,
            "timeoutSeconds": "300",
        }  # fmt: skip
        decode = msgspec.json.Decoder(Change).decode
        async with self.stream(path, asked, silence_s=_SILENCE_S) as response:
            if response.status_code == 410:
                raise Gone
            await self.judge(response)
            yield Change(OPENED, msgspec.Raw(b"{}"))
            rest = b""
            with suppress(httpx.ReadTimeout):
                async for data in response.aiter_raw():
                    *lines, rest = (rest + data).split(b"\n")
                    for line in filter(None, lines):
                        yield decode(line)

    async def judge(self, response: httpx.Response) -> None:
        """Raises:
        PoolError: it is no good answer; what that means.
        """
        if response.status_code != 200:
            await response.aread()
            self.checked(response)

    @asynccontextmanager
    async def stream(
        self, path: str, params: Params, *, silence_s: float
    ) -> AsyncIterator[httpx.Response]:
        """An answer that comes bit by bit."""
        request = await self._request("GET", path, params=params)
        request.extensions["timeout"] = httpx.Timeout(silence_s, connect=_CONNECT_S).as_dict()
        try:
            response = await self._client.send(request, stream=True)
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise self._fault(error, "GET") from error
        try:
            yield response
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise self._fault(error, "GET") from error
        finally:
            await response.aclose()

    async def close(self) -> None:
        await self._client.aclose()
        await self._connections.close()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        form: str = _JSON,
        **raw: Any,
    ) -> httpx.Request:
        """``raw``: a ``content`` that is no JSON, and further ``headers``."""
        headers = {"Accept": _JSON, **raw.get("headers", {})}
        token = await self.access.tokens.header()
        if token is not None:
            headers["Authorization"] = token
        content = raw.get("content")
        if body is not None:
            content = msgspec.json.encode(body)
            headers["Content-Type"] = form
        return self._client.build_request(
            method, path, params=dict(params or {}), content=content, headers=headers,
            extensions=self._extensions | {"trace": self._connections.trace()},
        )  # fmt: skip

    async def _send(self, method: str, path: str, **what: Any) -> httpx.Response:
        for again in (True, False):
            request = await self._request(method, path, **what)
            try:
                response = await self._client.send(request)
            except (httpx.HTTPError, ssl.SSLError) as error:
                raise self._fault(error, method) from error
            if response.status_code != 401 or not (again and self.access.tokens.refused()):
                return response
        raise AssertionError("the second answer was returned")

    def checked(self, response: httpx.Response) -> bytes:
        """The content of a good answer; otherwise what it means."""
        code = response.status_code
        if code < 300:
            return response.content
        status = _status(response)
        said = status.message or f"{self.access.server} answered {code}"
        if code == 401:
            raise PoolAuthError(
                f"the API server did not accept {self.access.where}: {said}",
                mend="renew its token or certificate, and see whether `kubectl auth whoami` works",
            )
        if code == 403 and "exceeded quota" in said:
            raise PoolUnavailable(said, mend="wait, or have the namespace's quota raised")
        if code == 403 and ("RBAC" in said or "User " in said or "cannot" in said):
            mend = "have the role of docs/howto/join-a-kubernetes-cluster.md bound to that account"
            raise PoolAuthError(said, mend=mend)
        if code in _TRANSIENT and not (code == 500 and response.request.method != "GET"):
            raise _unless_done(response.request.method, code)(said)
        if code == 409:
            raise PoolUnavailable(said)
        if code >= 500:
            raise PoolOutcomeUnknown(said)
        raise PoolRejected(said)

    def _fault(self, error: Exception, method: str) -> PoolError:
        """What it means that no answer came."""
        server = self.access.server
        words = str(error) or type(error).__name__
        low = words.lower()
        if "certificate" in low or "tls" in low or "ssl" in low:
            mend = f"mend the certificates of {self.access.where}"
            if "expired" in low:
                mend = f"renew the certificate of {self.access.where}: it has expired"
            return PoolAuthError(f"{server}: {words}", mend=mend)
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
            mend = f"see whether the server runs, and whether {self.access.where} names it rightly"
            return PoolUnavailable(f"{server} cannot be reached: {words}", mend=mend)
        kind = PoolUnavailable if method == "GET" else PoolOutcomeUnknown
        return kind(f"{server} did not answer: {words}")


def _unless_done(method: str, code: int) -> type[PoolError]:
    """429 and 503 are said before anything is done; of a 502 or 504 nobody knows."""
    return PoolUnavailable if method == "GET" or code in (429, 503) else PoolOutcomeUnknown


def _status(response: httpx.Response) -> Status:
    try:
        return msgspec.json.decode(response.content, type=Status)
    except msgspec.DecodeError:
        return Status(message=response.text[:300])


def _decoded(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise PoolOutcomeUnknown(f"the API server's answer cannot be read: {error}") from error
