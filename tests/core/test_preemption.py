"""Preemption: it ends, takes no more than it needs, the cheapest first, and leaves no trace."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import (
    JobCancelled,
    PolicyChanged,
    QueueChanged,
    RunEnded,
    RunPlaced,
    RunStarted,
)
from suan.model.job import Cause, JobState, Outcome
from suan.model.plan import Finish, Plan, Requeue, Stop
from suan.model.policy import POLICIES, Policy
from suan.model.resources import Resources
from suan.model.spec import Checkpoint, RetryPolicy
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.world import Witness, ended, job, packs, places, pool, res, told

AT_ONCE = Policy(fair_share=False, min_run_time=0)
LAS = Policy("las", fair_share=False, min_run_time=0)
SAVES = Checkpoint(grace=SECOND)
STOPPED = Outcome(Cause.PREEMPTED)


def stops(plan: Plan) -> list[str]:
    return [d.run for d in plan.decisions if isinstance(d, Stop) and d.cause is Cause.PREEMPTED]


def running(*events, policy: Policy = AT_ONCE) -> Scheduler:
    """A scheduler whose events, told one second after the other, were each decided upon."""
    scheduler = told(PolicyChanged(0, policy))
    for second, event in enumerate(events):
        scheduler.apply(event)
        scheduler.decide(second * SECOND)
    return scheduler


def test_a_higher_priority_displaces_a_lower_one_and_starts_when_it_has_ended() -> None:
    scheduler = running(pool("p", res(2, 9)), job(1), job(2), job(3, priority=5))
    assert scheduler.decide(4 * SECOND).decisions == (), "each is told once"
    assert scheduler.explain("j2", 4 * SECOND).summary.startswith("It is being stopped")
    scheduler.apply(ended("j2-r1", Cause.PREEMPTED, at=5 * SECOND))
    requeue, place = scheduler.decide(5 * SECOND).decisions
    assert (requeue.job, place.job) == ("j2", "j3")


def test_the_cheapest_in_lost_work_goes_first() -> None:
    """j1 has run longest; j2 saves its work when it is told to; j3 saved it a second ago."""
    saves = job(2, checkpoint=Checkpoint(grace=SECOND))
    saved = job(3, checkpoint=Checkpoint(interval=7 * SECOND))
    scheduler = running(pool("p", res(4, 9)), job(1), saves, saved, job(4))
    order = []
    for seq in (5, 6, 7, 8):
        scheduler.apply(job(seq, priority=9))
        (victim,) = stops(scheduler.decide(11 * SECOND))
        order.append(victim)
        scheduler.apply(ended(victim, Cause.PREEMPTED, at=11 * SECOND))
        assert list(places(scheduler.decide(11 * SECOND))) == [f"j{seq}"]
    assert order == ["j2-r1", "j3-r1", "j4-r1", "j1-r1"], "0 s, 1 s, 7 s, 10 s"


def test_one_task_takes_the_node_where_least_is_lost() -> None:
    scheduler = running(
        pool("p", res(4, 9), res(4, 9)), job(1, res(2)), job(2, res(2)), job(3, res(3)), job(4)
    )
    scheduler.apply(job(5, res(4), priority=1))
    assert sorted(stops(scheduler.decide(100 * SECOND))) == ["j3-r1", "j4-r1"]


def test_nobody_displaces_equals_or_betters() -> None:
    scheduler = running(pool("p", res(2, 9)), job(1, priority=5), job(2, priority=6))
    for seq, priority in ((3, 5), (4, 5), (5, 0)):
        scheduler.apply(job(seq, priority=priority))
    for now in (MINUTE, HOUR, 100 * HOUR):
        assert scheduler.decide(now).decisions == ()


def test_a_run_is_safe_for_its_first_minutes_and_then_looked_at_again() -> None:
    scheduler = running(policy=Policy(min_run_time=5 * MINUTE))
    for event in (pool("p", res(2, 9)), job(1), job(2)):
        scheduler.apply(event)
    scheduler.decide(10)
    scheduler.apply(RunStarted(MINUTE, "j1-r1"))
    scheduler.apply(job(3, res(2), priority=5))
    plan = scheduler.decide(2 * MINUTE)
    assert (plan.decisions, plan.wake_at) == ((), 5 * MINUTE + 10)
    plan = scheduler.decide(plan.wake_at)
    assert (stops(plan), plan.wake_at) == ([], 6 * MINUTE), "the one alone would not do"
    assert stops(scheduler.decide(plan.wake_at)) == ["j1-r1", "j2-r1"]
    assert scheduler.decide(7 * MINUTE).decisions == ()


def test_policies_without_preemption_displace_nobody() -> None:
    for name in ("fifo", "sjf", "qssf", "edf", "easy", "fair"):
        scheduler = running(pool("p", res(1, 9)), job(1), policy=POLICIES[name])
        scheduler.apply(job(2, priority=9))
        assert scheduler.decide(HOUR).decisions == ()


def test_least_attained_service_displaces_a_higher_level() -> None:
    scheduler = running(pool("p", res(2, 9)), job(1, res(2), checkpoint=SAVES), policy=LAS)
    scheduler.apply(job(2))
    plan = scheduler.decide(MINUTE)
    assert (plan.decisions, plan.wake_at) == ((), 2 * HOUR + SECOND), "by two processors"
    plan = scheduler.decide(plan.wake_at)
    assert stops(plan) == ["j1-r1"]
    now = 2 * HOUR + SECOND
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=now))
    assert list(places(scheduler.decide(now))) == ["j2"]
    scheduler.apply(job(3))
    assert list(places(scheduler.decide(now))) == ["j3"], "it comes before j1 now"
    assert scheduler.decide(100 * HOUR).decisions == (), "nobody is above the last level"


def test_a_queue_of_its_own_discipline_displaces_by_service() -> None:
    scheduler = running(
        pool("p", res(1, 9)), job(1, queue="q", checkpoint=SAVES), job(2), policy=AT_ONCE
    )
    assert stops(scheduler.decide(9 * HOUR)) == []
    for queue in ("default", "q"):
        scheduler.apply(QueueChanged(9 * HOUR, queue, discipline="las"))
    assert stops(scheduler.decide(9 * HOUR)) == ["j1-r1"]


def test_a_preempted_job_keeps_its_place_in_line() -> None:
    scheduler = running(pool("p", res(1, 9)), job(1), job(2), job(3, priority=5))
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=4 * SECOND))
    scheduler.decide(4 * SECOND)
    scheduler.apply(ended("j3-r1", at=5 * SECOND))
    place = scheduler.decide(5 * SECOND).decisions[-1]
    assert (place.job, place.run) == ("j1", "j1-r2")


def test_retries_after_preemption_have_their_own_limit() -> None:
    once = RetryPolicy(max_preempted=0)
    scheduler = running(pool("p", res(1, 9)), job(1, retry=once), job(2, priority=5))
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=4 * SECOND))
    finish = scheduler.decide(4 * SECOND).decisions[0]
    assert isinstance(finish, Finish)
    assert finish.state is JobState.FAILED


def test_a_victim_that_ends_by_itself_has_ended_by_itself() -> None:
    scheduler = running(pool("p", res(1, 9)), job(1), job(2, priority=5))
    scheduler.apply(ended("j1-r1", at=4 * SECOND))
    finish, place = scheduler.decide(4 * SECOND).decisions
    assert (finish.state, place.job) == (JobState.SUCCEEDED, "j2")


def test_room_that_comes_otherwise_is_taken_and_the_victim_returns() -> None:
    scheduler = running(pool("p", res(2, 9)), job(1), job(2), job(3, priority=5))
    scheduler.apply(ended("j1-r1", at=4 * SECOND))
    assert list(places(scheduler.decide(4 * SECOND))) == ["j3"]
    scheduler.apply(ended("j2-r1", Cause.PREEMPTED, at=5 * SECOND))
    assert list(places(scheduler.decide(5 * SECOND))) == ["j2"]


def test_nobody_sits_down_while_room_is_being_made() -> None:
    """Though j2 has run for hours and takes long to stop: it is not thought to go on for hours."""
    scheduler = running(pool("p", res(2, 9), res(2, 9)), job(1, res(2)), job(2, res(2)))
    scheduler.apply(job(3, res(2), 2, priority=5))
    now = 5 * HOUR
    assert sorted(stops(scheduler.decide(now))) == ["j1-r1", "j2-r1"]
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=now))
    for seq, limit in ((4, None), (5, 2 * HOUR), (6, 3 * SECOND)):
        scheduler.apply(job(seq, res(2), time_limit=limit))
    assert list(places(scheduler.decide(now))) == ["j6"], "it ends before j2 must have"
    scheduler.apply(ended("j6-r1", at=now + 3 * SECOND))
    for second in (3, 15, 60, 600):
        assert places(scheduler.decide(now + second * SECOND)) == {}, "j2 takes its time"
    scheduler.apply(ended("j2-r1", Cause.PREEMPTED, at=now + HOUR))
    assert list(places(scheduler.decide(now + HOUR))) == ["j3"]


@pytest.mark.parametrize("who", ["displacer", "victim"])
def test_a_cancelled_one_leaves_no_trace(who: str) -> None:
    scheduler = running(pool("p", res(1, 9)), job(1), job(2, priority=5))
    scheduler.apply(JobCancelled(3 * SECOND, "j2" if who == "displacer" else "j1"))
    decisions = scheduler.decide(3 * SECOND).decisions
    if who == "displacer":
        assert [type(d) for d in decisions] == [Finish]
    else:
        assert [d.cause for d in decisions] == [Cause.CANCELLED], "it need not save its work now"
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=4 * SECOND))
    first, place = scheduler.decide(4 * SECOND).decisions
    assert isinstance(first, Requeue if who == "displacer" else Finish)
    assert place.job == ("j1" if who == "displacer" else "j2")
    scheduler.apply(ended(place.run, at=5 * SECOND))
    scheduler.decide(5 * SECOND)
    assert (scheduler.pending, scheduler.running) == (0, 0)
    assert scheduler.pool("p").free == res(1, 9)
    scheduler.apply(job(9))
    assert list(places(scheduler.decide(6 * SECOND))) == ["j9"]


def test_who_was_chosen_but_not_told_goes_on_when_nobody_needs_the_room() -> None:
    scheduler = running(pool("p", res(2, 9)), job(1), job(2))
    scheduler.apply(job(3, res(2), priority=5))
    plan = scheduler.decide(4 * SECOND, limit=1)
    assert (len(plan.decisions), plan.more) == (1, True)
    told_to, spared = ("j1-r1", "j2-r1") if stops(plan) == ["j1-r1"] else ("j2-r1", "j1-r1")
    scheduler.apply(JobCancelled(5 * SECOND, "j3"))
    twin = scheduler.fork()
    plan = scheduler.decide(5 * SECOND)
    assert twin.decide(5 * SECOND) == plan
    assert [type(d) for d in plan.decisions] == [Finish]
    assert scheduler.explain(spared[:2], 5 * SECOND).summary.startswith("It is being started")
    scheduler.apply(job(4, priority=6))
    scheduler.apply(ended(told_to, at=6 * SECOND))
    assert list(places(scheduler.decide(6 * SECOND))) == ["j4"]
    scheduler.apply(job(5, priority=6))
    assert stops(scheduler.decide(7 * SECOND)) == [spared], "and may be chosen again"


def test_a_limit_of_decisions_holds_for_the_victims_of_one_gang() -> None:
    scheduler = running(pool("p", res(3, 9)), job(1), job(2), job(3))
    scheduler.apply(job(4, res(3), priority=5))
    plans = [scheduler.decide(5 * SECOND, limit=1) for _ in range(4)]
    assert [len(plan.decisions) for plan in plans] == [1, 1, 1, 0]
    assert [plan.more for plan in plans] == [True, True, True, False]


def test_a_new_leader_displaces_nobody_where_others_make_room_already() -> None:
    """Of an older record he is told who stops, not for whom: that room is taken first."""
    scheduler = told(PolicyChanged(0, AT_ONCE), pool("p", res(3, 9)))
    for seq, stopping in ((1, None), (2, Cause.PREEMPTED), (3, None)):
        scheduler.apply(job(seq))
        placed = RunPlaced(9, f"j{seq}-r1", f"j{seq}", "p", ("p0",), 0, since=seq)
        scheduler.apply(replace(placed, stopping=stopping))
    scheduler.apply(job(4, priority=5))
    assert scheduler.decide(9).decisions == ()
    found = scheduler.explain("j4", 9)
    assert found is not None
    assert "run j2-r1 is ending there to make room for it" in found.summary
    assert found.latest == 9 + 10 * SECOND
    scheduler.apply(job(5, res(2), priority=5))
    assert scheduler.decide(9).decisions == (), "it comes after j4"
    scheduler.apply(ended("j2-r1", Cause.PREEMPTED, at=10))
    plan = scheduler.decide(10)
    assert list(places(plan)) == ["j4"]
    assert sorted(stops(plan)) == ["j1-r1", "j3-r1"]


def test_a_run_told_to_stop_that_is_cancelled_under_a_new_leader_is_told_so_once() -> None:
    for stopping, told_now in ((Cause.PREEMPTED, ["cancelled"]), (Cause.CANCELLED, [])):
        scheduler = told(PolicyChanged(0, AT_ONCE), pool("p", res(1, 9)), job(1))
        placed = RunPlaced(9, "j1-r1", "j1", "p", ("p0",), 0, since=0, stopping=stopping)
        for event in (placed, JobCancelled(9, "j1")):
            scheduler.apply(event)
        assert [stop.cause for stop in scheduler.decide(9).decisions] == told_now


def test_room_that_was_made_for_one_who_left_is_for_the_next() -> None:
    scheduler = running(pool("p", res(2, 9)), job(1), job(2), job(3, priority=5))
    scheduler.apply(JobCancelled(4 * SECOND, "j3"))
    scheduler.apply(job(4, priority=5))
    assert not stops(scheduler.decide(4 * SECOND)), "j2 ends already"
    scheduler.apply(ended("j2-r1", Cause.PREEMPTED, at=5 * SECOND))
    assert list(places(scheduler.decide(5 * SECOND))) == ["j4"]


# -- no victim in vain, and no end of victims --

needs = st.sampled_from(
    (res(1), res(2), res(3, 2), res(1, 1, A=1), res(1, 1, A=0.4), res(2, 1, A=2))
)
worlds = st.fixed_dictionaries(
    {
        "sizes": st.lists(st.sampled_from((res(3, 4), res(4, 8, A=2))), min_size=1, max_size=3),
        "runs": st.lists(
            st.tuples(needs, st.sampled_from((1, 1, 2)), st.sampled_from((0, 1, 3))),
            min_size=1,
            max_size=7,
        ),
        "need": needs,
        "tasks": st.sampled_from((1, 1, 2, 3)),
    }
)


def room(witness: Witness, need: Resources, without: frozenset[str]) -> int:
    """How many tasks fit when these runs have gone: counted device by device, by adding tasks."""
    held = 0
    for status in witness.nodes["p"].values():
        runs = [run for name, run in witness.runs.items() if name not in without]
        inside = [r.per_task for r in runs for _ in range(r.nodes.count(status.name))]
        while _holds(status.total, [*inside, need]):
            inside.append(need)
            held += 1
    return held


def _holds(total: Resources, tasks: list[Resources]) -> bool:
    left = total
    for task in tasks:
        left = left.plus(task, times=-1)
    if left.cpu_milli < 0 or left.memory_mib < 0:
        return False
    shares = [amount for task in tasks for _, amount in task.accelerators]
    return packs([1000] * (total.accelerator("A") // 1000), shares)


@given(worlds)
@settings(max_examples=150, deadline=None)
def test_no_victim_is_taken_in_vain(world: dict) -> None:
    """By trying all subsets: without any one victim it would not fit; and if anything helps,
    someone is chosen. Shares of devices stay where they are, so less may be free than could be."""
    witness = Witness()
    witness.apply(PolicyChanged(0, AT_ONCE))
    witness.apply(pool("p", *world["sizes"]))
    for seq, (need, tasks, priority) in enumerate(world["runs"], 1):
        witness.apply(job(seq, need, tasks, priority=priority))
    witness.decide(0)
    need, tasks = world["need"], world["tasks"]
    witness.apply(job(9, need, tasks, priority=2))
    shares = any(
        amount % 1000 for run in witness.runs.values() for _, amount in run.per_task.accelerators
    )
    lower = [name for name, run in witness.runs.items() if witness.jobs[run.job].priority < 2]
    plan = witness.decide(MINUTE)
    chosen = frozenset(run for run in stops(plan) if witness.makes_room_for[run] == "j9")
    waits = [name for name, state in witness.states.items() if state is JobState.PENDING]
    held = any(witness.jobs[name].priority > 2 for name in waits)
    if "j9" in places(plan):
        assert not chosen
        return
    if chosen:
        assert room(witness, need, chosen) >= tasks
        if not shares and not held:  # what is free may be kept for one who comes before
            for kept in chosen:
                assert room(witness, need, chosen - {kept}) < tasks, "one is taken in vain"
        for run in sorted(chosen):
            witness.apply(RunEnded(MINUTE, run, STOPPED))
        assert held or "j9" in places(witness.decide(MINUTE)), "it starts when they have ended"
    elif not shares and not held:
        subsets = [frozenset(c) for n in range(len(lower) + 1) for c in combinations(lower, n)]
        assert not any(room(witness, need, subset) >= tasks for subset in subsets)


@pytest.mark.parametrize("fair", [False, True])
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_displacing_comes_to_an_end(fair: bool, data: st.DataObject) -> None:
    """Nothing happens but what the scheduler itself brings about: soon nobody is displaced."""
    discipline = data.draw(st.sampled_from(("las", "fifo", "sjf")))
    policy = Policy(discipline, data.draw(st.sampled_from(("easy", "none"))), fair_share=fair)
    witness = Witness()
    witness.apply(PolicyChanged(0, policy))
    witness.apply(pool("p", res(4, 8, A=2), res(3, 4)))
    seqs = iter(range(1, 99))
    for tenant in ("a", "b"):
        for _ in range(data.draw(st.integers(1, 3))):
            need, priority = data.draw(needs), data.draw(st.sampled_from((0, 0, 1)))
            tasks, seq = data.draw(st.sampled_from((1, 1, 2))), next(seqs)
            witness.apply(job(seq, need, tasks, priority=priority, tenant=tenant))
        witness.decide(0 if tenant == "a" else 5 * HOUR)
    assert_calms_down(witness, 5 * HOUR)


def assert_calms_down(witness: Witness, now: int) -> None:
    """At most as many displacements as there are pairs of jobs, and then none; but that standings
    go on changing, and who comes first by them may displace whom his discipline lets him."""
    jobs = len(witness.jobs)
    for _ in range(400):
        told_to = [name for name in witness.runs if name in witness.stopped]
        for name in told_to:
            witness.apply(RunEnded(now, name, STOPPED))
        plan = witness.decide(now)
        waking = [plan.wake_at] if plan.wake_at is not None else []
        if not waking and not any(name in witness.stopped for name in witness.runs):
            break
        if now > 10**6 * HOUR:  # an endless run is put off for twice as long, again and again
            break
        now = max(now + SECOND, min(waking, default=0))
    names = {witness.policy.discipline, *witness.disciplines.values()}
    by_service = witness.policy.fair_share and "las" in names
    for _ in range(50):  # as time passes standings change, and someone may start
        now += 6 * MINUTE
        plan = witness.decide(now)
        stops = [decision.run for decision in plan.decisions if isinstance(decision, Stop)]
        assert by_service or not stops
        for name in stops:
            witness.apply(RunEnded(now, name, STOPPED))
    assert len(witness.stopped) <= jobs * jobs
