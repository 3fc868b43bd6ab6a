"""Recording cycles, and what the leader reads."""

from dataclasses import replace

import pytest

from suan.model.bill import Bill
from suan.model.errors import InputError, LeaseLost, StoreConflict
from suan.model.events import RunEnded, TimePassed
from suan.model.job import Cause, JobState, Outcome, Run, RunState
from suan.model.quota import Limits, Quota, Spent, Tenant
from suan.model.reservation import Reservation
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.store import Command, Cycle, FeedEntry, Lease, Store
from suan.model.units import HOUR, JobId, NodeName, PoolName, RunId
from tests.conformance.store.samples import (
    NOW,
    TTL,
    cycle,
    entry,
    lead,
    placed,
    submit,
    submitted_event,
    updated,
)

REPAIR = Reservation(
    "repair", PoolName("here"), (NodeName("n1"), NodeName("n2")), NOW, NOW + TTL, by="ann"
)
QUOTA = Quota((("A100-80GB", 8000), ("cpu", 64_000)), (("cpu", 128_000),), "lab")


async def everything(store: Store) -> tuple[object, ...]:
    """All that a cycle may change."""
    return (
        await store.entries(0, 100),
        (await store.gather(100)),
        await store.unfinished_jobs(0, 100),
        await store.open_runs(),
        await store.feed(0, 100),
        await store.drained_pools(),
        await store.queues(),
        await store.quotas(),
        await store.tenants(),
        await store.limits(),
        await store.reservations(),
    )


def full_cycle(number: int = 1) -> Cycle:
    return cycle(
        entry(number),
        jobs=(updated("a", JobState.RUNNING, started_at=NOW, pool="here"),),
        runs=(placed("a"),),
        feed=(FeedEntry(0, NOW, "run.placed", JobId("a"), RunId("a-r1"), {"pool": "here"}),),
        taken_jobs=(JobId("a"),),
        taken_commands=(1,),
        drained_pools={"there": True},
        queues={"night": (3, "fifo", False)},
        quotas={"night": QUOTA},
        tenant_weights={"lab/vision": 3},
        tenant_quotas={"lab": QUOTA},
        limits={"ann": Limits(running=3)},
        reservations={"repair": REPAIR},
    )


async def test_commands_left_together_keep_their_order(store: Store) -> None:
    jobs = (await submit(store, "a", "b", "c")).jobs
    commands = [Command("cancel", job, "ada") for job in jobs]
    await store.request_all(commands[::-1], NOW)
    await store.request_all([], NOW)
    gathered = await store.gather(10)
    assert [command for _, command in gathered.commands] == commands[::-1]
    assert all(job.cancel_requested for job in gathered.jobs)


async def test_a_cycle_changes_everything_it_names(store: Store) -> None:
    await submit(store, "a", "b")
    await store.request(Command("drain", "there", "ada", {"why": "dust"}), NOW)
    before = await store.gather(10)
    assert before.commands == ((1, Command("drain", "there", "ada", {"why": "dust"})),)
    await store.record(full_cycle(), await lead(store))
    after = await store.gather(10)
    assert [job.id for job in after.jobs] == ["b"]
    assert after.commands == ()
    (job,) = await store.unfinished_jobs(0, 10)
    assert (job.id, job.state, job.attempts, job.started_at, job.pool) == (
        "a",
        JobState.RUNNING,
        1,
        NOW,
        "here",
    )
    assert await store.open_runs() == (placed("a"),)
    assert await store.run(RunId("a-r1")) == placed("a")
    assert await store.drained_pools() == ("there",)
    assert await store.queues() == {"night": (3, "fifo", False)}
    assert await store.quotas() == {"night": QUOTA}
    assert await store.tenants() == {"lab": Tenant(quota=QUOTA), "lab/vision": Tenant(3)}
    assert await store.limits() == {"ann": Limits(running=3)}
    assert await store.feed(0, 10) == (
        FeedEntry(1, NOW, "run.placed", JobId("a"), RunId("a-r1"), {"pool": "here"}),
    )
    assert await store.last() == 1


@pytest.mark.parametrize("how", ["taken over", "released", "another token", "another holder"])
async def test_a_lost_lease_records_nothing(store: Store, how: str) -> None:
    await submit(store, "a")
    await store.request(Command("drain", "there"), NOW)
    lease = await lead(store)
    if how == "taken over":
        await store.acquire("other", "", NOW + TTL, TTL)
    elif how == "released":
        await store.release(lease)
    elif how == "another token":
        lease = replace(lease, token=lease.token + 1)
    else:
        lease = replace(lease, holder="other")
    before = await everything(store)
    with pytest.raises(LeaseLost):
        await store.record(full_cycle(), lease)
    assert await everything(store) == before


async def test_without_any_lease_nothing_is_recorded(store: Store) -> None:
    with pytest.raises(LeaseLost):
        await store.record(full_cycle(), Lease("nobody", 1, "", NOW + TTL))
    assert await store.last() == 0


async def test_a_cycle_that_fails_midway_changes_nothing(store: Store) -> None:
    await submit(store, "a")
    lease = await lead(store)
    await store.record(cycle(entry(1)), lease)
    before = await everything(store)
    with pytest.raises(StoreConflict):
        await store.record(cycle(entry(2), entry(1), taken_jobs=(JobId("a"),)), lease)
    assert await everything(store) == before


async def test_what_cannot_be_stored_is_refused_whole(store: Store) -> None:
    lease = await lead(store)
    with pytest.raises(InputError):
        await store.record(cycle(entry(1), entry(2, TimePassed(2**70))), lease)
    assert await store.last() == 0


async def test_a_run_is_made_and_then_changed(store: Store) -> None:
    await submit(store, "a")
    lease = await lead(store)
    await store.record(cycle(entry(1), runs=(placed("a"), placed("a", 2))), lease)
    outcome = Outcome(Cause.FAILED, 137, 9, "killed: 内存\x00\ud800")
    ended = placed(
        "a",
        state=RunState.ENDED,
        started_at=NOW + 1,
        ended_at=NOW + 2,
        ref="/runs/a-r1",
        outcome=replace(outcome, detail="killed"),
        bill=Bill(cpu_ms=5, money=7, energy_method="model", notes=("assumed",)),
    )
    await store.record(cycle(entry(2), runs=(ended,)), lease)
    assert await store.runs([JobId("a")]) == (ended, placed("a", 2))
    assert await store.open_runs() == (placed("a", 2),)
    with pytest.raises(InputError):  # a lone surrogate is no text
        await store.record(cycle(entry(3, RunEnded(NOW, ended.id, outcome))), lease)


async def test_a_final_job_keeps_why_it_ended(store: Store) -> None:
    await submit(store, "a")
    fields = {"ended_at": NOW + 9, "exit_code": 3, "detail": "exit code 3\x00 at 节点"}
    update = updated("a", JobState.FAILED, attempts=2, **fields)
    await store.record(cycle(entry(1), jobs=(update,), taken_jobs=(JobId("a"),)), await lead(store))
    job = await store.get(JobId("a"))
    assert job is not None
    assert (job.state, job.attempts, job.ended_at, job.exit_code, job.detail) == (
        JobState.FAILED,
        2,
        NOW + 9,
        3,
        "exit code 3\ufffd at 节点",
    )
    assert await store.unfinished_jobs(0, 10) == ()
    assert await store.job_states([JobId("a"), JobId("none")]) == {"a": JobState.FAILED}


async def test_gather_gives_the_oldest_that_are_not_taken(store: Store) -> None:
    await submit(store, *(f"j{at}" for at in range(10)))
    numbers = [await store.request(Command("cancel", f"j{at}"), NOW) for at in range(4)]
    assert numbers == sorted(set(numbers))
    lease = await lead(store)
    seen: list[str] = []
    for number in range(1, 5):
        gathered = await store.gather(3)
        seen += [job.id for job in gathered.jobs]
        taken = tuple(job.id for job in gathered.jobs)
        commands = tuple(number for number, _ in gathered.commands)
        await store.record(cycle(entry(number), taken_jobs=taken, taken_commands=commands), lease)
    assert seen == [f"j{at}" for at in range(10)]
    assert (await store.gather(3)) == type(gathered)((), ())
    assert [job.id for job in await store.unfinished_jobs(0, 100)] == seen
    first = (await store.unfinished_jobs(0, 4))[-1]
    assert [job.id for job in await store.unfinished_jobs(first.seq, 3)] == ["j4", "j5", "j6"]


async def test_a_cancel_marks_the_job_it_names(store: Store) -> None:
    await submit(store, "a", "b", "c")
    update = updated("c", JobState.SUCCEEDED)
    await store.record(cycle(entry(1), jobs=(update,)), await lead(store))
    for target in ("b", "c", "none"):
        await store.request(Command("cancel", target, by="ada"), NOW)
    await store.request(Command("drain", "a"), NOW)
    marked = {job.id: job.cancel_requested for job in (await store.gather(10)).jobs}
    assert marked == {"a": False, "b": True, "c": False}


async def test_pools_and_queues_change_back(store: Store) -> None:
    lease = await lead(store)
    drained = {"x": True, "y": True}
    queues = {"q": (1, "fifo", True), "p": (2, "sjf", False)}
    await store.record(cycle(entry(1), drained_pools=drained, queues=queues), lease)
    await store.record(
        cycle(entry(2), drained_pools={"x": False, "y": True}, queues={"q": (9, "las", False)}),
        lease,
    )
    assert await store.drained_pools() == ("y",)
    assert await store.queues() == {"p": (2, "sjf", False), "q": (9, "las", False)}


async def test_reservations_are_made_and_go(store: Store) -> None:
    lease = await lead(store)
    course = replace(REPAIR, name="course", tenants=("lab/x",), users=("ann",), reason="课程")
    both = {"repair": REPAIR, "course": course}
    await store.record(cycle(entry(1), reservations=both), lease)
    assert await store.reservations() == both
    assert list(await store.reservations()) == ["course", "repair"]
    later = replace(course, end=course.end + 1)
    gone = {"repair": None, "never": None, "course": later}
    await store.record(cycle(entry(2), reservations=gone), lease)
    assert await store.reservations() == {"course": later}


async def test_quotas_and_limits_change_back(store: Store) -> None:
    lease = await lead(store)
    quotas = {"q": QUOTA, "p": Quota(ceiling=(("memory", 1 << 40),))}
    limits = {"ann": Limits(running=3), "ben": Limits(running=0)}
    await store.record(cycle(entry(1), quotas=quotas, limits=limits), lease)
    assert list(await store.quotas()) == ["p", "q"]
    assert await store.quotas() == quotas
    assert await store.limits() == limits
    again = {"p": Quota(), "q": Quota(cohort="lab"), "never": Quota()}
    eased = {"ann": Limits(), "ben": Limits(running=10**6), "cid": Limits()}
    await store.record(cycle(entry(2), quotas=again, limits=eased), lease)
    assert await store.quotas() == {"q": Quota(cohort="lab")}
    assert await store.limits() == {"ben": Limits(running=10**6)}


async def test_a_tenants_weight_and_quota_are_set_one_by_one(store: Store) -> None:
    lease = await lead(store)
    await store.record(cycle(entry(1), tenant_quotas={"lab": QUOTA, "x": QUOTA}), lease)
    await store.record(cycle(entry(2), tenant_weights={"lab": 3, "x": 2, "y": 1}), lease)
    assert await store.tenants() == {"lab": Tenant(3, QUOTA), "x": Tenant(2, QUOTA)}
    gone = {"x": Quota(), "never": Quota()}
    await store.record(
        cycle(entry(3), tenant_weights={"lab": 1, "x": 1}, tenant_quotas=gone), lease
    )
    assert await store.tenants() == {"lab": Tenant(quota=QUOTA)}


def over(job: str, at: int, bill: Bill) -> Run:
    times = {"started_at": NOW, "ended_at": at, "state": RunState.ENDED}
    return replace(placed(job), **times, outcome=Outcome(Cause.SUCCEEDED), bill=bill)


async def test_what_users_have_used_is_summed_by_the_hour(store: Store) -> None:
    lease = await lead(store)
    await submit(store, "a", "b", "c")
    await submit(store, "d", user="ben")
    first = NOW // HOUR * HOUR
    await store.record(
        cycle(
            entry(1),
            runs=(
                placed("c"),
                over("a", NOW, Bill(cpu_ms=9, accelerator_ms=4, money=5)),
                over("d", NOW, Bill(cpu_ms=9)),
            ),
        ),
        lease,
    )
    later = over("c", NOW + 2 * HOUR, Bill(money=2))
    await store.record(
        cycle(entry(2), runs=(over("b", NOW, Bill(cpu_ms=3, money=1)), later)), lease
    )
    ada = (Spent(first, 7, 6), Spent(first + 2 * HOUR, 0, 2))
    assert await store.spent(["ada", "ben", "cid"], NOW) == {"ada": ada, "ben": (Spent(first, 9),)}
    assert await store.spent(["ada"], first + HOUR) == {"ada": ada[1:]}, "that hour is over"
    await store.request(Command("set_limits", "ada", "olga", {"money": "3"}), NOW)
    assert (await store.gather(10)).spent == {"ada": ada}
    await store.forget_spent(first + HOUR)
    assert await store.spent(["ada", "ben"], 0) == {"ada": ada[1:]}


async def test_what_tenants_hold_is_theirs_and_of_all_below(store: Store) -> None:
    tenants = ("lab", "lab/vision", "labor", "lab/vision/new", "lab")
    for name, tenant in zip("abcde", tenants, strict=True):
        await submit(store, name, spec=JobSpec(run="true", tenant=tenant))
    runs = (*map(placed, "abcd"), replace(placed("e"), state=RunState.ENDED))
    await store.record(cycle(entry(1), runs=runs), await lead(store))
    one = (await store.held_by_tenants(["labor"]))["labor"]
    assert one[0] == 1
    assert await store.held_by_tenants(["lab", "lab/vision", "none"]) == {
        "lab": (3, tuple((kind, 3 * amount) for kind, amount in one[1])),
        "lab/vision": (2, tuple((kind, 2 * amount) for kind, amount in one[1])),
        "none": (0, ()),
    }


async def test_what_queues_hold_is_summed_over_their_open_runs(store: Store) -> None:
    for name, queue in zip("abcd", "qqpq", strict=True):
        await submit(store, name, spec=JobSpec(run="true", queue=queue))
    need = Resources(1500, 1024, (("A100-80GB", 2000),))
    gang = replace(placed("a"), nodes=("n1", "n1", "n2"), per_task=need)
    runs = (gang, placed("b"), placed("c"), replace(placed("d"), state=RunState.ENDED))
    await store.record(cycle(entry(1), runs=runs), await lead(store))
    one, tasks = placed("b").per_task, len(placed("b").nodes)
    held = Resources().plus(need, times=3).plus(one, times=tasks)
    together = {"cpu": held.cpu_milli, "memory": held.memory_mib, **dict(held.accelerators)}
    assert await store.held(["q", "none"]) == {"q": tuple(sorted(together.items()))}
    assert await store.held([]) == {}


async def test_the_feed_is_read_forward_and_from_its_end(store: Store) -> None:
    lease = await lead(store)
    for number in range(1, 6):
        entries = tuple(FeedEntry(0, NOW + number, f"k{number}{x}", None, None) for x in "ab")
        await store.record(cycle(entry(number), feed=entries), lease)
    whole = await store.feed(0, 100)
    assert [e.kind for e in whole] == [f"k{n}{x}" for n in range(1, 6) for x in "ab"]
    assert [e.id for e in whole] == sorted({e.id for e in whole})
    assert await store.feed(whole[3].id, 2) == whole[4:6]
    assert await store.feed(-1, 3) == whole[-3:]
    assert await store.feed(whole[-1].id, 3) == ()


async def test_many_jobs_in_one_cycle(store: Store) -> None:
    names = [f"j{at}" for at in range(1500)]
    await submit(store, *names)
    jobs = (await store.gather(2000)).jobs
    events = tuple(submitted_event(job) for job in jobs)
    await store.record(
        cycle(
            entry(1, *events),
            jobs=tuple(updated(name, JobState.RUNNING) for name in names),
            runs=tuple(placed(name) for name in names),
            taken_jobs=tuple(job.id for job in jobs),
        ),
        await lead(store),
    )
    assert len(await store.open_runs()) == 1500
    assert len(await store.runs([JobId(name) for name in names])) == 1500
    states = await store.job_states([JobId(name) for name in names])
    assert set(states.values()) == {JobState.RUNNING}
    assert len(states) == 1500
    assert (await store.entries(0, 1))[0].events == events
