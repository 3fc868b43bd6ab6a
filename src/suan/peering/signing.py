"""Signed requests: HTTP Message Signatures (RFC 9421) with HMAC-SHA256, over a body's digest too
(RFC 9530).

The key is the SHA-256 of the peer's secret, which is what the owner's store keeps of it; the secret
itself never travels. Of what the RFC allows this is one fixed form: both ends are suan.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from suan.peering.protocol import VERSION, VERSION_HEADER

WINDOW_S = 300  # how far a request's date may be off
HEADERS = ("signature", "signature-input", "content-digest", VERSION_HEADER)
_COMPONENTS = f'("@method" "@path" "@query" "content-digest" "{VERSION_HEADER}")'
_INPUT = re.compile(
    re.escape(f"suan={_COMPONENTS}")
    + r";created=([0-9]{1,12});nonce=\"([A-Za-z0-9_-]{16,64})\";keyid=\"([a-z0-9]{1,64})\""
    + r";alg=\"hmac-sha256\";tag=\"suan-peer\""
)
_SIGNATURE = re.compile(r"suan=:([A-Za-z0-9+/=]{1,88}):")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request is signed. ``path`` and ``query`` are as they travel, percent-encoded and
    without ``?``."""

    method: str
    path: str
    query: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """Who signed, when (seconds since 1970), and what makes the request differ from any other."""

    key: str
    created: int
    nonce: str


def key_of(secret: str) -> bytes:
    """The key that belongs to a secret."""
    return hashlib.sha256(secret.encode()).digest()


def sign(asked: Asked, seal: Seal, key: bytes) -> dict[str, str]:
    """The headers that sign a request."""
    parameters = (
        f'{_COMPONENTS};created={seal.created};nonce="{seal.nonce}";keyid="{seal.key}"'
        ';alg="hmac-sha256";tag="suan-peer"'
    )
    digest, version = _digest(asked.body), str(VERSION)
    made = _mac(asked, digest, version, parameters=parameters, key=key)
    return {
        "content-digest": digest,
        VERSION_HEADER: version,
        "signature-input": f"suan={parameters}",
        "signature": f"suan=:{base64.b64encode(made).decode()}:",
    }


def seal_of(headers: Mapping[str, str]) -> Seal | None:
    """What a request's signature says of itself, unchecked; ``None`` if it is not of our form."""
    found = _INPUT.fullmatch(headers.get("signature-input", ""))
    return Seal(found[3], int(found[1]), found[2]) if found else None


def signed(asked: Asked, headers: Mapping[str, str], key: bytes) -> bool:
    """Whether ``key`` signed this request, its body included."""
    digest, given = headers.get("content-digest", ""), headers.get("signature-input", "")
    signature = _SIGNATURE.fullmatch(headers.get("signature", ""))
    if signature is None or _INPUT.fullmatch(given) is None:
        return False
    version = headers.get(VERSION_HEADER, "")
    parameters = given.removeprefix("suan=")
    wanted = base64.b64encode(_mac(asked, digest, version, parameters=parameters, key=key))
    whole = hmac.compare_digest(_digest(asked.body).encode(), digest.encode())
    return hmac.compare_digest(wanted, signature[1].encode()) and whole


def _digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def _mac(asked: Asked, digest: str, version: str, *, parameters: str, key: bytes) -> bytes:
    """Over the signature base of RFC 9421, section 2.5."""
    lines = (
        f'"@method": {asked.method}',
        f'"@path": {asked.path}',
        f'"@query": ?{asked.query}',
        f'"content-digest": {digest}',
        f'"{VERSION_HEADER}": {version}',
        f'"@signature-params": {parameters}',
    )
    return hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()
