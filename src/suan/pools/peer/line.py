"""The line to a peer: signed requests, and what each answer, or none, means for the caller."""

import secrets
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from suan.model.errors import (
    PoolAuthError,
    PoolError,
    PoolOutcomeUnknown,
    PoolRejected,
    PoolUnavailable,
)
from suan.model.views import Problem
from suan.peering.protocol import VERSION, VERSION_HEADER
from suan.peering.signing import Asked, Seal, key_of, sign

T = TypeVar("T")

TIMEOUT_S = 30.0
CONNECT_S = 10.0
CONNECTIONS = 64
_REFUSED = {
    "way_refused": PoolRejected,
    "invalid_input": PoolRejected,
    "too_large": PoolRejected,
    "pool_rejected": PoolRejected,
    "pool_unavailable": PoolUnavailable,
    "content_missing": PoolUnavailable,
    "content_full": PoolUnavailable,
    "offer_closed": PoolUnavailable,
    "over_pending_limit": PoolUnavailable,
    "peer_version": PoolUnavailable,
    "not_found": PoolUnavailable,
    "method_not_allowed": PoolUnavailable,
    "superseded": PoolOutcomeUnknown,
}


@dataclass(frozen=True, slots=True)
class Way:
    """How a peer is reached, and who asks."""

    url: str
    token: str
    secret_file: Path
    ca: Path | None = None


class Line:
    """Asks one peer. Belongs to one event loop from its first call."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._key: bytes | None = None
        self._http: httpx.AsyncClient | None = None

    @property
    def url(self) -> str:
        return self._way.url

    async def ask(
        self, method: str, path: str, *, body: object = None, wait_s: float = 0.0
    ) -> httpx.Response:
        """A good answer. ``path`` has its query; a ``body`` of bytes is sent as it is, any other as
        JSON; ``wait_s`` is how long the peer may take.

        Raises:
            PoolUnavailable: nothing was applied; what to mend, where that is known.
            PoolRejected: refused for good.
            PoolOutcomeUnknown: the request may have been applied.
            PoolAuthError: the peer does not know us.
        """
        plain = isinstance(body, bytes)
        content = body if isinstance(body, bytes) else b""
        if body is not None and not plain:
            content = msgspec.json.encode(body)
        kind = "application/octet-stream" if plain else "application/json"
        headers = {"content-type": kind, **self._signed(method, path, content)}
        timeout = httpx.Timeout(TIMEOUT_S + wait_s, connect=CONNECT_S)
        try:
            answer = await self._client().request(
                method, self._way.url + path, content=content, headers=headers, timeout=timeout
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _unreached(self._way.url, error) from error
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise PoolOutcomeUnknown(f"the line to {self._way.url} broke: {said}") from error
        if answer.status_code >= 300 or VERSION_HEADER not in answer.headers:
            raise _failure(self._way.url, answer)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        client, self._http = self._http, None
        if client is not None:
            await client.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            limits = httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS
            )
            local = urlsplit(self._way.url).hostname in ("127.0.0.1", "localhost", "::1")
            self._http = httpx.AsyncClient(verify=self._trust(), limits=limits, trust_env=not local)
        return self._http

    def _trust(self) -> ssl.SSLContext | bool:
        if self._way.ca is None:
            return True
        try:
            return ssl.create_default_context(cafile=self._way.ca)
        except (OSError, ssl.SSLError) as error:
            raise PoolAuthError(
                f"the certificates in {self._way.ca} cannot be read: {error}",
                mend="`ca` names a file of PEM certificates",
            ) from error

    def _signed(self, method: str, path: str, content: bytes) -> dict[str, str]:
        bare, _, query = path.partition("?")
        seal = Seal(self._way.token, int(time.time()), secrets.token_urlsafe(18))
        return sign(Asked(method, bare, query, content), seal, self._secret())

    def _secret(self) -> bytes:
        if self._key is None:
            path = self._way.secret_file
            try:
                text = path.read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise PoolAuthError(
                    f"the peer's secret cannot be read: {error}",
                    mend="put what `suan peer offer` showed its owner into that file, mode 0600",
                ) from error
            if path.stat().st_mode & 0o077:
                raise PoolAuthError(
                    f"others may read the peer's secret in {path}", mend=f"chmod 600 {path}"
                )
            self._key = key_of(text)
        return self._key


def read(answer: httpx.Response, wanted: type[T]) -> T:
    """An answer's body.

    Raises:
        PoolOutcomeUnknown: it is not one.
    """
    try:
        return msgspec.json.decode(answer.content, type=wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PoolOutcomeUnknown(f"the peer's answer cannot be read: {error}") from error


def _unreached(url: str, error: Exception) -> PoolError:
    said = str(error) or type(error).__name__
    if "CERTIFICATE" in said.upper():
        return PoolAuthError(
            f"{url}: {said}",
            mend="name the peer's own authority by `ca` in pools.yaml, or renew the certificate",
        )
    return PoolUnavailable(
        f"the peer at {url} cannot be reached: {said}", mend="see whether its server is up"
    )


def _failure(url: str, answer: httpx.Response) -> PoolError:
    """What an answer that is no good one means."""
    problem = _problem(answer)
    if problem is None or (problem.code == "not_found" and problem.where == ""):
        if answer.status_code >= 500:
            return PoolOutcomeUnknown(f"{url} answered {answer.status_code}")
        told = f"what answers at {url} knows no peers: it is an older suan, or another service"
        mend = f"upgrade suan there to one that speaks version {VERSION} of the peer protocol"
        return PoolUnavailable(told, mend=mend)
    said = f"{url}: {problem.detail}"
    if answer.status_code == 401:
        return PoolAuthError(said, mend=problem.mend)
    kind = _REFUSED.get(problem.code, PoolOutcomeUnknown)
    if problem.code == "not_found" and problem.where == "run":
        kind = PoolRejected
    return kind(said, mend=problem.mend)


def _problem(answer: httpx.Response) -> Problem | None:
    try:
        return msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
