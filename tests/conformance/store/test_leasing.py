"""Who leads."""

import asyncio

import pytest

from suan.model.errors import LeaseLost
from suan.model.store import Lease, Store
from tests.conformance.store.samples import NOW, TTL, lead


async def test_nobody_leads_at_first(store: Store) -> None:
    assert await store.current() is None


async def test_one_holder_at_a_time(store: Store) -> None:
    lease = await lead(store, "a")
    assert lease == Lease("a", 1, "http://here", NOW + TTL)
    assert await store.current() == lease
    assert await store.acquire("b", "http://b", NOW + TTL - 1, TTL) is None
    assert await store.current() == lease


async def test_ones_own_lease_is_renewed_with_its_token(store: Store) -> None:
    lease = await lead(store, "a")
    again = await store.acquire("a", "http://here", NOW + 1, TTL)
    assert again == Lease("a", lease.token, "http://here", NOW + 1 + TTL)
    renewed = await store.renew(lease, NOW + 2, TTL)
    assert renewed == Lease("a", lease.token, "http://here", NOW + 2 + TTL)
    assert await store.current() == renewed


async def test_an_expired_lease_is_taken_over(store: Store) -> None:
    old = await lead(store, "a")
    new = await store.acquire("b", "http://b", NOW + TTL, TTL)
    assert new is not None
    assert new.token > old.token
    with pytest.raises(LeaseLost):
        await store.renew(old, NOW + TTL, TTL)
    await store.release(old)  # absent is success
    assert await store.current() == new


async def test_ones_own_expired_lease_is_a_new_one(store: Store) -> None:
    old = await lead(store, "a")
    new = await store.acquire("a", "http://here", NOW + TTL, TTL)
    assert new is not None
    assert new.token > old.token


async def test_an_expired_lease_that_nobody_took_can_be_renewed(store: Store) -> None:
    lease = await lead(store, "a")
    assert (await store.renew(lease, NOW + 2 * TTL, TTL)).token == lease.token


async def test_the_token_grows_across_release(store: Store) -> None:
    tokens = []
    for holder in ("a", "b", "a", "a"):
        lease = await store.acquire(holder, "", NOW, TTL)
        assert lease is not None
        tokens.append(lease.token)
        await store.release(lease)
        assert await store.current() is None
        with pytest.raises(LeaseLost):
            await store.renew(lease, NOW, TTL)
    assert tokens == sorted(set(tokens))


async def test_one_of_many_gets_it(store: Store) -> None:
    tries = await asyncio.gather(*(store.acquire(f"h{at}", "", NOW, TTL) for at in range(30)))
    assert sum(lease is not None for lease in tries) == 1
