"""What pools do at their worst: nothing is lost, nothing runs twice, nobody else waits."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from suan.model.errors import (
    PoolAuthError,
    PoolOutcomeUnknown,
    PoolRejected,
    PoolUnavailable,
)
from suan.model.job import Cause, JobState, Outcome, Run, RunState
from suan.model.pool import RunReport
from suan.model.units import MINUTE, SECOND, JobId, PoolName, RunId
from tests.control.faulty import HANG, FaultyPool
from tests.control.world import World, made
from tests.waiting import until_async

AWAY = PoolUnavailable("the pool is away")
UNKNOWN = PoolOutcomeUnknown("the line broke")


@pytest.fixture
def pool() -> FaultyPool:
    return FaultyPool(instant=True)


@pytest.fixture
def other() -> FaultyPool:
    """Dearer, so that it is taken second."""
    return FaultyPool("other", cpu_price=9_000_000, instant=True)


@pytest.fixture
async def world(tmp_path: Path, pool: FaultyPool) -> AsyncIterator[World]:
    async with made(tmp_path, {PoolName("faulty"): pool}) as world:
        yield world


@pytest.fixture
async def two(tmp_path: Path, pool: FaultyPool, other: FaultyPool) -> AsyncIterator[World]:
    pools = {PoolName("faulty"): pool, PoolName("other"): other}
    async with made(tmp_path, pools) as world:
        yield world


async def launched(pool: FaultyPool, job: JobId, attempt: int = 1) -> RunId:
    run = RunId(f"{job}-r{attempt}")

    async def there() -> bool:
        return run in pool.runs

    await until_async(there, what=f"{run} to be launched")
    return run


async def test_a_pool_that_answers_but_does_not_launch_costs_no_job_its_tries(
    world: World, pool: FaultyPool
) -> None:
    pool.plan("launch", *[AWAY] * 60)
    await world.lead(retry_most=SECOND // 20, launch_patience=SECOND // 20)
    job = await world.submit()

    async def often() -> bool:
        return (await world.job(job)).attempts > 4

    await until_async(often)
    pool.faults["launch"].clear()
    assert (await world.final(job)).state is JobState.SUCCEEDED


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [UNKNOWN, HANG, ValueError("a bug in the adapter")])
async def test_an_unknown_launch_is_settled_by_find(
    world: World, pool: FaultyPool, error: BaseException | str, after: bool
) -> None:
    pool.plan("launch", error, after=after)
    pool.plan("find", UNKNOWN)
    await world.lead()
    job = await world.submit()
    assert (await world.final(job)).state is JobState.SUCCEEDED
    assert pool.begun == {RunId(f"{job}-r1"): 1}
    assert pool.calls["launch"] == (1 if after else 2)
    assert after or pool.calls["find"] == 2  # else its end is reported before it is asked for


async def test_a_launch_that_was_not_applied_is_tried_again(world: World, pool: FaultyPool) -> None:
    pool.plan("launch", AWAY, AWAY)
    await world.lead()
    job = await world.submit()
    ended = await world.final(job)
    assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 1)
    assert pool.begun == {RunId(f"{job}-r1"): 1}


async def test_a_pool_that_stays_away_is_lost_and_its_jobs_go_elsewhere(
    two: World, pool: FaultyPool, other: FaultyPool
) -> None:
    pool.plan("launch", *[AWAY] * 500)
    controller = await two.lead()
    job = await two.submit()
    ended = await two.final(job)
    assert (ended.state, ended.pool) == (JobState.SUCCEEDED, "other")
    first, second = await two.runs(job)
    assert first.outcome is not None
    said = "it answers, and has taken no run: the pool is away"
    assert first.outcome == Outcome(Cause.UNLAUNCHED, detail=said)
    assert second.pool == "other"
    assert not pool.begun
    assert "pool.lost" in await two.kinds()
    assert controller.counters.pool_failures["faulty"] >= 3


async def test_a_refusal_for_good_sends_the_job_elsewhere(
    two: World, pool: FaultyPool, other: FaultyPool
) -> None:
    pool.plan("launch", PoolRejected("no such image"))
    await two.lead()
    job = await two.submit()
    ended = await two.final(job)
    assert (ended.state, ended.pool) == (JobState.SUCCEEDED, "other")
    assert (await two.runs(job))[0].outcome == Outcome(Cause.REJECTED, detail="no such image")


async def test_a_refusal_with_nowhere_else_to_go_says_why(world: World, pool: FaultyPool) -> None:
    pool.plan("launch", PoolRejected("no such image"))
    await world.lead()
    ended = await world.final(await world.submit())
    assert ended.state is JobState.FAILED
    assert "no such image" in ended.detail


async def test_bad_credentials_lose_the_pool_until_they_are_mended(
    world: World, pool: FaultyPool
) -> None:
    controller = await world.lead()
    pool.plan("observe", PoolAuthError("the token has expired"))

    async def kinds() -> bool:
        return {"pool.lost", "pool.back"} <= set(await world.kinds())

    await until_async(kinds)
    assert (await world.final(await world.submit())).state is JobState.SUCCEEDED
    assert (await controller.pools())[0].available


async def test_a_lost_pool_says_why_and_takes_nothing(world: World, pool: FaultyPool) -> None:
    controller = await world.lead(retry_most=MINUTE, retry_first=SECOND // 100)
    pool.plan("observe", *[AWAY] * 40)

    async def lost() -> bool:
        (seen,) = await controller.pools()
        return not seen.available and "away" in seen.detail

    await until_async(lost)
    job = await world.submit()

    async def refused() -> bool:
        told = await controller.explain(job)
        return told is not None and [r.code for r in told.refusals] == ["pool_unavailable"]

    await until_async(refused)
    assert not pool.begun
    pool.faults["observe"].clear()
    assert (await world.final(job)).state is JobState.SUCCEEDED


async def test_a_pool_that_never_answered_is_named_as_the_reason(
    world: World, pool: FaultyPool
) -> None:
    pool.plan("observe", *[AWAY] * 1000)
    controller = await world.lead()
    job = await world.submit()

    async def refused() -> bool:
        told = await controller.explain(job)
        return told is not None and [r.code for r in told.refusals] == ["pool_unavailable"]

    await until_async(refused)
    pool.faults["observe"].clear()
    assert (await world.final(job)).state is JobState.SUCCEEDED


async def test_a_brief_silence_leaves_runs_alone(world: World, pool: FaultyPool) -> None:
    pool.instant = False
    await world.lead()
    job = await world.submit()
    run = await launched(pool, job)
    pool.plan("observe", *[AWAY] * 6)

    async def back() -> bool:
        return "pool.back" in await world.kinds()

    await until_async(back)
    pool.finish(run)
    ended = await world.final(job)
    assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 1)
    assert not pool.cancelled


async def test_a_slow_pool_holds_up_nobody_else(
    two: World, pool: FaultyPool, other: FaultyPool
) -> None:
    pool.plan("launch", *[HANG] * 16)
    controller = await two.lead(call_timeout=MINUTE)
    slow = [await two.submit(num_nodes=1) for _ in range(4)]
    fast = await two.submit(resources=_only("other"))
    assert (await two.final(fast, timeout=5)).state is JobState.SUCCEEDED
    for job in slow:
        assert (await two.job(job)).state is JobState.RUNNING
    assert controller.status().running == 4


def _only(pool: str) -> tuple[object, ...]:
    from suan.model.spec import ResourceOption

    return (ResourceOption(cpu_milli=1000, memory_mib=64, infra=pool),)


async def test_a_run_that_waits_for_its_launch_is_stopped_unborn(
    world: World, pool: FaultyPool
) -> None:
    pool.plan("launch", HANG)
    await world.lead(call_timeout=MINUTE, launches_at_once=1)
    await world.submit()
    queued = await world.submit()
    await world.state(queued, JobState.RUNNING)
    await world.ask("cancel", queued)
    assert (await world.final(queued)).state is JobState.CANCELLED
    assert pool.calls["launch"] == 1
    assert not pool.begun


async def test_a_run_that_is_being_launched_is_stopped_after(
    world: World, pool: FaultyPool
) -> None:
    pool.instant = False
    pool.plan("launch", HANG, after=True)
    pool.plan("cancel", UNKNOWN, AWAY)
    await world.lead()
    job = await world.submit()
    await launched(pool, job)
    await world.ask("cancel", job)
    assert (await world.final(job)).state is JobState.CANCELLED
    assert pool.cancelled == [f"ref-{job}-r1"]


async def test_a_stopped_run_that_its_pool_forgot_is_over(world: World, pool: FaultyPool) -> None:
    pool.instant, pool.stubborn = False, True
    await world.lead(stop_grace=0, call_timeout=SECOND // 10)
    job = await world.submit()
    run = await launched(pool, job)
    await world.ask("cancel", job)

    async def cancelled() -> bool:
        return bool(pool.cancelled)

    await until_async(cancelled)
    pool.forget(run)
    assert (await world.final(job)).state is JobState.CANCELLED


async def test_a_run_that_its_pool_forgot_is_lost_and_tried_again(
    world: World, pool: FaultyPool
) -> None:
    pool.instant = False
    await world.lead(reconcile_every=SECOND // 10)
    job = await world.submit()
    run = await launched(pool, job)
    await _recorded(world, job, RunState.STARTED)
    pool.forget(run)
    second = await launched(pool, job, attempt=2)
    pool.finish(second)
    assert (await world.final(job)).state is JobState.SUCCEEDED
    first, _ = await world.runs(job)
    assert first.outcome is not None
    assert first.outcome.cause is Cause.LOST


async def _recorded(world: World, job: JobId, state: RunState) -> Run:
    async def there() -> Run | None:
        runs = await world.runs(job)
        return runs[-1] if runs and runs[-1].state is state else None

    found = await until_async(there)
    assert found is not None
    return found


async def test_an_orphan_is_stopped_and_never_adopted(world: World, pool: FaultyPool) -> None:
    stranger = RunReport(RunId("STRANGER0001-r1"), "ref-stranger", started_at=5)
    pool.lies.append(stranger)
    controller = await world.lead()

    async def stopped() -> bool:
        return "ref-stranger" in pool.cancelled

    await until_async(stopped)
    await world.final(await world.submit())
    assert pool.cancelled.count("ref-stranger") == 1
    assert controller.counters.orphans == 1
    assert await world.store.run(RunId("STRANGER0001-r1")) is None


async def test_a_run_that_is_recorded_as_over_does_not_go_on(
    world: World, pool: FaultyPool
) -> None:
    await world.lead()
    job = await world.submit()
    await world.final(job)
    run = RunId(f"{job}-r1")
    pool.runs[run].outcome = None

    async def stopped() -> bool:
        return f"ref-{run}" in pool.cancelled

    await until_async(stopped)
    (recorded,) = await world.runs(job)
    assert recorded.outcome == Outcome(Cause.SUCCEEDED, 0)


async def test_lies_about_others_runs_and_times_are_not_believed(
    two: World, pool: FaultyPool, other: FaultyPool
) -> None:
    pool.instant = False
    far = 10**17
    pool.now = lambda: far
    await two.lead()
    job = await two.submit()
    run = await launched(pool, job)
    failed = Outcome(Cause.FAILED, 1)
    other.lies.append(RunReport(run, "ref-mine", started_at=1, ended_at=2, outcome=failed))
    started = await _recorded(two, job, RunState.STARTED)
    assert started.started_at is not None
    assert started.placed_at <= started.started_at < far
    seen = other.calls["observe"]

    async def observed() -> bool:
        return other.calls["observe"] > seen + 3

    await until_async(observed)
    assert (await two.job(job)).state is JobState.RUNNING
    pool.now = lambda: 5  # an end long before the start
    pool.finish(run)
    assert (await two.final(job)).state is JobState.SUCCEEDED
    (recorded,) = await two.runs(job)
    assert recorded.ended_at == recorded.started_at
    assert recorded.ref == f"ref-{run}"


async def test_repeated_reports_change_nothing(world: World, pool: FaultyPool) -> None:
    controller = await world.lead()
    job = await world.submit()
    await world.final(job)
    cycles, seen = controller.status().cycles, pool.calls["observe"]
    run = RunId(f"{job}-r1")
    failed = Outcome(Cause.FAILED, 1)
    pool.lies += [RunReport(run, "ref-x", started_at=1, ended_at=2, outcome=failed)] * 3

    async def observed() -> bool:
        return pool.calls["observe"] > seen + 3

    await until_async(observed)
    ended = await world.job(job)
    assert (ended.state, ended.exit_code) == (JobState.SUCCEEDED, 0)
    kinds = await world.kinds(job)
    assert kinds.count("run.ended") == kinds.count("run.started") == 1
    entries = await world.store.last()
    await until_async(lambda: _more_cycles(controller.status().cycles > cycles))
    assert await world.store.last() == entries  # an idle loop writes nothing


async def _more_cycles(answer: bool) -> bool:
    return answer
