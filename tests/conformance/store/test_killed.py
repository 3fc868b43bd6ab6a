"""SIGKILL at named points and at random: what was acknowledged is there, and nothing is torn."""

import asyncio
import random
import signal

import pytest

from suan.model.store import Store
from suan.model.units import JobId
from suan.store import open_store
from tests.conformance.store.processes import said, work
from tests.conformance.store.samples import submit


@pytest.mark.parametrize(
    ("point", "action", "kept"),
    [
        ("submit.before_commit", ("submit", "j", "1"), False),
        ("submit.after_commit", ("submit", "j", "1"), True),
        ("record.before_commit", ("record",), False),
        ("record.after_commit", ("record",), True),
        ("command.after_commit", ("request",), True),
    ],
)
async def test_at_a_named_point(
    store: Store, store_url: str, point: str, action: tuple[str, ...], kept: bool
) -> None:
    worker = work(store_url, *action, kill_at=point)
    assert await asyncio.to_thread(said, worker) == []  # nothing was acknowledged
    assert worker.returncode == -signal.SIGKILL
    gathered = await store.gather(10)
    assert (len(gathered.jobs) == 1) is (kept and action[0] == "submit")
    assert (len(gathered.commands) == 1) is (kept and action[0] == "request")
    assert (await store.last() == 1) is (kept and action[0] == "record")


async def test_at_random_while_submitting(store_url: str) -> None:
    chance = random.Random(7)
    acknowledged: set[str] = set()
    for turn in range(5):
        worker = work(store_url, "submit", f"t{turn}", "100000")
        assert worker.stdout is not None
        for _ in range(chance.randrange(1, 60)):
            acknowledged.add((await asyncio.to_thread(worker.stdout.readline)).strip())
        worker.kill()
        acknowledged.update(await asyncio.to_thread(said, worker))
    store = await open_store(store_url)
    kept = [job.id for job in (await store.gather(100_000)).jobs]
    assert acknowledged <= set(kept)
    assert len(kept) <= len(acknowledged) + 5 * 4  # at most what was under way
    assert len(kept) == len(set(kept))
    await submit(store, "after")
    await store.close()


async def test_at_random_while_recording(store: Store, store_url: str) -> None:
    chance = random.Random(11)
    await submit(store, *(f"j{at}" for at in range(2000)))
    for _ in range(4):
        worker = work(store_url, "record")
        assert worker.stdout is not None
        last = 0
        for _ in range(chance.randrange(1, 40)):
            last = int(await asyncio.to_thread(worker.stdout.readline))
        worker.kill()
        last = max([last, *(int(number) for number in await asyncio.to_thread(said, worker))])
        assert await store.last() in (last, last + 1)
    # Each whole cycle took its five jobs, in order, and no part of another was kept.
    taken = await store.unfinished_jobs(0, 5000)
    assert [job.id for job in taken] == [JobId(f"j{at}") for at in range(5 * await store.last())]
