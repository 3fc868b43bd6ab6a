"""Elastic jobs: they start with what there is, within their bounds, and delay nobody."""

from dataclasses import replace
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import (
    JobCancelled,
    JobSubmitted,
    PolicyChanged,
    QuotaChanged,
    RunEnded,
    RunPlaced,
)
from suan.model.job import Cause, Outcome
from suan.model.offer import Terms
from suan.model.plan import Place, Plan, Stop
from suan.model.policy import POLICIES
from suan.model.quota import Quota
from suan.model.spec import Checkpoint
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.test_backfill import EASY, drive
from tests.core.test_policies import TimedDriver
from tests.core.test_preemption import AT_ONCE
from tests.core.test_properties import POOLS
from tests.core.world import ONE, ended, job, places, pool, res, told

GPU = res(1, 1, A=1)


def elastic(seq: int, least: int, most: int, **rest) -> JobSubmitted:
    return job(seq, rest.pop("need", GPU), tasks=least, max_tasks=most, **rest)


def gpus(count: int) -> object:
    return pool("p", *[res(8, 64, A=1)] * count)


def sizes(plan: Plan) -> dict[str, int]:
    return {name: len(place.nodes) for name, place in places(plan).items()}


def test_it_starts_with_all_that_is_free() -> None:
    scheduler = told(gpus(6), elastic(1, 2, 4))
    plan = scheduler.decide(1)
    assert sizes(plan) == {"j1": 4}
    assert scheduler.run(places(plan)["j1"].run).nodes == places(plan)["j1"].nodes


def test_it_starts_with_its_minimum_where_there_is_no_more() -> None:
    assert sizes(told(gpus(3), elastic(1, 2, 8)).decide(1)) == {"j1": 3}
    assert sizes(told(gpus(2), elastic(1, 2, 8)).decide(1)) == {"j1": 2}
    assert sizes(told(gpus(1), elastic(1, 2, 8)).decide(1)) == {}


def test_those_behind_it_start_before_it_has_more() -> None:
    plan = told(gpus(6), elastic(1, 2, 8), job(2, GPU), elastic(3, 1, 2)).decide(1)
    assert sizes(plan) == {"j1": 4, "j2": 1, "j3": 1}


def test_what_is_reserved_is_not_given() -> None:
    """Eight are free in an hour, and six of them are reserved: two may be had for good."""
    node, runs = pool("p", res(64, 64, A=8)), job(1, GPU, tasks=3, time_limit=HOUR)
    scheduler = told(node, runs, job(2, res(1, 1, A=6)))
    scheduler.decide(1)
    scheduler.apply(elastic(3, 1, 6))
    assert sizes(scheduler.decide(2)) == {"j3": 2}
    scheduler.apply(elastic(4, 1, 6))
    assert sizes(scheduler.decide(3)) == {}


def test_what_is_to_spare_is_given_once() -> None:
    node, runs = pool("p", res(64, 64, A=8)), job(1, GPU, tasks=4, time_limit=HOUR)
    scheduler = told(node, runs, job(2, res(1, 1, A=5)))
    scheduler.decide(1)
    scheduler.apply(elastic(3, 1, 6))
    scheduler.apply(elastic(4, 1, 6))
    assert sizes(scheduler.decide(2)) == {"j3": 2, "j4": 1}


def test_what_is_reserved_is_given_for_as_long_as_it_is_free() -> None:
    scheduler = told(gpus(6), job(1, GPU, tasks=3, time_limit=HOUR), job(2, GPU, tasks=4))
    scheduler.decide(1)
    scheduler.apply(elastic(3, 1, 6, time_limit=HOUR // 2))
    assert sizes(scheduler.decide(2)) == {"j3": 3}


def test_nothing_is_given_of_what_is_held() -> None:
    """Nothing is known of the first, so the second holds all; its flavors are not the others'."""
    more = pool("q", *[res(8, 64)] * 3)
    scheduler = told(gpus(6), more, job(1, GPU, tasks=5), job(2, GPU, tasks=4))
    scheduler.decide(1)
    scheduler.apply(elastic(3, 1, 6, need=res(8, 1)))
    assert sizes(scheduler.decide(2)) == {"j3": 3}


def test_strict_order_gives_nothing_that_somebody_waits_for() -> None:
    scheduler = told(
        PolicyChanged(0, POLICIES["fifo"]), gpus(4), job(1, GPU, tasks=3, time_limit=HOUR)
    )
    scheduler.decide(1)
    scheduler.apply(elastic(2, 1, 3, time_limit=HOUR // 2))
    scheduler.apply(job(3, GPU, time_limit=HOUR // 2))
    assert sizes(scheduler.decide(2)) == {"j2": 1}


def test_it_keeps_within_the_ceiling_of_its_queue() -> None:
    ceiling = QuotaChanged(0, "default", Quota(ceiling=(("A", 3000),)))
    assert sizes(told(gpus(6), ceiling, elastic(1, 2, 5)).decide(1)) == {"j1": 3}


def test_the_ceiling_counts_what_was_given() -> None:
    ceiling = QuotaChanged(0, "default", Quota(ceiling=(("A", 3000),)))
    scheduler = told(gpus(6), ceiling, elastic(1, 2, 5))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU))
    assert sizes(scheduler.decide(2)) == {}


def test_it_costs_no_more_than_its_user_allows() -> None:
    terms = Terms(accelerator_hour=(("A", 1_000_000),))
    priced = pool("p", *[res(8, 64, A=1)] * 6, terms=terms)
    plan = told(priced, elastic(1, 2, 6, max_hourly_cost=3_500_000)).decide(1)
    assert sizes(plan) == {"j1": 3}
    assert dict(places(plan)["j1"].costs[0].terms)["devices"] == 3_000_000


def test_a_new_leader_knows_what_a_run_keeps_and_for_whom() -> None:
    """It tells nobody else to make room, and the run goes on where it was told that it would."""
    saves = Checkpoint(grace=MINUTE)
    scheduler = told(PolicyChanged(0, AT_ONCE), gpus(4))
    for seq, nodes in ((1, ("p0", "p1")), (2, ("p2", "p3"))):
        scheduler.apply(elastic(seq, 1, 4, checkpoint=saves))
        placed = RunPlaced(9, f"j{seq}-r1", f"j{seq}", "p", nodes, 0, since=seq)
        resized = replace(placed, stopping=Cause.RESIZED, keeps=nodes[:1], makes_room_for="j3")
        scheduler.apply(resized if seq == 1 else placed)
    scheduler.apply(job(3, GPU))
    fork = scheduler.fork()
    for each in (scheduler, fork):
        assert each.decide(9).decisions == ()
        found = each.explain("j3", 9)
        assert found is not None
        assert "run j1-r1 is ending there to make room for it" in found.summary
        each.apply(ended("j1-r1", Cause.RESIZED, at=10))
        plan = each.decide(10)
        assert {name: place.nodes for name, place in places(plan).items()} == {
            "j1": ("p0",),
            "j3": ("p1",),
        }


def test_tasks_of_one_run_share_a_node_and_give_it_back() -> None:
    scheduler = told(pool("p", res(8, 64, A=4), res(8, 64, A=4)), elastic(1, 3, 6))
    place: Place = places(scheduler.decide(1))["j1"]
    assert place.nodes == ("p0",) * 4 + ("p1",) * 2
    assert free(scheduler) == 2
    fork = scheduler.fork()
    for each in (scheduler, fork):
        each.apply(ended(place.run, at=2))
        each.decide(2)
        assert free(each) == 8


def free(scheduler: Scheduler) -> int:
    return scheduler.pools()[0].free.accelerator("A") // 1000


def test_a_cycle_that_is_full_gives_the_minimum() -> None:
    scheduler = told(gpus(6), elastic(1, 2, 5), job(2, GPU))
    plan = scheduler.decide(1, limit=1)
    assert sizes(plan) == {"j1": 2}
    assert plan.more
    assert sizes(scheduler.decide(1)) == {"j2": 1}


def test_why_says_the_size() -> None:
    scheduler = told(gpus(3), elastic(1, 2, 8))
    scheduler.decide(1)
    told_of = scheduler.explain("j1", 2)
    assert told_of is not None
    assert "with 3 of 2..8 nodes" in told_of.summary


SAVES = Checkpoint(grace=SECOND)
LATER = 10 * MINUTE


def stops(plan: Plan) -> dict[str, Stop]:
    return {each.run: each for each in plan.decisions if isinstance(each, Stop)}


def resized(scheduler: Scheduler, plan: Plan, at: int) -> Plan:
    """What follows when those that were told to stop have."""
    for run, stop in stops(plan).items():
        scheduler.apply(RunEnded(at, run, Outcome(stop.cause)))
    return scheduler.decide(at)


def test_extras_make_room_for_who_waits() -> None:
    scheduler = told(gpus(6), elastic(1, 2, 8, checkpoint=SAVES))
    before = places(scheduler.decide(1))["j1"]
    scheduler.apply(job(2, GPU, tasks=3))
    plan = scheduler.decide(LATER)
    assert [each.cause for each in stops(plan).values()] == [Cause.RESIZED]
    assert (
        stops(plan)[before.run].detail
        == "it goes on with at least 2 nodes, and makes room for job j2"
    )
    after = resized(scheduler, plan, LATER + SECOND)
    assert sizes(after) == {"j1": 3, "j2": 3}
    assert set(places(after)["j1"].nodes) < set(before.nodes)
    assert places(after)["j1"].attempt == 2


def test_it_keeps_its_minimum_though_others_come_first() -> None:
    """While it saves, somebody of a higher priority comes; what it keeps nobody takes."""
    scheduler = told(gpus(4), elastic(1, 2, 8, checkpoint=SAVES))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU, tasks=2))
    plan = scheduler.decide(LATER)
    scheduler.apply(job(3, GPU, tasks=4, priority=9))
    scheduler.decide(LATER + 1)
    assert sizes(resized(scheduler, plan, LATER + SECOND))["j1"] == 2


def test_nobody_is_resized_before_he_has_run_for_a_while() -> None:
    scheduler = told(gpus(4), elastic(1, 2, 8, checkpoint=SAVES))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU))
    plan = scheduler.decide(MINUTE)
    assert not stops(plan)
    assert plan.wake_at == 1 + 5 * MINUTE
    assert stops(scheduler.decide(plan.wake_at))


def test_what_saves_nothing_keeps_its_size() -> None:
    scheduler = told(gpus(4), elastic(1, 2, 8))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU))
    assert not stops(scheduler.decide(LATER))


def test_a_lower_priority_takes_no_extras() -> None:
    scheduler = told(gpus(4), elastic(1, 2, 8, checkpoint=SAVES, priority=1))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU))
    assert not stops(scheduler.decide(LATER))


def test_no_policy_without_preemption_resizes() -> None:
    scheduler = told(PolicyChanged(0, EASY), gpus(4), elastic(1, 2, 8, checkpoint=SAVES))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU))
    assert not stops(scheduler.decide(LATER))


def test_extras_go_before_anybody_is_displaced() -> None:
    """Though the other has run for less, and so has less to lose."""
    scheduler = told(gpus(4), elastic(1, 1, 3, checkpoint=SAVES), job(2, GPU))
    first = places(scheduler.decide(1))
    scheduler.apply(job(3, GPU, tasks=2, priority=5))
    assert list(stops(scheduler.decide(LATER))) == [first["j1"].run]


def test_where_extras_are_not_enough_the_cheapest_are_displaced() -> None:
    scheduler = told(gpus(4), elastic(1, 2, 3, checkpoint=SAVES), job(2, GPU))
    scheduler.decide(1)
    scheduler.apply(job(3, GPU, tasks=4, priority=5))
    causes = {each.cause for each in stops(scheduler.decide(LATER)).values()}
    assert causes == {Cause.PREEMPTED}


def test_the_fewest_are_resized() -> None:
    crowd = [elastic(n, 1, most, checkpoint=SAVES) for n, most in ((1, 2), (2, 2), (3, 4), (4, 2))]
    scheduler = told(gpus(10), *crowd)
    first = scheduler.decide(1)
    assert sizes(first) == {"j1": 2, "j2": 2, "j3": 4, "j4": 2}
    scheduler.apply(job(5, GPU, tasks=3))
    assert list(stops(scheduler.decide(LATER))) == [places(first)["j3"].run]


def test_one_task_takes_the_extras_of_one_node() -> None:
    node = res(8, 64, A=4)
    scheduler = told(pool("p", node, node), elastic(1, 2, 8, checkpoint=SAVES))
    scheduler.decide(1)
    scheduler.apply(job(2, res(1, 1, A=4)))
    after = resized(scheduler, scheduler.decide(LATER), LATER + SECOND)
    assert sizes(after) == {"j1": 4, "j2": 1}


def test_extras_beyond_the_ceiling_of_a_queue_are_given_up_for_its_jobs() -> None:
    ceiling = QuotaChanged(0, "default", Quota(ceiling=(("A", 4000),)))
    scheduler = told(gpus(6), ceiling, elastic(1, 1, 6, checkpoint=SAVES))
    assert sizes(scheduler.decide(1)) == {"j1": 4}
    scheduler.apply(job(2, GPU, tasks=2))
    after = resized(scheduler, scheduler.decide(LATER), LATER + SECOND)
    assert sizes(after) == {"j1": 2, "j2": 2}


def test_what_succeeds_while_it_saves_has_succeeded() -> None:
    scheduler = told(gpus(4), elastic(1, 2, 8, checkpoint=SAVES))
    run = places(scheduler.decide(1))["j1"].run
    scheduler.apply(job(2, GPU))
    scheduler.decide(LATER)
    scheduler.apply(ended(run, at=LATER + 1))
    assert sizes(scheduler.decide(LATER + 1)) == {"j2": 1}


def test_who_is_cancelled_while_he_saves_does_not_go_on() -> None:
    scheduler = told(gpus(4), elastic(1, 2, 8, checkpoint=SAVES))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU))
    plan = scheduler.decide(LATER)
    scheduler.apply(JobCancelled(LATER, "j1"))
    assert [each.cause for each in stops(scheduler.decide(LATER)).values()] == [Cause.CANCELLED]
    assert sizes(resized(scheduler, plan, LATER + SECOND)) == {"j2": 1}


def test_who_was_resized_stands_in_line_where_his_node_is_gone() -> None:
    scheduler = told(gpus(3), elastic(1, 2, 3, checkpoint=SAVES))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU))
    plan = scheduler.decide(LATER)
    scheduler.apply(gpus(1))
    assert sizes(resized(scheduler, plan, LATER + SECOND)) == {"j2": 1}
    scheduler.apply(gpus(3))
    assert sizes(scheduler.decide(2 * LATER)) == {"j1": 2}


def test_while_it_saves_why_says_so() -> None:
    scheduler = told(gpus(4), elastic(1, 2, 8, checkpoint=SAVES))
    scheduler.decide(1)
    scheduler.apply(job(2, GPU))
    scheduler.decide(LATER)
    said = scheduler.explain("j1", LATER)
    assert said is not None
    assert "is being resized with 4 of 2..8 nodes" in said.summary
    assert "to make room for job j2, and goes on with at least 3 nodes" in said.summary


def grown(scheduler: Scheduler, checkpoint: Checkpoint = SAVES, **rest) -> Plan:
    """Of four nodes an elastic job has two, and the other two are free from LATER on."""
    scheduler.apply(elastic(2, 1, 8, checkpoint=checkpoint, **rest))
    plan = scheduler.decide(1)
    assert sizes(plan) == {"j1": 1, "j2": 2}
    scheduler.apply(ended("j1-r1", at=LATER))
    plan = scheduler.decide(LATER)
    assert not stops(plan)
    return plan


def half() -> Scheduler:
    return told(pool("p", res(8, 64, A=2), res(8, 64, A=2)), job(1, res(1, 1, A=2)))


def test_it_grows_when_there_has_been_room_for_a_while() -> None:
    scheduler = half()
    assert grown(scheduler).wake_at == LATER + 5 * MINUTE
    assert not stops(scheduler.decide(LATER + 4 * MINUTE))
    plan = scheduler.decide(LATER + 5 * MINUTE)
    assert [each.detail for each in stops(plan).values()] == ["it goes on with up to 4 nodes"]
    after = resized(scheduler, plan, LATER + 5 * MINUTE + SECOND)
    assert sizes(after) == {"j2": 4}
    assert {"p0", "p1"} == set(places(after)["j2"].nodes)


def test_what_was_taken_meanwhile_was_not_idle() -> None:
    scheduler = half()
    grown(scheduler)
    scheduler.apply(job(3, res(1, 1, A=2)))
    scheduler.decide(LATER + 2 * MINUTE)
    scheduler.apply(ended("j3-r1", at=LATER + 3 * MINUTE))
    assert scheduler.decide(LATER + 3 * MINUTE).wake_at == LATER + 8 * MINUTE
    assert not stops(scheduler.decide(LATER + 5 * MINUTE))
    assert stops(scheduler.decide(LATER + 8 * MINUTE))


def test_who_comes_while_it_saves_goes_first() -> None:
    scheduler = half()
    grown(scheduler)
    plan = scheduler.decide(LATER + 5 * MINUTE)
    scheduler.apply(job(3, res(1, 1, A=2)))
    assert sizes(scheduler.decide(LATER + 5 * MINUTE)) == {"j3": 1}
    assert sizes(resized(scheduler, plan, LATER + 6 * MINUTE)) == {"j2": 2}


def test_what_saves_nothing_does_not_grow() -> None:
    scheduler = half()
    scheduler.apply(elastic(2, 1, 8))
    scheduler.decide(1)
    scheduler.apply(ended("j1-r1", at=LATER))
    assert scheduler.decide(LATER).wake_at is None


def test_it_does_not_grow_for_what_is_nearly_done() -> None:
    """Ten minutes and five with two nodes of an expected half hour with one: nothing is left but
    a moment, which is not worth the ten seconds in which it may save."""
    scheduler = half()
    grown(scheduler, Checkpoint(), expected=30 * MINUTE + 15 * SECOND)
    assert not stops(scheduler.decide(LATER + 5 * MINUTE))


def test_it_waits_until_it_has_saved_where_that_costs_less() -> None:
    """It saves each half hour, last at 0:00: what it has done since is more than what the rest of
    the half hour would gain."""
    scheduler = half()
    grown(scheduler, Checkpoint(interval=30 * MINUTE))
    plan = scheduler.decide(1 + 20 * MINUTE)
    assert not stops(plan)
    assert plan.wake_at == 1 + 30 * MINUTE
    assert stops(scheduler.decide(1 + 30 * MINUTE))


def test_one_run_of_a_pool_grows_at_a_time() -> None:
    first, second = elastic(2, 1, 2, checkpoint=SAVES), elastic(3, 1, 2, checkpoint=SAVES)
    scheduler = told(gpus(4), job(1, GPU, tasks=2), first, second)
    assert sizes(scheduler.decide(1)) == {"j1": 2, "j2": 1, "j3": 1}
    scheduler.apply(ended("j1-r1", at=LATER))
    scheduler.decide(LATER)
    plan = scheduler.decide(LATER + 5 * MINUTE)
    assert list(stops(plan)) == ["j2-r1"]
    later = resized(scheduler, plan, LATER + 5 * MINUTE + SECOND)
    assert sizes(later) == {"j2": 2}
    assert list(stops(later)) == ["j3-r1"]


def test_nothing_grows_where_somebody_waits_for_it() -> None:
    scheduler = half()
    grown(scheduler)
    scheduler.apply(job(3, res(1, 1, A=2), tasks=2))
    assert not stops(scheduler.decide(LATER + 5 * MINUTE))


def someone(need: st.SearchStrategy, tasks: tuple[int, ...], more: tuple[int, ...]):
    return st.tuples(
        st.sampled_from((0, 0, 10, 1000)),  # seconds after the last
        need,
        st.sampled_from(tasks),
        st.sampled_from((5 * MINUTE, HOUR, 2 * HOUR)),
        st.sampled_from((1, 60, 100)),  # percent of its limit that it runs
        st.none(),
        st.sampled_from(more),  # extras, at most
    )


rigid = someone(st.sampled_from([res(1, 1, A=n) for n in (3, 5, 6)]), (1,), (0,))
crowds = st.lists(st.one_of(rigid, someone(st.just(GPU), (1, 2), (2, 8))), min_size=3, max_size=12)
PLACES = (
    (pool("p", res(64, 64, A=8)),),
    (pool("p", res(64, 64, A=8)), pool("q", res(64, 64, A=6), res(64, 64, A=3))),
)


@given(st.sampled_from(PLACES), crowds)
@settings(max_examples=150, deadline=None)
def test_extras_delay_nobody_who_comes_first(pools: tuple, crowd: list) -> None:
    """``World`` asserts after each cycle that no promise to one who comes first is broken."""
    drive(pools, EASY, crowd)


class Resizing(TimedDriver):
    """Random worlds of elastic jobs that save their work, with nodes that are alike. Only the
    first pool takes anything, unless it is undrained."""

    looks_at_once = True

    def __init__(self) -> None:
        super().__init__()
        self.policy(replace(POLICIES["default"], min_run_time=MINUTE))
        for name in POOLS[1:]:
            self.drain(name, True)

    def observe(self, name: str, seen: list, complete: bool) -> None:
        alike = [(at, res(8, 64, A=4), 0, schedulable) for at, _, _, schedulable in seen]
        super().observe(name, alike, complete)


def happening(rng: Random) -> tuple:
    """Mostly somebody comes, or time passes."""
    kind = rng.randrange(12)
    if kind < 5:
        return "submit", {
            "need": rng.choice((GPU, GPU, res(1, 1, A=2))),
            "tasks": rng.choice((1, 1, 2, 4)),
            "more": rng.choice((0, 2, 9, 9)),
            "priority": rng.choice((0, 0, 0, 5)),
            "queue": "default",
            "after": 0,
            "time_limit": rng.choice((None, 5 * HOUR)),
            "checkpoint": rng.choice((None, SAVES, SAVES, Checkpoint(interval=MINUTE))),
            "takes": rng.choice((LATER, HOUR, 4 * HOUR)),
        }
    if kind < 10:
        return "wait", rng.choice((SECOND, 2 * MINUTE, LATER))
    if kind == 10:
        return rng.choice(
            (("cancel", rng.randrange(20)), ("end", 0, Cause.LOST), ("decide", rng.choice((1, 2))))
        )
    seen = [(at, ONE, 0, rng.random() < 0.8) for at in range(rng.randrange(1, 4))]
    return rng.choice(
        (("observe", "p", seen, True), ("drain", rng.choice(POOLS[1:]), rng.random() < 0.5))
    )


@given(st.integers(0, 1 << 32))
@settings(max_examples=150, deadline=None)
def test_whoever_is_resized_keeps_every_rule(seed: int) -> None:
    """``Witness`` checks each plan: bounds, capacity, who takes from whom, and that nobody is
    told to stop before the policy's minimum run time; a fork always decides the same."""
    driver, rng = Resizing(), Random(seed)
    witness = driver.drive([happening(rng) for _ in range(rng.randint(10, 40))])
    for name, times in witness.resized.items():
        apart = [later - before for before, later in pairwise(sorted(times))]
        assert all(each >= MINUTE for each in apart), (name, apart)
