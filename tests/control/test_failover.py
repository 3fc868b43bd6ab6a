"""Pools that are slow, gone, full or untruthful: jobs go elsewhere where that is safe, and are
held with the true reason where it is not. The pools are real ones, behind switches."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from suan.control import Controller
from suan.model.errors import PoolOutcomeUnknown, PoolRejected
from suan.model.job import Cause, JobState, Outcome
from suan.model.live import PoolStatus
from suan.model.pool import Patience, RunReport
from suan.model.units import HOUR, MINUTE, SECOND, JobId, PoolName, RunId, run_id
from tests.control.switched import Switched
from tests.control.world import ONE, World, made, open_local_pools
from tests.waiting import until_async

pytestmark = pytest.mark.enable_socket  # a real local pool starts its runs over sockets

TWO = """\
pools:
- {name: cheap, nodes: [{count: 2, cpus: 2, memory: 4GB}]}
- {name: dear, nodes: [{count: 2, cpus: 2, memory: 4GB}], prices: {cpu_hour: 9}}
"""
CHEAP, DEAR = PoolName("cheap"), PoolName("dear")
LONG = {"launch_patience": HOUR, "call_timeout": HOUR, "launch_timeout": HOUR}
"""So that only the circuit moves jobs."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    real = open_local_pools(tmp_path / "home", TWO)
    pools = {name: Switched(pool) for name, pool in real.items()}
    async with made(tmp_path, pools) as world:
        yield world


@pytest.fixture
def cheap(world: World) -> Switched:
    """What every job prefers."""
    pool = world.pools[CHEAP]
    assert isinstance(pool, Switched)
    return pool


async def status(controller: Controller, name: str = "cheap") -> PoolStatus:
    return next(each for each in await controller.pools() if each.offer.pool == name)


async def stands(controller: Controller, circuit: str) -> PoolStatus:
    """Wait until the circuit of the cheap pool stands so."""

    async def so() -> PoolStatus | None:
        found = await status(controller)
        return found if found.circuit == circuit else None

    found = await until_async(so, what=f"the circuit to be {circuit}")
    assert found is not None
    return found


async def doubted(controller: Controller, words: str) -> str:
    """Wait until the cheap pool is doubted for something."""

    async def so() -> str | None:
        told = [said for _, said in (await status(controller)).doubts]
        return next((said for said in told if words in said), None)

    found = await until_async(so, what=f"a doubt of {words!r}")
    assert found is not None
    return found


async def why(controller: Controller, job: JobId, words: str) -> str:
    """Wait until ``suan why`` says something."""

    async def so() -> str | None:
        told = await controller.explain(job)
        return told.summary if told is not None and words in told.summary else None

    found = await until_async(so, what=f"{job} to be said {words!r}")
    assert found is not None
    return found


async def counted(world: World, path: Path, job: JobId) -> None:
    """A job has succeeded, and its one task has run once."""
    assert (await world.final(job)).state is JobState.SUCCEEDED
    assert path.read_text() == "x\n"


async def test_a_pool_that_is_gone_gets_nothing_and_its_jobs_go_elsewhere(
    world: World, cheap: Switched
) -> None:
    controller = await world.lead(**LONG)
    assert (await world.final(await world.submit())).pool == CHEAP
    cheap.goes()
    jobs = [await world.submit() for _ in range(4)]
    for job in jobs:
        ended = await world.final(job)
        assert (ended.state, ended.pool) == (JobState.SUCCEEDED, DEAR)
    told = await status(controller)
    assert not told.available
    assert told.circuit == "open"
    assert "has not answered since 2" in told.detail or "taken no run since 2" in told.detail
    cheap.comes_back()

    async def back() -> bool:
        return (await status(controller)).available

    await until_async(back)
    assert (await world.final(await world.submit())).pool == CHEAP
    await stands(controller, "closed")


async def test_a_launch_that_fails_while_looks_succeed_moves_jobs_all_the_same(
    world: World, cheap: Switched
) -> None:
    controller = await world.lead(**LONG, retry_most=SECOND)
    cheap.goes()
    del cheap.away["observe"]
    job = await world.submit()
    assert (await world.final(job)).pool == DEAR
    assert [run.pool for run in await world.runs(job)] == [CHEAP, DEAR]
    assert controller.counters.pool_failures[CHEAP] >= 3
    cheap.comes_back()
    await stands(controller, "half_open")
    assert (await world.final(await world.submit())).pool == CHEAP
    await stands(controller, "closed")


async def test_while_half_open_a_pool_is_believed_for_one_node(
    world: World, cheap: Switched
) -> None:
    controller = await world.lead(**LONG)
    cheap.goes()
    del cheap.away["observe"]
    await world.final(await world.submit())
    cheap.comes_back()
    await stands(controller, "half_open")

    async def tried() -> bool:
        nodes = (await status(controller)).nodes
        return [node.schedulable for node in nodes].count(True) == 1

    await until_async(tried)
    wide = await world.submit(num_nodes=2, resources=(_whole_node("cheap"),))
    assert (await world.final(await world.submit())).pool == CHEAP
    assert (await world.final(wide)).pool == CHEAP


def _whole_node(pool: str):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(ONE, cpu_milli=2000, infra=pool)


async def test_a_pool_that_hangs_holds_what_it_may_have_heard_of_and_no_more(
    world: World, cheap: Switched, tmp_path: Path
) -> None:
    """One launch is under way when the pool falls silent; another waits for its turn."""
    controller = await world.lead(**LONG, launches_at_once=1, answer_within=SECOND // 5)
    cheap.hangs("launch")
    held = await world.submit(f"echo x >> {tmp_path}/held")
    await until_async(lambda: _true(cheap.calls["launch"] == 1))
    free = await world.submit(f"echo x >> {tmp_path}/free")
    await world.state(free, JobState.RUNNING)
    cheap.hangs("observe", "find")
    told = await why(controller, held, "not known")
    assert f"as run {held}-r1" in told
    assert "Pool cheap: it has not answered since 2" in told
    assert "started nowhere else" in told
    await counted(world, tmp_path / "free", free)
    assert (await world.job(free)).pool == DEAR
    assert (await world.job(held)).state is JobState.RUNNING
    cheap.comes_back()
    await counted(world, tmp_path / "held", held)
    assert [run.pool for run in await world.runs(held)] == [CHEAP]


async def _true(answer: bool) -> bool:
    return answer


@pytest.mark.parametrize("applied", [True, False])
async def test_an_unknown_launch_is_held_until_find_can_say(
    world: World, cheap: Switched, tmp_path: Path, applied: bool
) -> None:
    controller = await world.lead(call_timeout=SECOND // 5, answer_within=SECOND // 10)
    cheap.hangs(*(("launch",) if applied else ()))
    cheap.unheard = set() if applied else {"launch"}
    job = await world.submit(f"echo x >> {tmp_path}/count")
    await until_async(lambda: _true(cheap.calls["launch"] >= 1))
    cheap.away = {call: PoolOutcomeUnknown("the line broke") for call in ("observe", "find")}
    await why(controller, job, "Whether it was started is not known")
    assert (await world.job(job)).pool == CHEAP
    assert (await world.final(await world.submit())).pool == DEAR  # others go on meanwhile
    cheap.comes_back()
    await counted(world, tmp_path / "count", job)


async def test_a_launch_that_hangs_is_told_and_asked_after(
    world: World, cheap: Switched, tmp_path: Path
) -> None:
    own = {CHEAP: Patience(launch_timeout=3 * SECOND)}
    controller = await world.lead(**LONG, patience=own)
    cheap.unheard = {"launch"}
    job = await world.submit(f"echo x >> {tmp_path}/count")
    told = await why(controller, job, "was told to start it")
    assert "after 3 s (`failover: {hang_s}`) it is asked whether it has" in told
    cheap.unheard = set()  # the launch under way is lost all the same
    await counted(world, tmp_path / "count", job)
    assert (cheap.calls["launch"], cheap.calls["find"]) == (2, 1)


async def test_what_runs_in_a_silent_pool_is_left_alone_and_said_so(
    world: World, cheap: Switched, tmp_path: Path
) -> None:
    controller = await world.lead(**LONG)
    script = f"until test -e {tmp_path}/gate; do sleep 0.05; done; echo x >> {tmp_path}/count"
    job = await world.submit(script)
    await until_async(lambda: _started(world, job))
    cheap.goes()
    assert "left alone" in await why(controller, job, "has not answered since")
    (tmp_path / "gate").touch()
    cheap.comes_back()
    await counted(world, tmp_path / "count", job)
    assert (await world.job(job)).attempts == 1


async def _started(world: World, job: JobId) -> bool:
    return (await world.runs(job))[-1:] != () and (await world.job(job)).started_at is not None


async def test_cancelling_what_a_sick_pool_has_not_heard_of_takes_no_time(
    world: World, cheap: Switched
) -> None:
    cheap.away = {"launch": PoolOutcomeUnknown("the line broke")}
    await world.lead(retry_first=HOUR, retry_most=HOUR, failures_to_lose=100)
    cheap.away["launch"] = _unavailable()
    job = await world.submit()
    await until_async(lambda: _true(cheap.calls["launch"] >= 1))
    await world.ask("cancel", job)
    assert (await world.final(job)).state is JobState.CANCELLED


def _unavailable():  # type: ignore[no-untyped-def]
    from suan.model.errors import PoolUnavailable

    return PoolUnavailable("no line")


async def test_a_pool_that_gives_runs_back_is_believed_less(world: World, cheap: Switched) -> None:
    controller = await world.lead(retry_most=SECOND // 10)
    cheap.gives_back = True
    job = await world.submit()
    assert (await world.final(job)).pool == DEAR
    ended = [run.outcome.cause for run in await world.runs(job) if run.outcome is not None]
    assert ended == [Cause.UNLAUNCHED] * 3 + [Cause.SUCCEEDED]
    assert "kept waiting" in await doubted(controller, "gives runs back")
    assert "pool.doubted" in await world.kinds()
    cheap.gives_back = False
    await stands(controller, "half_open")
    assert (await world.final(await world.submit())).pool == CHEAP
    assert (await stands(controller, "closed")).doubts == ()


async def test_a_pool_that_refuses_run_after_run_is_tried_on_one_node(
    world: World, cheap: Switched
) -> None:
    controller = await world.lead(failures_to_lose=2)
    cheap.away = {"launch": PoolRejected("no such image")}
    jobs = [await world.submit() for _ in range(8)]
    for job in jobs:
        assert (await world.final(job)).pool == DEAR
    assert "no such image" in await doubted(controller, "refuses run after run")
    await stands(controller, "half_open")
    cheap.comes_back()
    assert (await world.final(await world.submit())).pool == CHEAP
    await stands(controller, "closed")


async def test_untruths_are_told_and_harm_nothing(world: World, cheap: Switched) -> None:
    controller = await world.lead()
    job = await world.submit()
    assert (await world.final(job)).state is JobState.SUCCEEDED
    run = run_id(job, 1)
    failed = Outcome(Cause.FAILED, 3)
    cheap.says = [
        RunReport(RunId("STRANGER0001-r1"), "stranger", started_at=5),
        RunReport(run, run, started_at=5, ended_at=6, outcome=failed),
    ]
    assert "STRANGER0001-r1 is not in the store" in await doubted(controller, "nobody launched")
    said = await doubted(controller, "contradicts")
    assert f"{run} ended as succeeded, then as failed with exit code 3" in said
    running = await world.submit("sleep 0.3")
    far = 4 * 10**15
    cheap.says = [RunReport(run_id(running, 1), run_id(running, 1), started_at=far)]
    assert "s from now" in await doubted(controller, "its clock is wrong")
    assert (await world.final(running)).state is JobState.SUCCEEDED
    for each in (job, running):
        assert (await world.kinds(each)).count("run.ended") == 1
        assert (await world.job(each)).attempts == 1
    kinds = {kind for _, kind in controller.counters.pool_doubts}
    assert kinds == {"stranger", "contradiction", "clock"}


async def test_each_pool_has_a_patience_of_its_own(world: World, cheap: Switched) -> None:
    own = {CHEAP: Patience(answer_within=SECOND // 10)}
    controller = await world.lead(call_timeout=HOUR, answer_within=MINUTE, patience=own)
    dear = world.pools[DEAR]
    assert isinstance(dear, Switched)
    for pool in (cheap, dear):
        pool.hangs("observe")
    await stands(controller, "open")

    async def told() -> bool:
        return "0.1 s ago" in (await status(controller)).detail

    await until_async(told)
    assert (await status(controller, "dear")).circuit == "closed"
