"""What jobs bring is in their pool before they are launched there, whatever happens meanwhile."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.job import Cause, JobState
from suan.model.offer import Offer
from suan.model.pool import Content, Parcel
from suan.model.spec import CONTENT
from suan.model.units import MINUTE, SECOND, JobId, PoolName
from tests.content.shelf import Shelf
from tests.control.faulty import FaultyPool
from tests.control.world import World, made
from tests.waiting import until_async

AWAY = PoolUnavailable("the pool is away")


@dataclass
class SentPool(FaultyPool):
    """One that can be sent files, with faults; notes what it had when it was launched with."""

    sent: dict[str, int] = field(default_factory=dict)  # by digest, how often
    open: asyncio.Event = field(default_factory=asyncio.Event)
    delivering: list[Callable[[int], None]] = field(default_factory=list)
    failures: "deque[Exception]" = field(default_factory=deque)

    @property
    def offer(self) -> Offer:
        return replace(super().offer, capabilities=("deliver",))

    async def deliver(self, parcel: Parcel, content: Content, moved: Callable[[int], None]) -> None:
        self.calls["deliver"] += 1
        self.delivering.append(moved)
        if self.failures:
            raise self.failures.popleft()
        await self.open.wait()
        await content.read(parcel.digest, 0, 1)
        self.sent[parcel.digest] = self.sent.get(parcel.digest, 0) + 1

    async def launch(self, launch) -> str:
        assert all(parcel.digest in self.sent for parcel in launch.parcels)
        return await super().launch(launch)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def pool() -> SentPool:
    return SentPool(instant=True)


@pytest.fixture
async def world(tmp_path: Path, pool: SentPool) -> AsyncIterator[World]:
    async with made(tmp_path, {PoolName("faulty"): pool}) as world:
        yield world


def bringing(shelf: Shelf, **files: bytes) -> str:
    return CONTENT + shelf.parcel(files).digest


async def is_delivering(pool: SentPool, times: int = 1) -> None:
    async def begun() -> bool:
        return len(pool.delivering) >= times

    await until_async(begun, what="a delivery to begin")


async def test_once_for_all_runs_that_need_it(world: World, pool: SentPool, shelf: Shelf) -> None:
    await world.lead(content=shelf)
    brought = bringing(shelf, a=b"x")
    jobs = [await world.submit(workdir=brought) for _ in range(5)]
    await is_delivering(pool)
    assert not pool.runs
    pool.open.set()
    for job in jobs:
        assert (await world.final(job)).state is JobState.SUCCEEDED
    assert list(pool.sent.values()) == [1]
    launch = pool.runs[f"{jobs[0]}-r1"].launch
    assert launch.workdir is None
    assert launch.parcels == (Parcel("", brought.removeprefix(CONTENT)),)


async def test_others_are_launched_meanwhile(world: World, pool: SentPool, shelf: Shelf) -> None:
    await world.lead(content=shelf, launches_at_once=1)
    waits = await world.submit(workdir=bringing(shelf, a=b"x"))
    await is_delivering(pool)
    assert (await world.final(await world.submit())).state is JobState.SUCCEEDED
    pool.open.set()
    assert (await world.final(waits)).state is JobState.SUCCEEDED


async def test_who_is_cancelled_meanwhile_is_never_launched(
    world: World, pool: SentPool, shelf: Shelf
) -> None:
    await world.lead(content=shelf)
    brought = bringing(shelf, a=b"x")
    job, other = await world.submit(workdir=brought), await world.submit(workdir=brought)
    await is_delivering(pool)
    await world.ask("cancel", job)
    assert (await world.final(job)).state is JobState.CANCELLED
    pool.open.set()
    assert (await world.final(other)).state is JobState.SUCCEEDED
    assert list(pool.runs) == [f"{other}-r1"]


async def test_a_break_is_outlasted(world: World, pool: SentPool, shelf: Shelf) -> None:
    pool.failures.extend([AWAY, RuntimeError("a bug"), AWAY])
    pool.open.set()
    await world.lead(content=shelf, failures_to_lose=10, launch_patience=MINUTE)
    job = await world.submit(workdir=bringing(shelf, a=b"x"))
    assert (await world.final(job)).attempts == 1
    assert pool.calls["deliver"] == 4
    assert pool.calls["find"] == 0  # of a delivery nothing has to be found out


async def test_who_moves_is_not_given_up(world: World, pool: SentPool, shelf: Shelf) -> None:
    """As long as bytes arrive, neither a call's time-out nor the launch's patience counts."""
    await world.lead(content=shelf, call_timeout=SECOND // 4, launch_patience=SECOND // 4)
    job = await world.submit(workdir=bringing(shelf, a=b"x" * 1000))
    await is_delivering(pool)
    for _ in range(10):
        await asyncio.sleep(0.1)  # the pace of the bytes
        pool.delivering[-1](1)
    pool.open.set()
    ended = await world.final(job)
    assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 1)
    assert pool.calls["deliver"] == 1


async def test_where_nothing_moves_it_goes_elsewhere(tmp_path: Path, shelf: Shelf) -> None:
    stuck, other = SentPool(instant=True), SentPool("other", cpu_price=9_000_000, instant=True)
    other.open.set()
    pools = {PoolName("faulty"): stuck, PoolName("other"): other}
    async with made(tmp_path, pools) as world:
        await world.lead(content=shelf, call_timeout=SECOND // 10)
        ended = await world.final(await world.submit(workdir=bringing(shelf, a=b"x")))
        assert (ended.state, ended.pool) == (JobState.SUCCEEDED, "other")
        first, _ = await world.runs(ended.id)
    assert first.outcome is not None
    assert first.outcome.cause is Cause.UNLAUNCHED
    assert "not all is delivered: faulty did not answer" in first.outcome.detail


async def test_its_progress_is_told(
    world: World, pool: SentPool, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.control.delivery.TOLD_EVERY", 0)
    await world.lead(content=shelf, call_timeout=10 * SECOND)
    job = await world.submit(workdir=bringing(shelf, a=b"x" * 3_000_000))
    await is_delivering(pool)
    pool.delivering[-1](1_000_000)

    async def told() -> bool:
        return (await world.job(job)).detail == "delivering 1 of 3 MB to faulty"

    await until_async(told, what="the progress to be told")
    pool.open.set()
    assert (await world.final(job)).detail == ""
    moved = [each.data for each in await world.store.feed(0, 100) if each.kind == "run.delivering"]
    assert moved[0] == {"pool": "faulty", "done": "1000000", "size": "3000000"}


async def test_what_is_gone_from_the_pool_is_sent_again(
    world: World, pool: SentPool, shelf: Shelf
) -> None:
    pool.open.set()
    await world.lead(content=shelf)
    brought = bringing(shelf, a=b"x")
    await world.final(await world.submit(workdir=brought))
    pool.plan("launch", PoolUnavailable("its parcel is gone"))
    await world.final(await world.submit(workdir=brought))
    assert list(pool.sent.values()) == [2]


async def test_a_pool_that_refuses_it_is_left(world: World, pool: SentPool, shelf: Shelf) -> None:
    pool.failures.append(PoolRejected("too large for this pool"))
    await world.lead(content=shelf)
    ended = await world.final(await world.submit(workdir=bringing(shelf, a=b"x")))
    assert ended.state is JobState.FAILED
    assert "too large for this pool" in ended.detail


async def test_what_the_server_lost_fails_with_the_reason(
    world: World, pool: SentPool, shelf: Shelf
) -> None:
    pool.open.set()
    await world.lead(content=shelf)
    ended = await world.final(await world.submit(workdir=CONTENT + "0" * 64))
    assert ended.state is JobState.FAILED
    assert "are not here" in ended.detail


async def test_a_pool_that_cannot_be_sent_any_is_not_tried(tmp_path: Path, shelf: Shelf) -> None:
    plain = FaultyPool(instant=True)
    async with made(tmp_path, {PoolName("faulty"): plain}) as world:
        leader = await world.lead(content=shelf)
        job = await world.submit(file_mounts={"a": bringing(shelf, a=b"x")})

        async def why() -> str:
            found = await leader.explain(JobId(job))
            return found.refusals[0].code if found and found.refusals else ""

        await until_async(why, what="a refusal")
        assert await why() == "cannot_deliver"
        assert (await world.final(await world.submit())).state is JobState.SUCCEEDED


async def test_what_was_delivered_is_asked_for_now_and_then(
    world: World, pool: SentPool, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the pool sees it used, and does not drop it."""
    pool.open.set()
    await world.lead(content=shelf)
    brought = bringing(shelf, a=b"x")
    await world.final(await world.submit(workdir=brought))
    await world.final(await world.submit(workdir=brought))
    assert pool.calls["deliver"] == 1
    monkeypatch.setattr("suan.control.delivery.KNOWN_FOR", 0)
    await world.final(await world.submit(workdir=brought))
    assert pool.calls["deliver"] > 1
