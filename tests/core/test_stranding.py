"""One node's jobs beside parts of accelerators: they go where they strand the fewest."""

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.core.stranding import Typical
from suan.model.events import JobSubmitted, PolicyChanged, PoolObserved
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.plan import Place
from suan.model.policy import POLICIES
from suan.model.resources import Resources
from tests.core.world import GIB, Witness, ended, job, places, pool, res, told

HALF = res(4, 1, A=0.5)  # what is typical below: 8 processors for each accelerator
SIZES = (res(4, 8, A=1), res(16, 8, A=2), res(8, 32, A=4), res(16, 16))
NEEDS = (res(1, 1, A=0.5), res(6, 2, A=0.5), res(2, 8, A=1), res(1, 1, A=2), res(3, 3))
asked = st.lists(st.tuples(st.sampled_from(NEEDS), st.integers(0, 2)), min_size=1, max_size=30)
sizes = st.lists(st.sampled_from(SIZES), min_size=1, max_size=5)


def where(scheduler: Scheduler, *jobs: JobSubmitted) -> dict[str, str]:
    for each in jobs:
        scheduler.apply(each)
    return {name: place.nodes[0] for name, place in places(scheduler.decide(len(jobs))).items()}


def two_nodes() -> Scheduler:
    """One accelerator each: p0 has 0.8 of it and 3 processors free, p1 0.5 and 4."""
    scheduler = told(pool("p", res(8, 8, A=1), res(8, 8, A=1)))
    assert where(scheduler, job(1, res(5, 1, A=0.2)), job(2, HALF)) == {"j1": "p0", "j2": "p1"}
    return scheduler


def test_a_part_goes_where_what_is_typical_would_not_fit_anyway() -> None:
    scheduler = two_nodes()
    assert where(scheduler, job(3, res(1, 1, A=0.5)), job(4, HALF)) == {"j3": "p0", "j4": "p1"}


def test_a_job_without_accelerators_leaves_processors_beside_free_ones() -> None:
    scheduler = two_nodes()
    assert where(scheduler, job(3, HALF), job(4, res(2, 1))) == {"j3": "p1", "j4": "p0"}
    scheduler.apply(ended("j3-r1"))
    assert where(scheduler, job(5, res(1, 1))) == {"j5": "p0"}


def test_without_parts_the_best_fit_alone_decides() -> None:
    scheduler = told(pool("p", res(8, 8, A=2), res(3, 8, A=2)))
    assert where(scheduler, *(job(i, res(1, 1, A=1)) for i in (1, 2))) == {"j1": "p1", "j2": "p1"}


def test_the_price_comes_first() -> None:
    cheap = pool("p", res(8, 8, A=1), terms=Terms(accelerator_hour=(("A", 1),)))
    dear = pool("q", res(8, 8, A=1), terms=Terms(accelerator_hour=(("A", 2),)))
    scheduler = told(cheap, dear)
    found = where(scheduler, job(1, res(5, 1, A=0.2)), job(2, HALF), job(3, res(1, 1, A=0.5)))
    assert found == {"j1": "p0", "j2": "q0", "j3": "p0"}


def test_old_kinds_fade_and_are_forgotten() -> None:
    typical = Typical()
    for seq in range(5):
        typical.note(job(seq, res(1, 1, A=0.5)).demand)
    typical.renew()
    assert typical.kinds == (((1000, GIB, "A", 500), 5),)
    other = job(9, res(2, 2, A=1)).demand
    for _ in range(20 * (1 << 14)):
        typical.note(other)
        typical.renew()
    assert list(typical.counts) == [(2000, 2 * GIB, "A", 1000)]
    assert typical.kinds == (), "nobody asks for parts any more"


@given(sizes, asked)
@settings(deadline=None)
def test_nobody_is_refused_for_it(totals: list[Resources], jobs: list[tuple[Resources, int]]):
    """Who is first in line fits no node: halves and whole ones always pack as tightly."""
    witness = Witness()
    witness.apply(pool("p", *totals))
    left = {f"p{at}": total for at, total in enumerate(totals)}
    for seq, (need, _) in enumerate(jobs):
        witness.apply(job(seq, need))
        for place in places(witness.decide(seq)).values():
            left[place.nodes[0]] = left[place.nodes[0]].plus(place.per_task, times=-1)
        for name in [f"j{at}" for at in range(seq + 1) if witness.states[f"j{at}"] == "pending"]:
            found = witness.scheduler.explain(name, seq)
            assert found is not None
            if found.refusals[0].code == "no_capacity":
                wanted = witness.jobs[name].demand.options[0].per_task
                assert not any(_holds(free, wanted) for free in left.values())


def _holds(free: Resources, wanted: Resources) -> bool:
    amount = wanted.accelerator("A")
    devices = free.accelerator("A") // (500 if amount < 1000 else 1000)
    enough = amount == 0 or devices >= max(amount // 1000, 1)
    return enough and free.cpu_milli >= wanted.cpu_milli and free.memory_mib >= wanted.memory_mib


@given(sizes, asked, st.sampled_from(("fifo", "easy", "default")), st.randoms())
def test_a_fork_and_another_order_of_events_decide_the_same(totals, jobs, policy, rng) -> None:
    nodes = [NodeStatus(f"p{at}", total) for at, total in enumerate(totals)]
    schedulers = [told(PolicyChanged(0, POLICIES[policy])) for _ in "12"]
    for scheduler in schedulers:
        rng.shuffle(nodes)
        scheduler.apply(PoolObserved(0, Offer("p", "local"), tuple(nodes)))
    waiting = [job(seq, need) for seq, (need, _) in enumerate(jobs)]
    ends: list[str] = []
    for now, (_, count) in enumerate(jobs):
        batch, waiting = waiting[:count], waiting[count:]
        happened = [*batch, *(ended(run, at=now) for run in ends)]
        schedulers[0].explain("j0", now)  # which changes nothing
        for scheduler in schedulers:
            rng.shuffle(happened)
            for event in happened:
                scheduler.apply(event)
        if rng.random() < 0.3:
            schedulers[1] = schedulers[1].fork()
        plans = [scheduler.decide(now) for scheduler in schedulers]
        placed = [d for d in plans[0].decisions if isinstance(d, Place)]
        assert [d for d in plans[1].decisions if isinstance(d, Place)] == placed
        ends = [each.run for each in placed if rng.random() < 0.4]
