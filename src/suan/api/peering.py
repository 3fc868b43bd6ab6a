"""Which peer asks: the signature of a request, its date, and that it was not heard before.

Every request of a peer is signed; its secret is never sent, and opens nothing else here.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from suan.api.auth import refuse_unknown_query
from suan.api.problems import OtherVersion, TokenExpired, TokenRevoked, Unauthenticated
from suan.model.errors import NotFound
from suan.model.peer import PEER_SCOPE, PeerOffer
from suan.model.store import Store, Token
from suan.model.units import SECOND, Instant
from suan.peering.protocol import VERSION_HEADER, version_refused
from suan.peering.signing import WINDOW_S, Asked, Seal, seal_of, signed

MOST_NONCES = 1_000_000
_MEND = "sign as docs/explanation/peer-pool.md says; the owner's `suan peer list` names the key"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks."""

    name: str
    token: str


class PeerGate:
    """Tells which peer a request comes from. Belongs to one process: nonces of one that restarts
    are forgotten, and what a peer may ask does nothing twice."""

    def __init__(self, store: Store, clock: Callable[[], Instant]) -> None:
        self._store = store
        self._clock = clock
        self._nonces: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def peer(self, request: Request) -> Peer:
        """Who asks.

        Raises:
            OtherVersion: of the protocol; says who must upgrade.
            Unauthenticated: the request is not signed by a peer, is too old, or was heard before.
        """
        refuse_unknown_query(request)
        if wrong := version_refused(request.headers.get(VERSION_HEADER)):
            raise OtherVersion(wrong, mend="see which version each end has: `suan --version`")
        seal = seal_of(request.headers)
        if seal is None:
            raise Unauthenticated("the request is not signed as a peer signs", mend=_MEND)
        token, key = await self._token(seal)
        asked = Asked(
            request.method,
            request.scope["raw_path"].decode("latin-1"),
            request.scope["query_string"].decode("latin-1"),
            await request.body(),
        )
        if not signed(asked, request.headers, key):
            raise Unauthenticated(
                "the signature does not fit the request",
                mend="see that both ends have the same secret, and that no proxy changes the path"
                " or the body",
            )
        self._check_fresh(seal)
        return Peer(token.name, token.id)

    async def offer(self, peer: Peer, pool: str) -> PeerOffer:
        """What stands between us and a peer of one pool.

        Raises:
            NotFound: nothing.
        """
        for offer in await self._store.peers.offers():
            if (offer.peer, offer.pool) == (peer.name, pool):
                return offer
        raise NotFound(
            f"nothing of a pool {pool[:80]!r} is offered to {peer.name}",
            where="pool",
            mend="ask the owner: `suan peer list` shows him what is offered",
        )

    async def _token(self, seal: Seal) -> tuple[Token, bytes]:
        found = await self._store.tokens.key(seal.key)
        if found is None or found[0].scope != PEER_SCOPE:
            raise Unauthenticated(
                f"no peer here has the token {seal.key}", mend="ask the owner: `suan peer list`"
            )
        token = found[0]
        mend = "ask the owner for a new secret: `suan peer offer … --new-secret`"
        if token.revoked_at is not None:
            raise TokenRevoked(f"the token of {token.name} was revoked", mend=mend)
        if token.expires_at is not None and token.expires_at <= self._clock():
            raise TokenExpired(f"the token of {token.name} has expired", mend=mend)
        return found

    def _check_fresh(self, seal: Seal) -> None:
        off = seal.created - self._clock() / SECOND
        if abs(off) > WINDOW_S:
            raise Unauthenticated(
                f"the request is dated {off:+.0f} s from the clock here; {WINDOW_S} s is the most",
                mend="set both clocks by NTP",
            )
        now, name = time.monotonic(), (seal.key, seal.nonce)
        while self._nonces and next(iter(self._nonces.values())) < now:
            self._nonces.popitem(last=False)
        if name in self._nonces:
            raise Unauthenticated("the request was made before", mend="make it anew")
        if len(self._nonces) >= MOST_NONCES:
            self._nonces.popitem(last=False)
        self._nonces[name] = now + 2 * WINDOW_S
