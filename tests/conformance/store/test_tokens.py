"""Access tokens."""

import pytest

from suan.model.errors import StoreConflict
from suan.model.store import Store, Token
from tests.conformance.store.samples import NOW


def token(name: str, at: int = NOW) -> Token:
    return Token(id=f"t-{name}", name=name, scope="operator", user="ada", created_at=at)


async def test_a_token_is_found_by_its_digest_alone(store: Store) -> None:
    await store.tokens.create(token("ci"), b"\x00digest\xff")
    assert await store.tokens.find(b"\x00digest\xff") == token("ci")
    assert await store.tokens.find(b"\x00digest") is None


async def test_tokens_are_listed_by_age(store: Store) -> None:
    for name, at in (("b", 2), ("a", 3), ("c", 1)):
        await store.tokens.create(token(name, at), name.encode())
    assert [t.name for t in await store.tokens.list()] == ["c", "b", "a"]


async def test_a_token_is_revoked_once(store: Store) -> None:
    await store.tokens.create(token("ci"), b"d")
    assert await store.tokens.revoke("t-ci", NOW + 1) is True
    assert await store.tokens.revoke("t-ci", NOW + 2) is False
    assert await store.tokens.revoke("none", NOW) is False
    found = await store.tokens.find(b"d")
    assert found is not None
    assert found.revoked_at == NOW + 1


@pytest.mark.parametrize(("name", "digest"), [("ci", b"other"), ("other", b"d")])
async def test_ids_and_digests_are_unique(store: Store, name: str, digest: bytes) -> None:
    await store.tokens.create(token("ci"), b"d")
    with pytest.raises(StoreConflict):
        await store.tokens.create(token(name), digest)
