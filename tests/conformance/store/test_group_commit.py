"""Group commit: few commits, each unit its own fate, never two writers at once."""

import asyncio

import pytest
from sqlalchemy import event, insert, select

from suan.model.errors import StoreConflict, StoreError
from suan.model.store import Store
from suan.store import schema
from suan.store.commit import MAX_UNITS
from suan.store.sql import SqlStore
from tests.conformance.store.samples import submit


def commits(store: Store) -> list[int]:
    """A list that grows with each commit of the store's writer."""
    assert isinstance(store, SqlStore)
    seen: list[int] = []
    event.listen(store._db._engines.writer, "commit", lambda _: seen.append(1))
    return seen


async def test_writers_at_once_share_commits(store: Store) -> None:
    seen = commits(store)
    await asyncio.gather(*(submit(store, f"j{at}") for at in range(400)))
    assert 400 / MAX_UNITS <= len(seen) <= 100
    assert len((await store.gather(1000)).jobs) == 400


async def test_a_lone_writer_has_a_commit_of_its_own(store: Store) -> None:
    seen = commits(store)
    await submit(store, "a")
    await submit(store, "b")
    assert len(seen) == 2


async def test_units_that_all_fail_commit_nothing(store: Store) -> None:
    await submit(store, "a")
    seen = commits(store)
    results = await asyncio.gather(*(submit(store, "a") for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {StoreConflict}
    assert seen == []


async def test_a_unit_takes_back_only_its_own_writes(store: Store) -> None:
    assert isinstance(store, SqlStore)
    pools = schema.drained_pools

    def work(name: str, *, fails: bool):
        def unit(connection) -> str:
            connection.execute(insert(pools), {"pool": name})
            if fails:
                raise ZeroDivisionError(name)
            return name

        return unit

    results = await asyncio.gather(
        *(store._db.write(work(f"p{at:02}", fails=at % 4 == 0)) for at in range(40)),
        return_exceptions=True,
    )
    for at, result in enumerate(results):
        if at % 4 == 0:
            assert isinstance(result, StoreError)
        else:
            assert result == f"p{at:02}"
    assert await store.drained_pools() == tuple(f"p{at:02}" for at in range(40) if at % 4)


async def test_a_caller_that_gave_up_disturbs_nobody(store: Store) -> None:
    first = asyncio.ensure_future(submit(store, "a"))
    await asyncio.sleep(0)
    first.cancel()
    await submit(store, "b")
    with pytest.raises(asyncio.CancelledError):
        await first
    assert "b" in {job.id for job in (await store.gather(10)).jobs}


async def test_units_see_what_earlier_ones_of_their_batch_wrote(store: Store) -> None:
    assert isinstance(store, SqlStore)
    pools = schema.drained_pools

    def unit(connection) -> int:
        count = len(connection.execute(select(pools)).all())
        connection.execute(insert(pools), {"pool": f"p{count}"})
        return count

    counts = await asyncio.gather(*(store._db.write(unit) for _ in range(50)))
    assert sorted(counts) == list(range(50))
