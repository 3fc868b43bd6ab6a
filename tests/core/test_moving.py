"""Moves: whose room is in the way of a gang goes on elsewhere, where shares are evened out."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import PolicyChanged, QuotaChanged, RunEnded
from suan.model.job import Cause, JobState
from suan.model.plan import Place, Stop
from suan.model.policy import POLICIES
from suan.model.quota import Quota
from suan.model.units import HOUR
from tests.core.test_preemption import STOPPED, stops
from tests.core.world import DONE, ONE, Witness, ended, job, places, pool, res, told

EVEN = POLICIES["even"]
LARGE = res(4, 4)


def scattered(*owners: str, **more: object) -> Scheduler:
    """Nodes of four processors, on each of which a queue has two and two are free since an hour."""
    scheduler = told(PolicyChanged(0, EVEN), pool("p", *[res(4, 8)] * len(owners)))
    for seq, owner in enumerate(owners):
        for of, extra in (owner, more), ("filler", {}):
            scheduler.apply(job(2 * seq + (of == "filler"), res(2), queue=of, **extra))
            scheduler.decide(0)
    for seq in range(len(owners)):
        scheduler.apply(ended(f"j{2 * seq + 1}-r1", at=1))
    return scheduler


def restarted(scheduler: Scheduler, now: int) -> tuple[list[str], dict[str, Place]]:
    """Who stops at one instant, and who starts when they have ended."""
    plan = scheduler.decide(now)
    gone = stops(plan)
    for run in gone:
        scheduler.apply(ended(run, Cause.PREEMPTED, at=now))
    return gone, places(scheduler.decide(now))


def test_a_run_of_ones_own_moves_for_a_gang_and_goes_on_at_once() -> None:
    scheduler = scattered("a", "b")
    scheduler.apply(job(20, LARGE, queue="b"))
    plan = scheduler.decide(HOUR)
    (stop,) = [d for d in plan.decisions if isinstance(d, Stop)]
    assert stop.detail == "it is to go on elsewhere, and makes room for job j20"
    why = scheduler.explain(stop.run[:2], HOUR)
    assert why is not None
    assert "to make room for job j20 and go on elsewhere" in why.summary
    scheduler.apply(ended(stop.run, Cause.PREEMPTED, at=HOUR))
    started = places(scheduler.decide(HOUR))
    assert set(started) == {"j20", stop.run[:2]}


def test_as_many_nodes_are_cleared_as_the_gang_has_tasks() -> None:
    scheduler = scattered(*"abab")
    scheduler.apply(job(20, LARGE, 2, queue="c"))
    gone, started = restarted(scheduler, HOUR)
    assert len(gone) == 2
    assert set(started) == {"j20", *(run[:2] for run in gone)}


def test_every_pool_is_looked_at() -> None:
    scheduler = scattered("a", "b")
    scheduler.apply(pool("first", LARGE))
    scheduler.apply(job(18, res(3), queue="c", infra="first", priority=1))
    scheduler.decide(1)
    scheduler.apply(job(20, LARGE, queue="b"))
    gone, started = restarted(scheduler, HOUR)
    assert len(gone) == 1
    assert started["j20"].pool == "p"


def test_a_mover_takes_the_place_of_who_may_be_displaced() -> None:
    """``b`` may have two of a's four, which are no node; its own run takes their place."""
    scheduler = told(PolicyChanged(0, EVEN), pool("p", LARGE, LARGE))
    for seq, of in enumerate(("b", "filler")):
        scheduler.apply(job(seq + 1, res(2, 2), queue=of))
        scheduler.decide(0)
    for seq in range(3, 7):
        scheduler.apply(job(seq, queue="a"))
    assert len(places(scheduler.decide(0))) == 4
    scheduler.apply(ended("j2-r1", at=1))
    scheduler.apply(job(20, LARGE, queue="b"))
    gone, started = restarted(scheduler, HOUR)
    assert sorted(run[:2] for run in gone) == ["j1", "j3", "j4"]
    assert set(started) == {"j20", "j1"}


@pytest.mark.parametrize("more", [{"priority": 1}, {}])
def test_higher_priorities_and_what_is_guaranteed_are_not_moved(more: dict[str, int]) -> None:
    scheduler = scattered("a", "a", **more)
    if not more:
        scheduler.apply(QuotaChanged(1, "a", Quota(guarantee=(("cpu", 4000),), cohort="all")))
    scheduler.apply(job(20, LARGE, queue="b"))
    assert not stops(scheduler.decide(HOUR))


def test_nobody_moves_before_he_has_run_for_a_while_nor_under_another_policy() -> None:
    for policy, at in (EVEN, EVEN.min_run_time - 1), (replace(EVEN, even_out=False), HOUR):
        scheduler = scattered("a", "b")
        scheduler.apply(PolicyChanged(1, policy))
        scheduler.apply(job(20, LARGE, queue="b"))
        assert not stops(scheduler.decide(at))


def test_nobody_moves_where_there_is_no_place_for_all() -> None:
    scheduler = scattered("a", "b")
    scheduler.apply(job(19, ONE, queue="c"))
    scheduler.apply(job(20, LARGE, queue="d"))
    scheduler.decide(HOUR)
    assert not stops(scheduler.decide(HOUR))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_the_gang_starts_at_once_and_who_moves_alone_goes_on(data: st.DataObject) -> None:
    """Where nobody else waits; devices and their shares fit together, too. Of several who move one
    may take another's place, as the best fit is found for one after the other."""
    witness = Witness()
    witness.apply(PolicyChanged(0, EVEN))
    witness.apply(pool("p", *[res(4, 8, A=2)] * data.draw(st.integers(2, 5))))
    sizes = st.sampled_from([ONE, res(2), res(3), res(1, 1, A=0.5), res(1, 1, A=1), res(1, 1, A=2)])
    seq = 0
    while seq < 16:
        seq += 1
        witness.apply(job(seq, data.draw(sizes), queue=data.draw(st.sampled_from("abc"))))
        witness.decide(seq)
    for name in [name for name in witness.runs if data.draw(st.booleans())]:
        witness.apply(RunEnded(seq, name, DONE))
    witness.decide(seq)
    need = data.draw(st.sampled_from([LARGE, res(2), res(1, 1, A=1)]))
    alone = all(state is not JobState.PENDING for state in witness.states.values())
    gang = job(20, need, data.draw(st.integers(1, 3)), queue=data.draw(st.sampled_from("abc")))
    witness.apply(gang)
    stopped = [d for d in witness.decide(HOUR).decisions if isinstance(d, Stop)]
    for stop in stopped:
        witness.apply(RunEnded(HOUR, stop.run, STOPPED))
    started = places(witness.decide(HOUR))
    moved = {stop.run.rsplit("-", 1)[0] for stop in stopped if "elsewhere" in stop.detail}
    if alone and moved:
        assert "j20" in started
        assert len(moved) > 1 or moved <= set(started)
