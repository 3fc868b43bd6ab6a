"""Stopping as whoever asks says: with a signal and a grace of his own, and less of it later."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from suan.model.job import JobState
from suan.model.units import MINUTE, SECOND, JobId, PoolName, RunId
from tests.control.test_preemption import WHOLE, SignallingPool, seen
from tests.control.world import World, made


@pytest.fixture
def pool() -> SignallingPool:
    return SignallingPool(nodes=1, stubborn=True)


@pytest.fixture
async def world(tmp_path: Path, pool: SignallingPool) -> AsyncIterator[World]:
    async with made(tmp_path, {PoolName("faulty"): pool}) as world:
        await world.lead()
        yield world


async def runs(world: World, pool: SignallingPool) -> tuple[JobId, RunId]:
    job = await world.submit(resources=(WHOLE,))
    run = RunId(f"{job}-r1")
    await seen(lambda: run in pool.runs)
    return job, run


async def test_a_cancel_says_how(world: World, pool: SignallingPool) -> None:
    job, run = await runs(world, pool)
    await world.ask("cancel", job, signal="SIGUSR1", grace=str(MINUTE))
    await seen(lambda: pool.signals == [(f"ref-{run}", "SIGUSR1", MINUTE)])
    pool.finish(run)
    assert (await world.final(job)).state is JobState.SUCCEEDED


async def test_less_grace_later_is_passed_on(world: World, pool: SignallingPool) -> None:
    job, run = await runs(world, pool)
    await world.ask("cancel", job, signal="SIGTERM", grace=str(MINUTE))
    await seen(lambda: len(pool.signals) == 1)
    await world.ask("cancel", job, signal="SIGTERM", grace="0")
    await seen(lambda: [grace for _, _, grace in pool.signals] == [MINUTE, 0])
    pool.finish(run)
    await world.final(job)


@pytest.mark.parametrize("args", [{"signal": "SIGKILL", "grace": "1"}, {"grace": "soon"}])
async def test_a_manner_that_is_none_still_cancels(
    world: World, pool: SignallingPool, args: dict[str, str]
) -> None:
    job, run = await runs(world, pool)
    await world.ask("cancel", job, **args)
    await seen(lambda: pool.cancelled == [f"ref-{run}"])
    assert pool.signals == []
    pool.finish(run)
    await world.final(job)


async def test_a_job_that_has_not_started_ends_at_once(world: World, pool: SignallingPool) -> None:
    _, first = await runs(world, pool)
    waiting = await world.submit(resources=(WHOLE,))
    await world.ask("cancel", waiting, signal="SIGTERM", grace=str(SECOND))
    assert (await world.final(waiting)).state is JobState.CANCELLED
    pool.finish(first)
