"""Elastic jobs: they start with what there is, within their bounds, and delay nobody."""

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import JobSubmitted, PolicyChanged, QuotaChanged
from suan.model.offer import Terms
from suan.model.plan import Place, Plan
from suan.model.policy import POLICIES
from suan.model.quota import Quota
from suan.model.units import HOUR, MINUTE
from tests.core.test_backfill import EASY, drive
from tests.core.world import ended, job, places, pool, res, told

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
