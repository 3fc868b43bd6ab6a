"""Leaders come and go: nothing is lost, nothing runs twice, and two never act at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suan.control.clock import elapsed_us
from suan.model.errors import (
    InvariantViolation,
    NotLeader,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from suan.model.events import (
    JobSubmitted,
    LimitsChanged,
    PolicyChanged,
    QueueChanged,
    QuotaChanged,
    ReservationMade,
    RunEnded,
    RunPlaced,
    RunRemembered,
    TenantChanged,
)
from suan.model.job import Cause, JobState, RunState
from suan.model.policy import POLICIES
from suan.model.quota import Limits, Quota
from suan.model.reservation import reservation_of
from suan.model.resources import ANY_ACCELERATOR
from suan.model.spec import JobSpec, ResourceOption, RetryPolicy
from suan.model.store import Cycle, Lease
from suan.model.units import HOUR, MINUTE, SECOND, PoolName, QueueName, RunId, TenantName
from tests.control.faulty import HANG, FaultyPool
from tests.control.world import ONE, TTL, World, bill_of, kill, made
from tests.waiting import until_async


@pytest.fixture
def pool() -> FaultyPool:
    return FaultyPool()


@pytest.fixture
async def calm(tmp_path: Path, pool: FaultyPool) -> AsyncIterator[World]:
    """A world whose pool does as the test says."""
    async with made(tmp_path, {PoolName("faulty"): pool}) as world:
        yield world


async def seen(world: World, condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await until_async(holds)


@pytest.mark.enable_socket
async def test_a_killed_leader_is_replaced_and_its_runs_are_adopted(
    world: World, tmp_path: Path
) -> None:
    first = await world.lead("first")
    second = world.controller("second")
    await second.start()
    script = (
        f"echo $SUAN_RUN_ID >> {tmp_path}/ran; while ! test -e {tmp_path}/go; do sleep 0.02; done"
    )
    running = await world.submit(script, num_nodes=1)
    done = await world.submit(f"echo $SUAN_RUN_ID >> {tmp_path}/ran")
    await world.final(done)
    await world.state(running, JobState.RUNNING)
    assert not second.status().leading
    assert second.status().leader_url == "http://first"
    with pytest.raises(NotLeader, match="http://first"):
        await second.pools()
    killed_at = time.monotonic()
    await kill(first)
    later = await world.submit("true")
    await world.leads(second)
    assert time.monotonic() - killed_at < 3 * TTL / SECOND
    (tmp_path / "go").touch()
    assert (await world.final(running)).state is JobState.SUCCEEDED
    assert (await world.final(later)).state is JobState.SUCCEEDED
    assert sorted((tmp_path / "ran").read_text().split()) == sorted([f"{running}-r1", f"{done}-r1"])
    report = await world.replay()
    assert report.terms == 2
    assert (await world.kinds()).count("leader.changed") == 2


@pytest.mark.enable_socket
async def test_what_ends_while_nobody_leads_is_found_ended(world: World, tmp_path: Path) -> None:
    first = await world.lead("first")
    job = await world.submit(f"while ! test -e {tmp_path}/go; do sleep 0.02; done; exit 4")
    await world.state(job, JobState.RUNNING)
    await first.stop()
    (tmp_path / "go").touch()
    await world.lead("second")
    ended = await world.final(job)
    assert (ended.state, ended.exit_code, ended.attempts) == (JobState.FAILED, 4, 1)


async def test_a_leader_that_stops_is_replaced_at_once(calm: World) -> None:
    first = await calm.lead("first", lease_ttl=MINUTE)
    second = calm.controller("second", lease_ttl=2 * SECOND)
    await second.start()
    await first.stop()
    await calm.leads(second, timeout=5)


@pytest.mark.parametrize("heard", [True, False])
async def test_a_launch_cut_short_by_a_crash_happens_once(
    calm: World, pool: FaultyPool, heard: bool
) -> None:
    pool.plan("launch", HANG, after=heard)
    first = await calm.lead("first", call_timeout=HOUR)
    job = await calm.submit()
    await seen(calm, lambda: pool.calls["launch"] == 1)
    await kill(first)
    await calm.lead("second")
    run = RunId(f"{job}-r1")
    await seen(calm, lambda: run in pool.runs)
    pool.finish(run)
    assert (await calm.final(job)).state is JobState.SUCCEEDED
    assert pool.begun == {run: 1}
    # A launch that had its effect may have been reported, and so known, before the crash.
    assert heard or pool.calls["find"] == 1
    assert pool.calls["launch"] == (1 if heard else 2)


async def test_a_cancel_outlives_its_leader(calm: World, pool: FaultyPool) -> None:
    pool.plan("cancel", HANG)
    first = await calm.lead("first", call_timeout=HOUR)
    job = await calm.submit()
    await seen(calm, lambda: f"{job}-r1" in pool.runs)
    await calm.ask("cancel", job)
    await seen(calm, lambda: pool.calls["cancel"] == 1)
    await kill(first)
    await calm.lead("second")
    assert (await calm.final(job)).state is JobState.CANCELLED


async def test_retry_limits_outlive_a_leader(calm: World, pool: FaultyPool) -> None:
    job = await calm.submit(retry=RetryPolicy(max_failures=2))
    for attempt in (1, 2, 3):
        leader = await calm.lead(f"leader-{attempt}")
        run = RunId(f"{job}-r{attempt}")
        await seen(calm, lambda run=run: run in pool.runs)
        pool.finish(run, Cause.FAILED, 9)
        if attempt < 3:
            await seen(calm, lambda n=attempt: f"{job}-r{n + 1}" in pool.runs)
        else:
            await calm.final(job)
        await leader.stop()
    ended = await calm.job(job)
    assert (ended.state, ended.attempts, ended.exit_code) == (JobState.FAILED, 3, 9)


async def test_what_a_run_really_took_is_known_after_a_takeover(
    tmp_path: Path, pool: FaultyPool
) -> None:
    class Cards(FaultyPool):
        async def observe(self, cursor: str | None) -> Any:
            seen = await super().observe(cursor)
            nodes = seen.nodes and tuple(
                replace(n, total=replace(n.total, accelerators=(("B", 1000), ("C", 1000))))
                for n in seen.nodes[:1]
            )
            return replace(seen, nodes=nodes)

    cards = Cards()
    async with made(tmp_path, {PoolName("faulty"): cards}) as world:
        any_card = ResourceOption(100, 64, {ANY_ACCELERATOR: 1000})
        first = await world.lead("first")
        jobs = [await world.submit(resources=(any_card,)) for _ in range(3)]
        await seen(world, lambda: len(cards.runs) == 2)
        await kill(first)
        await world.lead("second")
        one = RunId(f"{jobs[0]}-r1")
        cards.finish(one)
        await world.final(jobs[0])
        await seen(world, lambda: f"{jobs[2]}-r1" in cards.runs)
        taken = {dict(cards.runs[r].launch.per_task.accelerators).popitem()[0] for r in cards.runs}
        assert taken == {"B", "C"}
        assert len(cards.begun) == 3


class Interposed:
    """A store whose records go through the test's hands. Everything else is the real store."""

    def __init__(self, store: Any, hook: Callable[[Cycle, Callable[[], Any]], Any]) -> None:
        self._store, self._hook = store, hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def record(self, cycle: Cycle, lease: Lease) -> None:
        await self._hook(cycle, lambda: self._store.record(cycle, lease))


async def test_an_end_whose_consequence_was_not_recorded_is_decided_by_the_next_leader(
    calm: World, pool: FaultyPool
) -> None:
    """A crash between two cycles, when more runs ended than one cycle may decide about."""

    async def die_after_an_end(cycle: Cycle, record: Callable[[], Any]) -> None:
        await record()
        if sum(run.state is RunState.ENDED for run in cycle.runs) > 1:
            await asyncio.Event().wait()

    store = Interposed(calm.store, die_after_an_end)
    first = await calm.lead("first", store=store, decisions_per_cycle=1)
    jobs = [await calm.submit() for _ in range(3)]
    await seen(calm, lambda: len(pool.runs) == 3)

    async def launched() -> bool:
        return all(run.ref for run in await calm.runs(*jobs))

    await until_async(launched)
    for job, cause in zip(jobs, (Cause.SUCCEEDED, Cause.FAILED, Cause.SUCCEEDED), strict=True):
        pool.finish(RunId(f"{job}-r1"), cause, 0 if cause is Cause.SUCCEEDED else 5)

    async def ended() -> bool:
        return all(run.state is RunState.ENDED for run in await calm.runs(*jobs))

    await until_async(ended)
    states = [(await calm.job(job)).state for job in jobs]
    assert states.count(JobState.RUNNING) == 2
    await kill(first)
    await calm.lead("second")
    finals = [await calm.final(job) for job in jobs]
    assert [(job.state, job.attempts, job.exit_code) for job in finals] == [
        (JobState.SUCCEEDED, 1, 0),
        (JobState.FAILED, 1, 5),
        (JobState.SUCCEEDED, 1, 0),
    ]
    assert set(pool.begun.values()) == {1}


@pytest.mark.parametrize(
    "error", [StoreUnavailable("locked"), StoreFull("no space"), StoreReadOnly("read-only")]
)
@pytest.mark.parametrize("committed", [False, True])
async def test_a_cycle_that_cannot_be_recorded_is_recorded_later(
    calm: World, pool: FaultyPool, error: Exception, committed: bool
) -> None:
    left = [3]
    open_again = asyncio.Event()

    async def fail(cycle: Cycle, record: Callable[[], Any]) -> None:
        if cycle.runs and left[0]:
            left[0] -= 1
            if committed and left[0] == 2:
                await record()
            await open_again.wait() if left[0] == 0 else None
            raise error
        await record()

    controller = await calm.lead(store=Interposed(calm.store, fail))
    job = await calm.submit()
    await seen(calm, lambda: "cannot be recorded" in controller.status().trouble)
    assert not pool.runs
    open_again.set()
    run = RunId(f"{job}-r1")
    await seen(calm, lambda: run in pool.runs)
    pool.finish(run)
    assert (await calm.final(job)).state is JobState.SUCCEEDED
    assert not controller.status().trouble
    assert controller.status().leading
    assert pool.begun == {run: 1}


async def test_a_leader_whose_lease_was_taken_stops_acting(calm: World, pool: FaultyPool) -> None:
    first = await calm.lead("first", lease_ttl=HOUR)
    taken = await calm.store.acquire("usurper", "http://usurper", 2 * 10**18, MINUTE)
    assert taken is not None
    job = await calm.submit()
    await seen(calm, lambda: not first.status().leading)
    assert not pool.runs
    assert (await calm.job(job)).state is JobState.PENDING
    await seen(calm, lambda: first.status().leader_url == "http://usurper")


async def test_a_leader_that_was_frozen_waits_for_its_lease_before_it_acts(
    calm: World, pool: FaultyPool
) -> None:
    """A suspended machine wakes up with a lease that has run out; nobody has taken it."""
    skipped = [0]
    healthy = asyncio.Event()

    class Frozen(Interposed):
        async def renew(self, lease: Lease, now: int, ttl: int) -> Lease:
            await healthy.wait()
            return await self._store.renew(lease, now, ttl)

    async def record(cycle: Cycle, record: Callable[[], Any]) -> None:
        await record()

    controller = calm.controller(store=Frozen(calm.store, record))
    controller._clock.elapsed = lambda: elapsed_us() + skipped[0]
    await controller.start()
    await calm.leads(controller)
    skipped[0] = HOUR
    job = await calm.submit()
    await calm.state(job, JobState.RUNNING)
    assert pool.calls["launch"] == 0
    healthy.set()
    run = RunId(f"{job}-r1")
    await seen(calm, lambda: run in pool.runs)
    pool.finish(run)
    await calm.final(job)
    assert controller.status().leading


async def test_the_clock_may_jump_both_ways(calm: World, pool: FaultyPool) -> None:
    pool.instant = True
    offset = [0]
    clock = lambda: time.time_ns() // 1000 + offset[0]  # noqa: E731 — a clock is a function
    leader = await calm.lead("first", clock=clock)
    follower = calm.controller("second", clock=clock)
    await follower.start()
    await seen(calm, lambda: follower.status().leader_url == "http://first")
    for jump in (HOUR, -2 * HOUR, 24 * HOUR, 0):
        offset[0] = jump
        job = await calm.submit(retry=RetryPolicy(max_failures=1, backoff=SECOND // 10))
        assert (await calm.final(job)).state is JobState.SUCCEEDED
        assert leader.status().leading
        assert not follower.status().leading
    entries = await calm.store.entries(0, 10_000)
    times = [entry.now for entry in entries]
    assert times == sorted(times)
    offset[0] = -48 * HOUR  # the dead leader's lease lies in a far future
    await kill(leader)
    await calm.leads(follower)


async def test_a_bug_stops_the_loop_loudly(calm: World, caplog: pytest.LogCaptureFixture) -> None:
    controller = await calm.lead()

    async def poisoned(cycle: Cycle, record: Callable[[], Any]) -> None:
        raise InvariantViolation("job X was placed twice")

    term = controller._term
    assert term is not None
    term._recorder._store = Interposed(calm.store, poisoned)
    job = await calm.submit()
    await seen(calm, lambda: not controller.status().leading)
    await seen(calm, lambda: "placed twice" in controller.status().trouble)
    assert controller._task is not None
    with pytest.raises(InvariantViolation, match="placed twice"):
        await controller._task
    assert "the live loop stopped at a bug" in caplog.text
    assert await calm.store.current() is None  # given back: another may lead at once
    assert (await calm.job(job)).state is JobState.PENDING
    calm.controllers.remove(controller)


async def test_a_run_in_a_pool_that_is_gone_waits_for_it_or_for_a_cancel(
    calm: World, pool: FaultyPool
) -> None:
    first = await calm.lead("first")
    jobs = [await calm.submit() for _ in range(2)]
    await seen(calm, lambda: len(pool.runs) == 2)
    await first.stop()
    second = await calm.lead("second", pools={})
    await calm.ask("cancel", jobs[0])
    assert (await calm.final(jobs[0])).state is JobState.CANCELLED
    assert (await calm.job(jobs[1])).state is JobState.RUNNING
    await second.stop()
    pool.finish(RunId(f"{jobs[1]}-r1"))
    await calm.lead("third")
    assert (await calm.final(jobs[1])).state is JobState.SUCCEEDED
    assert f"ref-{jobs[0]}-r1" in pool.cancelled  # recorded as over, so it does not go on


async def test_each_term_begins_with_the_policy_that_the_server_was_given(
    calm: World, pool: FaultyPool
) -> None:
    pool.instant = True
    first = await calm.lead("first", policy=POLICIES["easy"])
    await calm.ask("set_queue", "night", weight="3", discipline="sjf")
    await calm.final(await calm.submit())
    await first.stop()
    await calm.lead("second", policy=POLICIES["fair"])
    terms = [entry for entry in await calm.store.entries(0, 1000) if entry.kind == "term"]
    told = [entry.events[0] for entry in terms]
    assert told == [
        PolicyChanged(entry.now, policy)
        for entry, policy in zip(terms, (POLICIES["easy"], POLICIES["fair"]), strict=True)
    ]
    assert terms[1].events[1] == QueueChanged(terms[1].now, QueueName("night"), 3, "sjf")


async def test_a_new_leader_is_told_the_reservations_that_are_not_over(
    calm: World, pool: FaultyPool
) -> None:
    pool.instant = True
    first = await calm.lead("first")
    far, node = 1 << 60, {"pool": "a", "nodes": "n1"}
    kept = {**node, "begin": str(far), "end": str(far + 9), "tenants": "lab\nx", "reason": "disks"}
    await calm.ask("reserve", "kept", **kept)
    await calm.ask("reserve", "met", **{**node, "begin": str(far + 8), "end": str(far + 20)})
    await calm.ask("reserve", "gone", **{**node, "begin": str(far + 9), "end": str(far + 20)})
    await calm.ask("reserve", "over", **{**node, "begin": "1", "end": "2"})
    await calm.ask("reserve", "odd", **{**node, "begin": "soon", "end": "2"})
    await calm.ask("unreserve", "gone")
    await calm.ask("unreserve", "never")
    await calm.final(await calm.submit())
    await first.stop()
    await calm.lead("second")
    last = [entry for entry in await calm.store.entries(0, 1000) if entry.kind == "term"][-1]
    [told] = [each for each in last.events if isinstance(each, ReservationMade)]
    assert told.at == last.now
    assert told.reservation == reservation_of(
        "kept", kept, by="ann", made_at=told.reservation.made_at
    )
    assert await calm.store.reservations() == {"kept": told.reservation}
    feed = [each for each in await calm.store.feed(0, 100) if "reservation" in each.kind]
    assert [(each.kind.split(".")[1], each.data["name"]) for each in feed] == [
        ("made", "kept"),
        ("refused", "met"),
        ("made", "gone"),
        ("refused", "over"),
        ("cancelled", "gone"),
    ]
    assert feed[0].data["tenants"] == "lab,x"
    assert feed[1].data["detail"] == "reservation kept keeps n1 at the same time"


async def test_a_new_leader_is_told_the_quotas_and_limits(calm: World, pool: FaultyPool) -> None:
    pool.instant = True
    first = await calm.lead("first")
    await calm.ask("set_queue", "lab", guarantee="A100=2,cpu=4", ceiling="cpu=8", cohort="dept")
    await calm.ask("set_queue", "gone", ceiling="cpu=1")
    await calm.ask("set_queue", "gone", guarantee="", ceiling="", cohort="")
    await calm.ask("set_queue", "lab", weight="2")  # leaves the quota as it is
    await calm.ask("set_tenant", "dept/a", weight="3", ceiling="cpu=2")
    await calm.ask("set_tenant", "dept/a", weight="5")  # leaves the quota as it is
    await calm.ask("set_limits", "ann", running="3")
    await calm.ask("set_limits", "ben", running="0")
    await calm.ask("set_limits", "ben", running="none")
    await calm.final(await calm.submit())
    await first.stop()
    await calm.lead("second")
    last = [entry for entry in await calm.store.entries(0, 1000) if entry.kind == "term"][-1]
    quota = Quota((("A100-80GB", 2000), ("cpu", 4000)), (("cpu", 8000),), "dept")
    assert last.events == (
        PolicyChanged(last.now, POLICIES["default"]),
        QueueChanged(last.now, QueueName("gone")),
        QueueChanged(last.now, QueueName("lab"), 2),
        QuotaChanged(last.now, QueueName("lab"), quota),
        TenantChanged(last.now, TenantName("dept/a"), 5),
        QuotaChanged(
            last.now, QueueName(""), Quota(ceiling=(("cpu", 2000),)), TenantName("dept/a")
        ),
        LimitsChanged(last.now, "ann", Limits(running=3)),
    )
    told = [each.data for each in await calm.store.feed(0, 100) if each.kind == "queue.changed"]
    told += [each.data for each in await calm.store.feed(0, 100) if each.kind == "limits.changed"]
    tenant = [each.data for each in await calm.store.feed(0, 100) if each.kind == "tenant.changed"]
    assert tenant[0]["ceiling"] == "cpu=2"
    assert tenant[1] == {"tenant": "dept/a", "weight": "5", "by": "ann"}
    lab = {"queue": "lab", "weight": "1", "open": "true", "by": "ann", "cohort": "dept"}
    assert told[0] == {**lab, "guarantee": "A100-80GB=2,cpu=4", "ceiling": "cpu=8"}
    assert {told[2][each] for each in ("guarantee", "ceiling", "cohort")} == {"none"}
    assert "guarantee" not in told[3]
    assert [each["running"] for each in told[4:]] == ["3", "0", "none"]


async def test_budgets_outlive_a_leader(calm: World, pool: FaultyPool) -> None:
    """What was used is told with the limits, whoever sets them and whoever leads then."""
    pool.now = lambda: time.time_ns() // 1000
    first = await calm.lead("first")
    jobs = [await calm.submit() for _ in range(3)]
    for job in jobs[:2]:
        await seen(calm, lambda job=job: f"{job}-r1" in pool.runs)
        pool.finish(RunId(f"{job}-r1"))
        await calm.final(job)
    await seen(calm, lambda: f"{jobs[2]}-r1" in pool.runs)
    await calm.ask("set_limits", "ann", device_hours="100", money="5000000")
    runs = await calm.store.runs(jobs[:2])
    bills = [run.bill for run in runs if run.bill is not None]
    used = sum(bill.device_ms for bill in bills)
    assert used > 0
    told = await until_async(lambda: events_of(calm, LimitsChanged))
    assert [event.limits for event in told] == [Limits(device_hours=100, money=5_000_000)]
    assert sum(each.device_ms for each in told[0].spent) == used
    ends = [event.used for event in await events_of(calm, RunEnded)]
    assert [(each.device_ms, each.money) for each in ends if each is not None] == [
        (bill.device_ms, bill.money) for bill in bills
    ]
    await first.stop()
    await calm.lead("second")
    last = (await events_of(calm, LimitsChanged))[-1]
    assert last.spent == told[0].spent
    [placed] = [event for event in await events_of(calm, RunPlaced) if event.job == jobs[2]]
    open_run = await calm.store.run(placed.run)
    assert open_run is not None
    hour = replace(open_run, started_at=0, ended_at=HOUR)
    assert placed.hourly == bill_of(hour, None).money
    waiting = await calm.submit(time_limit=200 * HOUR)  # more hours than the budget has
    pool.finish(placed.run)
    await calm.final(jobs[2])
    assert (await calm.job(waiting)).state is JobState.PENDING
    assert (await calm.replay()).identical


async def events_of(calm: World, kind: type[Any]) -> list[Any]:
    entries = await calm.store.entries(0, 1000)
    return [event for entry in entries for event in entry.events if isinstance(event, kind)]


async def test_what_ended_before_is_remembered_in_bounded_entries(
    calm: World, pool: FaultyPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.control.takeover.RUNS_PER_ENTRY", 3)
    pool.now = lambda: time.time_ns() // 1000
    first = await calm.lead("first")
    specs = [
        JobSpec(run=f"echo {n // 2}", name=f"n{n}", resources=(ONE,), time_limit=n * HOUR or None)
        for n in range(9)
    ]
    jobs = await calm.submit_all(specs)
    open_job = await calm.submit("sleep 1", retry=RetryPolicy(max_failures=1))
    for job in jobs:
        await seen(calm, lambda job=job: f"{job}-r1" in pool.runs)
        pool.finish(RunId(f"{job}-r1"))
        await calm.final(job)
    await seen(calm, lambda: f"{open_job}-r1" in pool.runs)
    pool.finish(RunId(f"{open_job}-r1"), Cause.FAILED, 1)
    await seen(calm, lambda: f"{open_job}-r2" in pool.runs)
    await calm.state(open_job, JobState.RUNNING)
    await until_async(lambda: started(calm, RunId(f"{open_job}-r2")))
    last = await calm.store.last()
    await first.stop()
    await calm.lead("second", remembered_runs=7)
    entries = [
        [event for event in entry.events if isinstance(event, RunRemembered)]
        for entry in await calm.store.entries(last, 1000)
    ]
    assert [len(told) for told in entries if told] == [3, 3, 1]
    told = [event for each in entries for event in each]
    assert [event.name for event in told] == ["n3", "n4", "n5", "n6", "n7", "n8", "job"]
    assert [event.time_limit for event in told] == [n * HOUR for n in range(3, 9)] + [None]
    assert told[1].command == told[2].command != told[0].command
    assert told[-1].cause is Cause.FAILED
    for event in told:
        assert (event.user, event.tasks, event.per_task.cpu_milli) == ("ann", 1, 1000)
        assert event.started_at <= event.ended_at <= event.at
    placed = [
        event
        for entry in await calm.store.entries(last, 1000)
        for event in entry.events
        if isinstance(event, RunPlaced)
    ]
    (again,) = [
        event
        for entry in await calm.store.entries(last, 1000)
        for event in entry.events
        if isinstance(event, JobSubmitted)
    ]
    (past,) = again.history  # what service it has had, for a discipline that goes by that
    assert (past.started_at, past.ended_at) == (told[-1].started_at, told[-1].ended_at)
    assert (past.tasks, past.per_task) == (1, told[-1].per_task)
    (run,) = await calm.store.open_runs()
    assert [(event.run, event.since) for event in placed] == [(run.id, run.started_at)]


async def started(world: World, run: RunId) -> bool:
    found = await world.store.run(run)
    return found is not None and found.started_at is not None


async def test_what_is_long_past_is_not_remembered(calm: World, pool: FaultyPool) -> None:
    pool.instant = True
    first = await calm.lead("first")
    await calm.final(await calm.submit())
    await first.stop()
    last = await calm.store.last()
    brief = replace(POLICIES["default"], half_life=1)
    await calm.lead("second", policy=brief)
    entries = await calm.store.entries(last, 1000)
    assert not [e for entry in entries for e in entry.events if isinstance(e, RunRemembered)]


async def test_a_long_line_is_taken_over_in_bounded_entries(calm: World, pool: FaultyPool) -> None:
    spec = JobSpec(run="true", resources=(ResourceOption(cpu_milli=40, memory_mib=1),))
    first = await calm.lead("first")
    jobs = await calm.submit_all([spec] * 2500)
    await seen(calm, lambda: first.status().pending + first.status().running == 2500)
    await first.stop()
    second = await calm.lead("second")
    assert second.status().pending + second.status().running == 2500
    entries = await calm.store.entries(0, 10_000)
    assert max(len(entry.events) for entry in entries) <= 2000 + 400
    (told,) = [await second.explain(jobs[-1])]
    assert told is not None
    pool.instant = True
    for run in list(pool.runs):
        pool.finish(run)
    await calm.all_final(2500)
    assert set(pool.begun.values()) == {1}
    assert len(pool.begun) == 2500


async def test_a_term_is_renewed_so_that_the_journal_can_be_pruned(
    calm: World, pool: FaultyPool
) -> None:
    controller = await calm.lead(term_length=SECOND // 5, journal_keep=0)
    job = await calm.submit()
    run = RunId(f"{job}-r1")
    await seen(calm, lambda: run in pool.runs)
    terms = controller.counters.terms
    await seen(calm, lambda: controller.counters.terms > terms + 1)
    pool.finish(run)
    ended = await calm.final(job)
    assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 1)
    assert pool.begun == {run: 1}

    async def pruned() -> bool:
        entries = await calm.store.entries(0, 1)
        return bool(entries) and entries[0].number > 1

    await until_async(pruned)
