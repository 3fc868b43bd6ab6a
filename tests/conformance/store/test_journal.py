"""The journal."""

import pytest

from suan.model.errors import StoreCorrupt
from suan.model.store import FeedEntry, Store
from tests.conformance.store.samples import NOW, cycle, entry, lead, submit


async def fill(store: Store) -> None:
    """Three terms of three entries, an instant apart, each with an entry of the feed."""
    lease = await lead(store)
    for number in range(1, 10):
        kind = "term" if number % 3 == 1 else "cycle"
        at = NOW + number
        made = entry(number, kind=kind, now=at)
        feed = (FeedEntry(0, at, "k", None, None),)
        await store.record(cycle(made, feed=feed), lease)


async def test_entries_come_back_in_order(store: Store) -> None:
    assert await store.last() == 0
    assert await store.entries(0, 10) == ()
    await fill(store)
    assert await store.last() == 9
    entries = await store.entries(0, 100)
    assert [e.number for e in entries] == list(range(1, 10))
    assert entries[4] == entry(5, now=NOW + 5)
    assert await store.entries(4, 2) == entries[4:6]
    assert await store.entries(9, 2) == ()


@pytest.mark.parametrize(
    ("before", "left"),
    [(0, 1), (NOW + 1, 1), (NOW + 3, 1), (NOW + 4, 4), (NOW + 6, 4), (NOW + 7, 7), (NOW + 99, 7)],
)
async def test_prune_drops_whole_terms_and_keeps_the_last(
    store: Store, before: int, left: int
) -> None:
    await fill(store)
    assert await store.prune(before) == left - 1
    assert [e.number for e in await store.entries(0, 100)] == list(range(left, 10))
    assert await store.last() == 9
    assert (await store.feed(0, 100))[-1].id == 9


async def test_prune_of_nothing(store: Store) -> None:
    assert await store.prune(NOW) == 0


async def test_old_idempotency_keys_go_with_the_journal(store: Store) -> None:
    await submit(store, "a", key="old", fingerprint="f")
    await submit(store, "b", now=NOW + 5, key="new", fingerprint="f")
    await store.prune(NOW + 5)
    assert not (await submit(store, "c", key="old", fingerprint="g")).repeated
    assert (await submit(store, "d", key="new", fingerprint="f")).repeated


async def test_a_clock_that_jumped_back_keeps_the_journal_whole(store: Store) -> None:
    lease = await lead(store)
    times = [5, 6, 1, 2, 9, 10]  # the second term is of an earlier time than the first
    for number, at in enumerate(times, start=1):
        kind = "term" if number % 2 else "cycle"
        await store.record(cycle(entry(number, kind=kind, now=at)), lease)
    assert await store.prune(4) == 0
    assert await store.prune(7) == 4


async def test_a_damaged_entry_is_named(store: Store) -> None:
    from sqlalchemy import update

    from suan.store import schema
    from suan.store.sql import SqlStore

    await fill(store)
    assert isinstance(store, SqlStore)
    broken = update(schema.journal).where(schema.journal.c.number == 4).values(events=b"\x01no")
    await store._db.write(lambda connection: connection.execute(broken))
    with pytest.raises(StoreCorrupt, match="journal entry 4"):
        await store.entries(0, 100)
    assert len(await store.entries(4, 100)) == 5
