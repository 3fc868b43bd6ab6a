"""Several stores, threads and processes on one database."""

import asyncio

import pytest

from suan.model.errors import LeaseLost
from suan.model.store import JobFilter, Store
from suan.store import open_store
from tests.conformance.store.processes import said, work
from tests.conformance.store.samples import NOW, TTL, cycle, entry, lead, submit


async def test_each_sees_what_the_other_wrote(store: Store, store_url: str) -> None:
    other = await open_store(store_url)
    for at in range(5):
        await submit(store, f"a{at}")
        await submit(other, f"b{at}")
        assert len((await store.gather(100)).jobs) == 2 * at + 2
        assert len((await other.gather(100)).jobs) == 2 * at + 2
    await other.close()


async def test_a_key_counts_in_every_server(store: Store, store_url: str) -> None:
    other = await open_store(store_url)
    done = await asyncio.gather(
        *(submit(s, f"{n}{at}", key="k", fingerprint="f")
          for at in range(20) for n, s in (("a", store), ("b", other)))
    )  # fmt: skip
    assert len({made.jobs for made in done}) == 1
    assert sum(not made.repeated for made in done) == 1
    await other.close()


async def test_the_new_leader_fences_the_old_one(store: Store, store_url: str) -> None:
    other = await open_store(store_url)
    old = await lead(store, "old")
    await store.record(cycle(entry(1)), old)
    new = await other.acquire("new", "", NOW + TTL, TTL)
    assert new is not None
    results = await asyncio.gather(
        store.record(cycle(entry(2)), old),
        other.record(cycle(entry(2)), new),
        return_exceptions=True,
    )
    assert isinstance(results[0], LeaseLost)
    assert results[1] is None
    assert await store.last() == 2
    await other.close()


async def test_processes_submit_at_once(store: Store, store_url: str) -> None:
    workers = [work(store_url, "submit", f"w{at}", "60") for at in range(3)]
    acknowledged = {name for worker in workers for name in await asyncio.to_thread(said, worker)}
    assert len(acknowledged) == 180
    gathered = (await store.gather(1000)).jobs
    assert {job.id for job in gathered} == acknowledged
    assert len({job.seq for job in gathered}) == 180


async def test_processes_never_win_the_same_token(store: Store, store_url: str) -> None:
    workers = [work(store_url, "compete", f"w{at}", "40") for at in range(3)]
    tokens = [int(token) for worker in workers for token in await asyncio.to_thread(said, worker)]
    assert len(tokens) == len(set(tokens))
    lease = await lead(store)
    assert lease.token == max(tokens) + 1


async def test_a_reader_of_the_feed_misses_nothing(store: Store, store_url: str) -> None:
    from suan.model.store import FeedEntry

    other = await open_store(store_url)
    lease = await lead(store)

    async def write() -> None:
        for number in range(1, 41):
            feed = tuple(FeedEntry(0, NOW, f"{number}.{at}", None, None) for at in range(5))
            await store.record(cycle(entry(number), feed=feed), lease)

    async def read() -> list[str]:
        kinds: list[str] = []
        after = 0
        while len(kinds) < 200:
            for one in await other.feed(after, 7):
                kinds.append(one.kind)
                after = one.id
        return kinds

    _, kinds = await asyncio.gather(write(), asyncio.wait_for(read(), 60))
    assert kinds == [f"{number}.{at}" for number in range(1, 41) for at in range(5)]
    await other.close()


async def test_reads_and_writes_side_by_side(store: Store) -> None:
    async def write(name: str) -> None:
        for at in range(20):
            await submit(store, f"{name}{at}")

    async def read() -> None:
        for _ in range(40):
            page = await store.list(JobFilter(), None, 10)
            assert len(page.jobs) <= 10

    await asyncio.gather(*(write(n) for n in "abcd"), *(read() for _ in range(4)))
    assert len((await store.gather(100)).jobs) == 80


@pytest.mark.parametrize("how", ["twice", "with writes under way"])
async def test_close(store_url: str, how: str) -> None:
    from suan.model.errors import StoreUnavailable

    store = await open_store(store_url)
    writes = [asyncio.ensure_future(submit(store, f"j{at}")) for at in range(10)]
    await asyncio.sleep(0)
    await store.close()
    if how == "twice":
        await store.close()
    assert all(made.jobs for made in await asyncio.gather(*writes))
    with pytest.raises(StoreUnavailable, match="closed"):
        await submit(store, "late")
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.gather(1)
    again = await open_store(store_url)
    assert len((await again.gather(100)).jobs) == 10
    await again.close()
