"""The bill an hour, term by term, and the order it puts pools in."""

from suan.core.ask import Ask
from suan.core.scorers import SCORERS, cost_of
from suan.model.demand import Demand, Option
from suan.model.offer import Offer, Terms
from tests.core.world import job, places, pool, res, told

TERMS = Terms(
    cpu_hour=100_000,
    accelerator_hour=(("A", 20_000_000),),
    energy_kwh=600_000,
    carbon_kg=1_000_000,
    cpu_power_mw=5_000,
    accelerator_power_mw=(("A", 400_000),),
    pue_milli=1250,
    carbon_mg_per_kwh=500_000,
)


def test_an_hour_of_two_tasks_line_by_line() -> None:
    """2 × (4 cpus + 0.5 A) = 0.8 + 20 CNY; 2 × (20 + 200 W) × 1.25 = 0.55 kWh, 0.275 kg."""
    need = res(4, 1, A=0.5)
    cost = cost_of(Ask(Demand(2, (Option(need),)), 0, need), Offer("p", "local", TERMS))
    assert cost.terms == (("devices", 20_800_000), ("energy", 330_000), ("carbon", 275_000))
    assert cost.total == 21_405_000
    assert [name for name, _ in cost.terms] == [name for name, _ in SCORERS]


def test_the_cheapest_pool_takes_it_and_ties_go_by_name() -> None:
    dear, cheap = Terms(cpu_hour=300), Terms(cpu_hour=200)
    pools = [pool("a", res(8, 8), terms=dear), pool("c", res(8, 8), terms=cheap)]
    place = places(told(*pools, pool("b", res(8, 8), terms=cheap), job(1)).decide(1))["j1"]
    assert [cost.pool for cost in place.costs] == ["b", "c", "a"]
    assert place.pool == "b"


def test_carbon_alone_may_turn_the_choice() -> None:
    dirty = Terms(carbon_kg=1_000_000, carbon_mg_per_kwh=800_000)
    clean = Terms(carbon_kg=1_000_000, carbon_mg_per_kwh=100_000)
    pools = [pool("a", res(8, 8), terms=dirty), pool("b", res(8, 8), terms=clean)]
    assert places(told(*pools, job(1, res(8))).decide(1))["j1"].pool == "b"


def test_any_model_goes_to_the_cheapest_and_is_named() -> None:
    terms = Terms(accelerator_hour=(("A", 30), ("B", 20)))
    scheduler = told(
        pool("p", res(8, 8, A=2), res(8, 8, B=1), terms=terms),
        job(1, res(1, any_=1)),
        job(2, res(1, any_=1)),
    )
    plan = places(scheduler.decide(1))
    assert plan["j1"].per_task == res(1, B=1)
    assert plan["j2"].per_task == res(1, A=1)


def test_ordered_options_beat_cost() -> None:
    terms = Terms(accelerator_hour=(("A", 30_000), ("B", 20_000)))
    seen = pool("p", res(8, 8, A=1), res(8, 8, B=2), terms=terms)
    wishes = (res(1, A=1), res(1, B=1))
    plan = places(told(seen, *(job(i, wishes, ordered=True) for i in (1, 2))).decide(1))
    assert [plan[name].option for name in ("j1", "j2")] == [0, 1]
    assert places(told(seen, job(1, wishes)).decide(1))["j1"].option == 1
