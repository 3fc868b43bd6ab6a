"""Signatures of requests, compared with RFC 9421 written out by hand."""

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest

from suan.peering.signing import HEADERS, Asked, Seal, key_of, seal_of, sign, signed

ASKED = Asked("PUT", "/v1/peer/offers/lab/runs/a-r1", "x=1&y=%20", b'{"turn": 0}')
SEAL = Seal("t5f3c9a1b2d40", 1_772_354_400, "abcdefghijklmnopqrst")
KEY = key_of("suan_secret")


def test_the_signature_is_that_of_the_rfc() -> None:
    parameters = (
        '("@method" "@path" "@query" "content-digest" "suan-peer-version");created=1772354400'
        ';nonce="abcdefghijklmnopqrst";keyid="t5f3c9a1b2d40";alg="hmac-sha256";tag="suan-peer"'
    )
    digest = "sha-256=:" + base64.b64encode(hashlib.sha256(ASKED.body).digest()).decode() + ":"
    base = (
        '"@method": PUT\n'
        '"@path": /v1/peer/offers/lab/runs/a-r1\n'
        '"@query": ?x=1&y=%20\n'
        f'"content-digest": {digest}\n'
        '"suan-peer-version": 1\n'
        f'"@signature-params": {parameters}'
    )
    made = hmac.new(hashlib.sha256(b"suan_secret").digest(), base.encode(), "sha256").digest()
    assert sign(ASKED, SEAL, KEY) == {
        "content-digest": digest,
        "suan-peer-version": "1",
        "signature-input": f"suan={parameters}",
        "signature": f"suan=:{base64.b64encode(made).decode()}:",
    }


def test_what_was_signed_is_told_and_found_good() -> None:
    headers = sign(ASKED, SEAL, KEY)
    assert set(headers) == set(HEADERS)
    assert seal_of(headers) == SEAL
    assert signed(ASKED, headers, KEY)


@pytest.mark.parametrize(
    "changed",
    [{"method": "POST"}, {"path": "/v1/peer/offers/x"}, {"query": ""}, {"body": b"{}"}],
)
def test_another_request_is_not_signed(changed: dict[str, object]) -> None:
    headers = sign(ASKED, SEAL, KEY)
    assert not signed(replace(ASKED, **changed), headers, KEY)  # type: ignore[arg-type]


def test_another_key_did_not_sign() -> None:
    assert not signed(ASKED, sign(ASKED, SEAL, KEY), key_of("other"))


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", ["", "x", None])
def test_a_header_that_is_changed_or_missing(name: str, value: str | None) -> None:
    headers = sign(ASKED, SEAL, KEY)
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    assert not signed(ASKED, headers, KEY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1772354400", "1772354401"),
        ("abcdefghij", "bbcdefghij"),
        ("t5f3c9a1b2d40", "t5f3c9a1b2d41"),
        ("hmac-sha256", "none"),
        ('"@path" ', ""),
    ],
)
def test_what_the_signature_says_of_itself_is_signed(old: str, new: str) -> None:
    headers = sign(ASKED, SEAL, KEY)
    headers["signature-input"] = headers["signature-input"].replace(old, new)
    assert not signed(ASKED, headers, KEY)
