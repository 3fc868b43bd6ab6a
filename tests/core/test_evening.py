"""Shares made even by preemption: as much as one is due, in turns where that is less than a job."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import PolicyChanged, QueueChanged, QuotaChanged, RunEnded
from suan.model.job import Cause
from suan.model.plan import Stop
from suan.model.policy import POLICIES
from suan.model.quota import Quota
from suan.model.units import HOUR, MINUTE
from tests.core.test_preemption import STOPPED, needs, stops
from tests.core.world import Witness, ended, job, places, pool, res, told

EVEN = POLICIES["even"]
DISCIPLINES = "fifo", "sjf", "las", "edf"


def crowd(*events: object, mine: int = 4, **more: object) -> Scheduler:
    """Four processors, all of them held by ``a`` since an hour ago."""
    scheduler = told(PolicyChanged(0, EVEN), pool("p", res(4, 9)), *events)
    for seq in range(mine):
        scheduler.apply(job(seq, queue="a", **more))
    scheduler.decide(0)
    return scheduler


def settle(scheduler: Scheduler, now: int) -> list[str]:
    """Who is told to stop by one instant, and by another that follows from his end."""
    found: list[str] = []
    while told_to := stops(scheduler.decide(now)):
        found += told_to
        for run in told_to:
            scheduler.apply(ended(run, Cause.PREEMPTED, at=now))
    return found


@pytest.mark.parametrize(("weight", "gone"), [(1, 2), (3, 3)])
def test_who_holds_less_takes_his_share_and_no_more(weight: int, gone: int) -> None:
    scheduler = crowd(QueueChanged(0, "b", weight))
    for seq in range(10, 16):
        scheduler.apply(job(seq, queue="b"))
    assert len(settle(scheduler, HOUR)) == gone
    for later in range(6, 60, 6):  # though b has had so much less
        assert not settle(scheduler, HOUR + later * MINUTE)


def test_nobody_is_displaced_before_he_has_run_for_a_while() -> None:
    scheduler = crowd()
    scheduler.apply(job(10, queue="b"))
    plan = scheduler.decide(MINUTE)
    assert not plan.decisions
    assert plan.wake_at == EVEN.min_run_time
    assert len(stops(scheduler.decide(EVEN.min_run_time))) == 1


def test_tenants_and_users_are_evened_out_where_their_paths_part() -> None:
    scheduler = crowd(tenant="lab/x")
    scheduler.apply(job(10, queue="a", tenant="lab/x", user="other"))
    assert len(settle(scheduler, HOUR)) == 1
    scheduler.apply(job(11, queue="a", tenant="lab/y"))
    first, second = settle(scheduler, 2 * HOUR)  # the cheapest, who takes that back at once
    assert first == "j10-r1"
    assert second != first
    scheduler.apply(job(12, queue="a", tenant="lab/x"))
    assert not settle(scheduler, 2 * HOUR), "their own they wait for"


def test_higher_priorities_and_what_is_guaranteed_are_left_alone() -> None:
    for scheduler in (
        crowd(priority=1),
        crowd(QuotaChanged(0, "a", Quota(guarantee=(("cpu", 4000),), cohort="all"))),
    ):
        scheduler.apply(job(10, queue="b"))
        assert not settle(scheduler, HOUR)


def test_no_other_policy_does_that() -> None:
    scheduler = crowd()
    scheduler.apply(PolicyChanged(0, replace(EVEN, even_out=False)))
    scheduler.apply(job(10, queue="b"))
    assert not settle(scheduler, HOUR)


def test_those_whose_jobs_are_larger_than_their_shares_take_turns() -> None:
    scheduler = told(PolicyChanged(0, EVEN), pool("p", res(4, 9)))
    scheduler.apply(job(1, res(4), queue="a"))
    scheduler.apply(job(2, res(4), queue="b"))
    now, last, turns = 0, "", []
    while now < 12 * HOUR:
        plan = scheduler.decide(now)
        for run in stops(plan):
            scheduler.apply(ended(run, Cause.PREEMPTED, at=now))
            plan = scheduler.decide(now)
        for name in places(plan):
            assert name != last
            last = name
            turns.append(now)
        now = min(now + MINUTE, plan.wake_at or now + MINUTE)
    lengths = [end - begin for begin, end in pairwise(turns)]
    assert len(turns) > 10
    assert min(lengths) >= EVEN.min_run_time
    assert max(lengths) <= 2 * HOUR


def test_it_needs_shares_and_preemption() -> None:
    for without in ({"fair_share": False}, {"preemption": False}):
        with pytest.raises(ValueError, match="even_out: needs"):
            replace(EVEN, **without)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_evening_out_comes_to_an_end(data: st.DataObject) -> None:
    """At one instant, and before as many have gone as there are jobs."""
    witness = Witness()
    witness.apply(
        PolicyChanged(0, replace(EVEN, discipline=data.draw(st.sampled_from(DISCIPLINES))))
    )
    witness.apply(pool("p", res(4, 8, A=2), res(3, 4)))
    seq = 0
    for hour, tenant in enumerate("abc"):
        for _ in range(data.draw(st.integers(1, 4))):
            seq += 1
            need, tasks = data.draw(needs), data.draw(st.sampled_from((1, 1, 2)))
            priority = data.draw(st.sampled_from((0, 0, 0, 1)))
            witness.apply(job(seq, need, tasks, tenant=tenant, priority=priority))
        witness.decide(hour * HOUR)
    now, before = 5 * HOUR, len(witness.stopped)
    while True:
        told_to = [d.run for d in witness.decide(now).decisions if isinstance(d, Stop)]
        for run in told_to:
            witness.apply(RunEnded(now, run, STOPPED))
        if not told_to:
            break
    assert len(witness.stopped) - before <= seq
