"""Who asks, and what he may: tokens, scopes, and the rule for this machine alone.

A token is ``suan_`` and 32 random bytes. The store keeps its SHA-256: with 256 random bits there
is nothing for a salt or a slow hash to protect, and looking a digest up leaks nothing of a secret
through timing that anyone could use.
"""

import base64
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from suan.api.origin import check_origin
from suan.api.problems import Forbidden, TokenExpired, TokenRevoked, Unauthenticated
from suan.model.errors import InputError
from suan.model.store import Store, Token, Tokens
from suan.model.units import Instant

SCOPES = ("viewer", "submitter", "operator", "admin")
PREFIX = "suan_"
CACHE_S = 2.0  # well inside the 5 s in which a revocation must bite
CACHE_SIZE = 1024
USER = re.compile(r"[\w][\w.@+-]{0,63}")
_MAKE_ONE = "make one with `suan token create NAME --scope SCOPE` on the server's machine"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``scope`` is the strongest thing that he may."""

    user: str
    scope: str

    def may(self, scope: str) -> bool:
        """Whether the caller's scope covers ``scope``."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A fresh token's secret."""
    return PREFIX + base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode()


def digest_of(secret: str) -> bytes:
    """What the store keeps of a secret: 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


class Gate:
    """Tells who a request comes from."""

    def __init__(
        self,
        tokens: Tokens,
        *,
        tokens_required: bool,
        hosts: tuple[str, ...],
        clock: Callable[[], Instant],
    ) -> None:
        self._tokens = tokens
        self._required = tokens_required
        self._hosts = hosts
        self._clock = clock
        self._cache: dict[bytes, tuple[Token, float]] = {}

    async def caller(self, request: Request) -> Caller:
        """Who asks.

        Raises:
            Unauthenticated: no token where one is needed, or one that is not known.
            TokenExpired: it was good until some time ago.
            TokenRevoked: it was taken back.
            Forbidden: a web page of another origin asks (only where no token is needed).
        """
        header = request.headers.get("authorization")
        if header is not None:
            token = await self._token(_bearer(header))
            return Caller(token.user, token.scope)
        if self._required:
            raise Unauthenticated(
                "this server needs a token and the request has none",
                mend=f"set SUAN_TOKEN or $SUAN_HOME/token; {_MAKE_ONE}",
            )
        check_origin(request.headers, self._hosts)
        return Caller(_stated_user(request.headers.get("x-suan-user", "local")), "admin")

    async def _token(self, secret: str) -> Token:
        digest = digest_of(secret)
        token = self._cached(digest) or await self._tokens.find(digest)
        if token is None:
            raise Unauthenticated(
                "the token is not known to this server",
                mend=f"check SUAN_TOKEN and $SUAN_HOME/token; {_MAKE_ONE}",
            )
        if token.scope not in SCOPES:
            raise Unauthenticated(
                f"the secret of {token.name} signs a peer's requests and opens nothing else",
                mend=f"keep it in the `secret_file` of a pool; {_MAKE_ONE}",
            )
        if token.revoked_at is not None:
            raise TokenRevoked(f"token {token.name!r} was revoked", mend=_MAKE_ONE)
        if token.expires_at is not None and token.expires_at <= self._clock():
            raise TokenExpired(f"token {token.name!r} has expired", mend=_MAKE_ONE)
        self._keep(digest, token)
        return token

    def _cached(self, digest: bytes) -> Token | None:
        found = self._cache.get(digest)
        return found[0] if found and found[1] > time.monotonic() else None

    def _keep(self, digest: bytes, token: Token) -> None:
        if digest not in self._cache or self._cached(digest) is None:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[digest] = (token, time.monotonic() + CACHE_S)

    def forget(self) -> None:
        """Drop what is cached: a token was just revoked here."""
        self._cache.clear()


def _bearer(header: str) -> str:
    kind, _, secret = header.partition(" ")
    secret = secret.strip()
    if kind.casefold() != "bearer" or not secret.startswith(PREFIX):
        raise Unauthenticated(
            "the Authorization header holds no suan token",
            mend=f"send `Authorization: Bearer {PREFIX}…`",
        )
    return secret


def _stated_user(name: str) -> str:
    if not USER.fullmatch(name):
        raise InputError(
            f"{name[:80]!r} is not a user name",
            where="X-Suan-User",
            mend="use letters, digits and . _ @ + -, at most 64",
        )
    return name


def require(scope: str) -> Any:
    """A dependency that gives the caller, and refuses one whose scope is weaker.

    Raises:
        Forbidden: naming the scope that he has and the one that is needed.
    """

    async def dependency(request: Request) -> Caller:
        refuse_unknown_query(request)
        caller = await request.app.state.context.gate.caller(request)
        assert isinstance(caller, Caller)
        if not caller.may(scope):
            raise Forbidden(
                f"this needs the scope {scope}; the token has {caller.scope}",
                mend=f"ask an admin for a token with --scope {scope}",
            )
        return caller

    dependency.__name__ = scope
    return Depends(dependency)


Viewer = Annotated[Caller, require("viewer")]
Submitter = Annotated[Caller, require("submitter")]
Operator = Annotated[Caller, require("operator")]
Admin = Annotated[Caller, require("admin")]


async def bootstrap_token(
    store: Store, now: Instant, random_bytes: Callable[[int], bytes]
) -> str | None:
    """Make the first admin token, where there is no usable one; its secret, or ``None``.

    For a server that needs tokens and has none: it prints the secret once, at its start.
    """
    for token in await store.tokens.list():
        expired = token.expires_at is not None and token.expires_at <= now
        if token.scope == "admin" and token.revoked_at is None and not expired:
            return None
    secret = new_secret(random_bytes)
    token = Token(
        id=token_id(random_bytes), name="bootstrap", scope="admin", user="admin", created_at=now
    )
    await store.tokens.create(token, digest_of(secret))
    return secret


def token_id(random_bytes: Callable[[int], bytes]) -> str:
    """An id to name a token by; it opens nothing."""
    return f"t{random_bytes(6).hex()}"


def refuse_unknown_query(request: Request) -> None:
    """Refuse a query parameter that the route does not know: a typing error would widen a filter.

    Raises:
        InputError: naming the parameter and those that there are.
    """
    if not request.scope["query_string"]:
        return
    known = _query_names(request.scope["route"].dependant)
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise InputError(
                f"there is no query parameter {name[:80]!r}",
                where=f"query.{name[:80]}",
                mend=f"use {', '.join(known)}" if known else "leave it out",
            )
        if "\0" in value:
            raise InputError("a NUL character", where=f"query.{name}", mend="leave it out")


def _query_names(dependant: Any) -> list[str]:
    own = [each.alias for each in dependant.query_params]
    return own + [name for each in dependant.dependencies for name in _query_names(each)]
