"""Preempting: what the loop does when the scheduler says that a run has to make room."""

import json
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from suan.core import Scheduler
from suan.jobfile import load
from suan.model.errors import StoreUnavailable
from suan.model.events import Event, JobSubmitted, RunEnded, RunPlaced
from suan.model.job import Cause, JobState, RunState
from suan.model.plan import Place, Plan, Stop
from suan.model.policy import POLICIES, Policy
from suan.model.spec import Checkpoint, ResourceOption
from suan.model.units import DAY, HOUR, MINUTE, SECOND, Duration, JobId, PoolName, RunId, run_id
from tests.control.faulty import HANG, FaultyPool
from tests.control.world import World, kill, made, open_local_pools
from tests.waiting import until_async

EXAMPLE = Path(__file__).parents[2] / "examples" / "checkpoint"
ONE_PLACE = """\
pools:
  - name: small
    kind: local
    nodes: [{name: small, count: 1, cpus: 1, memory: 1GB}]
    prices: {cpu_hour: 1.5}
"""


WHOLE = ResourceOption(cpu_milli=4000, memory_mib=64)  # the one node of the pools that are made up


class Preempting(Scheduler):
    """The real scheduler, and a rule that is plain to see: a job called "urgent" takes the place
    of whatever runs."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[RunId, JobId] = {}
        self._urgent: JobId | None = None

    def apply(self, event: Event) -> None:
        super().apply(event)
        match event:
            case JobSubmitted(job=job, name="urgent", attempts=0):
                self._urgent = job
            case RunPlaced(run=run, job=job):
                self._open[run] = job
            case RunEnded(run=run):
                self._open.pop(run, None)

    def decide(self, now: int, limit: int) -> Plan:
        plan = super().decide(now, limit)
        stops: list[Stop] = []
        if self._urgent is not None:
            detail = f"urgent job {self._urgent} takes its place"
            stops = [Stop(run, Cause.PREEMPTED, detail) for run in self._open]
            self._urgent = None
        self._open |= {d.run: d.job for d in plan.decisions if isinstance(d, Place)}
        return replace(plan, decisions=(*stops, *plan.decisions))


@dataclass
class SignallingPool(FaultyPool):
    """A pool that can send a job's own signal."""

    signals: list[tuple[str, str, Duration]] = field(default_factory=list)

    async def preempt(self, ref: str, *, signal: str, grace: Duration) -> None:
        self.signals.append((ref, signal, grace))
        await self.cancel(ref, grace)


@pytest.fixture
def pool() -> SignallingPool:
    return SignallingPool(nodes=1)


@pytest.fixture
async def calm(tmp_path: Path, pool: SignallingPool) -> AsyncIterator[World]:
    """A world whose pool does as the test says."""
    async with made(tmp_path, {PoolName("faulty"): pool}, Preempting) as world:
        yield world


async def seen(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await until_async(holds)


async def displaced(
    world: World, pool: FaultyPool, saves: Checkpoint | None = None
) -> tuple[JobId, JobId, RunId]:
    """A job that runs, an urgent one that comes, and the run that has to make room."""
    victim = await world.submit(name="victim", checkpoint=saves, resources=(WHOLE,))
    run = RunId(f"{victim}-r1")
    await seen(lambda: run in pool.runs)
    return victim, await world.submit(name="urgent", priority=9, resources=(WHOLE,)), run


SAVES = """
trap 'echo $step > {d}/checkpoint; exit 0' USR1
step=0; test ! -e {d}/checkpoint || step=$(cat {d}/checkpoint)
echo "from $step" >> {d}/told
while test ! -e {d}/go; do step=$((step + 1)); touch {d}/steps; sleep 0.02; done
"""


@pytest.mark.enable_socket
async def test_a_preempted_job_goes_on_from_what_it_saved_in_its_own_place(tmp_path: Path) -> None:
    pools = open_local_pools(tmp_path / "home", ONE_PLACE)
    async with made(tmp_path, pools, Preempting) as world:
        await world.lead(policy=POLICIES["fifo"])
        saves = Checkpoint(signal="SIGUSR1", grace=MINUTE)
        script = SAVES.format(d=tmp_path)
        victim = await world.submit(script, name="victim", checkpoint=saves)
        await seen((tmp_path / "steps").exists)
        later = await world.submit("true", name="later")
        urgent = await world.submit(f"touch {tmp_path}/go", name="urgent", priority=9)
        for job in (victim, later, urgent):
            assert (await world.final(job, timeout=30)).state is JobState.SUCCEEDED
        first, second = await world.runs(victim)
        assert first.outcome is not None
        assert first.outcome.cause is Cause.PREEMPTED
        assert first.outcome.detail == f"urgent job {urgent} takes its place"
        saved = int((tmp_path / "checkpoint").read_text())
        assert (tmp_path / "told").read_text() == f"from 0\nfrom {saved}\n"
        assert saved > 0
        assert all(run.bill is not None and run.bill.cpu_ms > 0 for run in (first, second))
        feed = await world.store.feed(0, 1000)
        placed = [entry.run for entry in feed if entry.kind == "run.placed"]
        assert placed == [f"{victim}-r1", f"{urgent}-r1", f"{victim}-r2", f"{later}-r1"]
        (stopping,) = [entry for entry in feed if entry.kind == "run.stopping"]
        assert stopping.data["cause"] == "preempted"
        assert urgent in stopping.data["detail"]
        (requeued,) = [entry for entry in feed if entry.kind == "job.requeued"]
        assert urgent in requeued.data["detail"]


@pytest.mark.enable_socket
async def test_the_example_is_displaced_by_a_job_of_higher_priority(tmp_path: Path) -> None:
    """By the scheduler's own decision, and it goes on in its second run."""
    shutil.copytree(EXAMPLE, tmp_path / "example")
    (spec,) = load(tmp_path / "example" / "job.yaml", submit_dir=str(tmp_path)).specs
    whole = (ResourceOption(cpu_milli=1000, memory_mib=64),)
    endless = replace(spec, resources=whole, envs={"BLOCKS": str(10**9)})
    pools = open_local_pools(tmp_path / "home", ONE_PLACE)
    async with made(tmp_path, pools) as world:
        controller = await world.lead(policy=Policy(min_run_time=0))
        (job,) = await world.submit_all([endless])

        async def said(attempt: int, words: bytes) -> bool:
            run = await world.store.run(run_id(job, attempt))
            if run is None:
                return False
            log = await controller.read_log(run, task=0, stream="stdout", offset=0, limit=4096)
            return words in log.data

        await until_async(lambda: said(1, b"from block 0"), what="the example to begin")
        urgent = await world.submit("true", name="urgent", priority=9)
        assert (await world.final(urgent)).state is JobState.SUCCEEDED
        await until_async(lambda: said(2, b"from block"), what="the example to go on")
        (state,) = (tmp_path / "example" / "results").glob("*.json")
        saved = json.loads(state.read_text())["blocks"]
        assert saved > 0
        assert await said(1, f"saved after block {saved}\n".encode())
        assert await said(2, f"attempt 2: from block {saved}\n".encode())
        (first, _) = await world.runs(job)
        assert first.outcome is not None
        assert (first.outcome.cause, urgent in first.outcome.detail) == (Cause.PREEMPTED, True)
        await world.ask("cancel", job)
        await world.final(job)


@pytest.mark.parametrize(
    ("saves", "sent"),
    [
        (None, []),
        (Checkpoint("SIGUSR1", grace=MINUTE), [("SIGUSR1", MINUTE)]),
        (Checkpoint("SIGINT", interval=HOUR), [("SIGINT", SECOND // 2)]),
        (Checkpoint(grace=DAY), [("SIGTERM", HOUR)]),
    ],
)
async def test_the_pool_is_told_the_jobs_signal_and_grace(
    calm: World,
    pool: SignallingPool,
    saves: Checkpoint | None,
    sent: list[tuple[str, Duration]],
) -> None:
    await calm.lead()
    victim, urgent, run = await displaced(calm, pool, saves)
    await seen(lambda: f"{urgent}-r1" in pool.runs)
    assert [(signal, grace) for _, signal, grace in pool.signals] == sent
    pool.finish(RunId(f"{urgent}-r1"))
    await seen(lambda: f"{victim}-r2" in pool.runs)
    pool.finish(RunId(f"{victim}-r2"))
    ended = await calm.final(victim)
    assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 2)
    assert pool.cancelled == [f"ref-{run}"]


async def test_a_pool_that_sends_no_signals_is_asked_to_cancel(tmp_path: Path) -> None:
    pool = FaultyPool(nodes=1)
    async with made(tmp_path, {PoolName("faulty"): pool}, Preempting) as world:
        await world.lead()
        victim, urgent, _ = await displaced(world, pool, Checkpoint("SIGUSR1"))
        await seen(lambda: f"{urgent}-r1" in pool.runs)
        (run,) = await world.runs(victim)
        assert run.outcome is not None
        assert run.outcome.cause is Cause.PREEMPTED


async def test_a_run_that_ends_before_the_signal_keeps_its_own_outcome(
    calm: World, pool: SignallingPool
) -> None:
    pool.plan("cancel", HANG)
    await calm.lead()
    victim, urgent, run = await displaced(calm, pool, Checkpoint("SIGUSR1"))
    await seen(lambda: bool(pool.signals))
    pool.finish(run)
    ended = await calm.final(victim)
    assert (ended.state, ended.attempts, ended.exit_code) == (JobState.SUCCEEDED, 1, 0)
    await seen(lambda: f"{urgent}-r1" in pool.runs)


async def test_a_preemption_outlives_its_leader(calm: World, pool: SignallingPool) -> None:
    """Neither is the run left alone, nor is its end taken for a cancel of the job."""
    pool.plan("cancel", HANG)
    first = await calm.lead("first", call_timeout=HOUR)
    victim, urgent, run = await displaced(calm, pool, Checkpoint("SIGUSR1", grace=MINUTE))
    await seen(lambda: bool(pool.signals))
    await kill(first)
    (recorded,) = await calm.store.open_runs()
    assert recorded.stop is not None
    assert recorded.stop.cause is Cause.PREEMPTED
    await calm.lead("second")
    await seen(lambda: f"{urgent}-r1" in pool.runs)
    (ended,) = await calm.runs(victim)
    assert (ended.id, ended.state) == (run, RunState.ENDED)
    assert ended.outcome is not None
    assert (ended.outcome.cause, urgent in ended.outcome.detail) == (Cause.PREEMPTED, True)
    assert (await calm.job(victim)).state is JobState.PENDING
    assert len(pool.signals) == 2


async def test_a_new_leader_is_told_who_began_in_a_hurry_and_what_a_resized_run_keeps(
    tmp_path: Path,
) -> None:
    pool = SignallingPool(nodes=2, stubborn=True)
    async with made(tmp_path, {PoolName("faulty"): pool}) as world:
        policy = replace(POLICIES["deadline"], min_run_time=0)
        first = await world.lead("first", policy=policy)
        due = time.time_ns() // 1000 + HOUR + MINUTE
        soon = await world.submit(resources=(WHOLE,), deadline=due, expected=HOUR)
        await seen(lambda: f"{soon}-r1" in pool.runs)
        quarter = (ResourceOption(cpu_milli=1000, memory_mib=64),)
        saves = Checkpoint("SIGUSR1", grace=HOUR)
        spread = await world.submit(num_nodes=1, max_nodes=9, resources=quarter, checkpoint=saves)
        run = RunId(f"{spread}-r1")
        await seen(lambda: run in pool.runs)
        other = await world.submit(resources=quarter)
        await seen(lambda: bool(pool.signals))
        await kill(first)
        last = await world.store.last()
        await world.lead("second", policy=policy)
        entries = await world.store.entries(last, 1000)
        told = [event for each in entries for event in each.events if isinstance(event, RunPlaced)]
        (node,) = {name for event in told if event.job == spread for name in event.nodes}
        assert {
            (event.job, event.hurries, event.keeps, event.makes_room_for) for event in told
        } == {
            (soon, True, None, None),
            (spread, False, (node,), other),
        }
        pool.finish(run, Cause.CANCELLED, None)
        await seen(lambda: {f"{spread}-r2", f"{other}-r1"} <= pool.runs.keys())
        assert (await world.replay()).identical


async def test_a_job_cancelled_while_it_saves_is_ended_and_stays_so(
    calm: World, pool: SignallingPool
) -> None:
    pool.stubborn = True
    await calm.lead()
    victim, _, run = await displaced(calm, pool, Checkpoint("SIGUSR1", grace=HOUR))
    await seen(lambda: bool(pool.signals))
    pool.stubborn = False
    await calm.ask("cancel", victim)
    assert (await calm.final(victim)).state is JobState.CANCELLED
    assert pool.cancelled == [f"ref-{run}"] * 2  # by way of preempt, then by its own


async def test_the_store_may_fail_while_a_job_is_to_be_preempted(
    calm: World, pool: SignallingPool
) -> None:
    """How a job saves its work is read when it is needed, and until it can be."""
    faults = [StoreUnavailable("busy")] * 3
    controller = await calm.lead()
    victim = await calm.submit(name="victim", checkpoint=Checkpoint("SIGUSR1"))
    await seen(lambda: f"{victim}-r1" in pool.runs)
    term = controller._term
    assert term is not None
    read = term._agents[PoolName("faulty")]._around.checkpoint

    async def failing(run: object) -> Checkpoint | None:
        if faults:
            raise faults.pop()
        return await read(run)  # type: ignore[arg-type] # it is passed on as it came

    agent = term._agents[PoolName("faulty")]
    agent._around = replace(agent._around, checkpoint=failing)
    await calm.submit(name="urgent", priority=9)
    await seen(lambda: bool(pool.signals))
    assert not faults
