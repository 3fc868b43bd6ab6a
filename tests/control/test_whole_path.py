"""From submission to the end, with the real store, scheduler and local pool."""

from pathlib import Path

import pytest

from suan.control import Controller
from suan.model.job import Cause, JobState, RunState
from suan.model.spec import JobSpec, ResourceOption, RetryPolicy
from suan.model.store import JobFilter
from suan.model.units import SECOND, JobId
from tests.control.world import ONE, World
from tests.waiting import until_async

pytestmark = pytest.mark.enable_socket  # the local pool finds free ports for rendezvous


async def test_a_job_goes_from_submission_to_its_bill(world: World, tmp_path: Path) -> None:
    controller = await world.lead()
    job = await world.submit(f"echo $SUAN_RUN_ID > {tmp_path}/out")
    ended = await world.final(job)
    assert (ended.state, ended.exit_code, ended.attempts) == (JobState.SUCCEEDED, 0, 1)
    assert ended.pool == "left"
    assert (tmp_path / "out").read_text().strip() == f"{job}-r1"
    (run,) = await world.runs(job)
    assert run.state is RunState.ENDED
    assert run.outcome is not None
    assert run.outcome.cause is Cause.SUCCEEDED
    assert run.ref
    assert run.bill is not None
    assert run.bill.cpu_ms > 0
    assert run.placed_at <= (run.started_at or 0) <= (run.ended_at or 0)
    assert "left" in run.reasons[0]
    assert await world.kinds(job) == [
        "job.submitted",
        "run.placed",
        "run.started",
        "run.ended",
        "job.finished",
    ]
    assert controller.status().pending == controller.status().running == 0


async def test_a_gang_runs_whole(world: World, tmp_path: Path) -> None:
    await world.lead()
    job = await world.submit(f"touch {tmp_path}/rank-$SKYPILOT_NODE_RANK", num_nodes=4)
    assert (await world.final(job)).state is JobState.SUCCEEDED
    assert len(list(tmp_path.glob("rank-*"))) == 4
    (run,) = await world.runs(job)
    assert len(run.nodes) == 4


async def test_a_failed_job_is_tried_again_by_its_rule(world: World, tmp_path: Path) -> None:
    await world.lead()
    script = f'echo x >> {tmp_path}/tries; test "$SUAN_ATTEMPT" = 3 || exit 7'
    job = await world.submit(script, retry=RetryPolicy(max_failures=2, on_exit_codes=(7,)))
    ended = await world.final(job)
    assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 3)
    assert (tmp_path / "tries").read_text() == "x\n" * 3
    assert (await world.kinds(job)).count("job.requeued") == 2


async def test_a_job_that_always_fails_says_why(world: World) -> None:
    await world.lead()
    job = await world.submit("exit 3", retry=RetryPolicy(max_failures=1))
    ended = await world.final(job)
    assert (ended.state, ended.exit_code, ended.attempts) == (JobState.FAILED, 3, 2)
    assert "3" in ended.detail


async def test_secrets_reach_the_job_and_nothing_else(world: World, tmp_path: Path) -> None:
    await world.lead()
    job = await world.submit(
        f"printf %s $TOKEN > {tmp_path}/seen", secrets={"TOKEN": "kumquat-1138"}
    )
    await world.final(job)
    assert (tmp_path / "seen").read_text() == "kumquat-1138"
    assert "kumquat" not in repr(await world.store.entries(0, 100))
    assert "kumquat" not in repr(await world.store.feed(0, 100))
    assert "kumquat" not in repr(await world.runs(job))


async def test_memory_is_limited_only_where_it_was_asked_for(world: World) -> None:
    from suan.control.intake import launch_of

    free = await world.submit("true", resources=(ResourceOption(),))
    bound = await world.submit("true", resources=(ResourceOption(memory_mib=100),))
    await world.lead()
    for job, limit in ((free, None), (bound, 100)):
        ended = await world.final(job)
        (run,) = await world.runs(job)
        assert launch_of(ended, run, {}).memory_limit_mib == limit


async def test_a_chain_runs_in_order(world: World, tmp_path: Path) -> None:
    await world.lead()
    first = await world.submit(f"sleep 0.1; echo 1 >> {tmp_path}/order")
    second = await world.submit(f"echo 2 >> {tmp_path}/order", after=((first, "succeeded"),))
    third = await world.submit(f"echo 3 >> {tmp_path}/order", after=((second, "ended"),))
    assert (await world.final(third)).state is JobState.SUCCEEDED
    assert (tmp_path / "order").read_text() == "1\n2\n3\n"


async def test_a_dependency_that_has_ended_is_judged_by_how(world: World) -> None:
    await world.lead()
    good, bad = await world.submit("true"), await world.submit("exit 1")
    await world.final(good)
    await world.final(bad)
    meets = [(good, "succeeded"), (good, "ended"), (bad, "failed"), (bad, "ended")]
    never = [(good, "failed"), (bad, "succeeded")]
    for dependency in meets:
        job = await world.submit(after=(dependency,))
        assert (await world.final(job)).state is JobState.SUCCEEDED, dependency
    for dependency in never:
        job = await world.submit(after=(dependency,))
        ended = await world.final(job)
        assert ended.state is JobState.SKIPPED
        assert dependency[0] in ended.detail


async def test_a_job_behind_one_that_can_never_start_is_skipped_too(world: World) -> None:
    await world.lead()
    bad = await world.submit("exit 1")
    await world.final(bad)
    world.controllers[0].nudge()
    second = await world.submit(after=((bad, "succeeded"),))
    third = await world.submit(after=((second, "succeeded"),))
    fourth = await world.submit(after=((second, "ended"),))
    assert (await world.final(third)).state is JobState.SKIPPED
    assert (await world.final(fourth)).state is JobState.SUCCEEDED


async def test_one_batch_may_hold_a_whole_chain_that_can_never_start(world: World) -> None:
    bad = await world.submit("exit 1")
    second = await world.submit(after=((bad, "succeeded"),))
    third = await world.submit(after=((second, "succeeded"),))
    await world.lead()
    for job in (second, third):
        assert (await world.final(job)).state is JobState.SKIPPED


async def test_a_pending_job_is_cancelled(world: World) -> None:
    await world.lead()
    blocker = await world.submit("sleep 30", num_nodes=4)
    waiting = await world.submit()
    await world.state(blocker, JobState.RUNNING)
    await world.ask("cancel", waiting)
    assert (await world.final(waiting)).state is JobState.CANCELLED
    assert not await world.runs(waiting)
    await world.ask("cancel", blocker)
    ended = await world.final(blocker)
    assert ended.state is JobState.CANCELLED
    kinds = await world.kinds(blocker)
    assert kinds.index("run.stopping") < kinds.index("run.ended")


async def test_a_job_cancelled_before_it_is_taken_never_runs(world: World, tmp_path: Path) -> None:
    job = await world.submit(f"touch {tmp_path}/ran")
    await world.ask("cancel", job)
    await world.lead()
    assert (await world.final(job)).state is JobState.CANCELLED
    assert not (tmp_path / "ran").exists()


async def test_a_drained_pool_takes_nothing_new(world: World) -> None:
    controller = await world.lead()
    await world.ask("drain", "left")

    async def drained() -> bool:
        return (await controller.pools())[0].drained

    await until_async(drained)
    job = await world.submit()

    async def refused() -> bool:
        told = await controller.explain(job)
        return told is not None and [r.code for r in told.refusals] == ["pool_drained"]

    await until_async(refused)
    assert await world.store.drained_pools() == ("left",)
    await world.ask("undrain", "left")
    assert (await world.final(job)).state is JobState.SUCCEEDED


async def test_a_closed_queue_starts_nothing(world: World) -> None:
    controller = await world.lead()
    await world.ask("set_queue", "default", weight="2", discipline="fifo", open="false")
    job = await world.submit()

    async def refused() -> bool:
        told = await controller.explain(job)
        return told is not None and [r.code for r in told.refusals] == ["queue_closed"]

    await until_async(refused)
    await world.ask("set_queue", "default", weight="2", open="true")
    await world.final(job)
    assert await world.store.queues() == {"default": (2, "", True)}


async def test_a_command_that_makes_no_sense_stops_nobody(world: World) -> None:
    controller = await world.lead()
    await world.ask("set_queue", "default", weight="heavy")
    await world.ask("set_queue", "default", ceiling="cpu=heavy")
    await world.ask("set_queue", "default", ceiling="cpu=1", guarantee="cpu=2")
    await world.ask("set_limits", "ann", running="few")
    await world.ask("set_limits", "ann", running="-1")
    await world.ask("dance", "left")
    await world.ask("cancel", "NOSUCHJOB000")
    await world.ask("drain", "nowhere")
    await world.final(await world.submit())
    assert controller.status().leading
    assert not (await world.store.gather(10)).commands
    assert not await world.store.quotas()
    assert not await world.store.limits()


async def test_a_ceiling_keeps_jobs_waiting_until_it_is_raised(world: World) -> None:
    await world.lead()
    await world.ask("set_queue", "default", ceiling="cpu=1")
    jobs = await world.submit_all(
        [JobSpec(run="sleep 60", name=f"n{n}", resources=(ONE,)) for n in range(2)]
    )
    await until_async(lambda: _started(world, jobs[0]))
    assert (await world.job(jobs[1])).state is JobState.PENDING
    await world.ask("set_queue", "default", guarantee="", ceiling="", cohort="")
    await until_async(lambda: _started(world, jobs[1]))
    for job in jobs:
        await world.ask("cancel", job)
        await world.final(job)


async def _started(world: World, job: JobId) -> bool:
    return (await world.job(job)).state is JobState.RUNNING


async def test_what_a_dry_run_says_then_happens(world: World) -> None:
    controller = await world.lead()
    await until_async(lambda: _available(controller), what="the pool's first observation")
    spec = JobSpec(run="true", resources=(ONE,))
    told = await controller.dry_run(spec, "ann")
    assert [cost.pool for cost in told.costs] == ["left"]
    assert not told.refusals
    too_big = JobSpec(run="true", num_nodes=40, resources=(ONE,))
    refused = await controller.dry_run(too_big, "ann")
    assert [r.code for r in refused.refusals] == ["gang_too_large"]
    assert sum((await world.store.counts(JobFilter())).values()) == 0


async def test_pools_are_told_with_what_is_free(world: World) -> None:
    controller = await world.lead()
    job = await world.submit("sleep 30", num_nodes=2)
    await world.state(job, JobState.RUNNING)
    (left,) = await controller.pools()
    assert (left.total.cpu_milli, left.free.cpu_milli, left.runs) == (4000, 2000, 1)
    assert left.available
    assert left.observed_at
    await world.ask("cancel", job)
    await world.final(job)


async def test_the_log_is_read_from_the_pool(world: World) -> None:
    controller = await world.lead()
    job = await world.submit("printf hello; printf oops >&2")
    await world.final(job)
    (run,) = await world.runs(job)
    out = await controller.read_log(run, task=0, stream="stdout", offset=0, limit=100)
    assert (out.data, out.end) == (b"hello", True)
    err = await controller.read_log(run, task=0, stream="stderr", offset=0, limit=100)
    assert err.data == b"oops"


async def test_a_time_limit_ends_a_run(world: World) -> None:
    await world.lead()
    job = await world.submit("sleep 30", time_limit=SECOND)
    ended = await world.final(job)
    assert ended.state is JobState.FAILED
    (run,) = await world.runs(job)
    assert run.outcome is not None
    assert run.outcome.cause is Cause.TIMED_OUT


@pytest.mark.parametrize("count", [300])
async def test_many_jobs_pass_through(world: World, count: int) -> None:
    await world.lead(decisions_per_cycle=7, jobs_per_cycle=50)
    tiny = ResourceOption(cpu_milli=100, memory_mib=16)
    spec = JobSpec(run="true", resources=(tiny,))
    await world.submit_all([spec] * count)
    assert (await world.all_final(count))[JobState.SUCCEEDED] == count


async def _available(controller: Controller) -> bool:
    return all(pool.available for pool in await controller.pools())
