"""The yardstick of optimality is itself checked: by hand, by exhaustion, and by known optima."""

import itertools

import bench_sim_optimality as bench
import heaploops
import optimum
import pytest
import traces
from optimum import Instance, Job, Spot
from smallplay import played

from suan.model.policy import POLICIES

ONE_NODE = {"p": ((8, 0),)}


def rows_of_e13805(count: int) -> list[traces.Row]:
    path = traces.folder() / traces.TIGHT
    if not path.exists():
        pytest.skip(f"{traces.TIGHT} is not there (set SUAN_TRACES to the folder of the traces)")
    rows, _ = traces.tight(path)
    return [row for row in rows if row.group == bench.CLUSTER][bench.FIRST :][:count]


def test_a_gang_that_does_not_fit_beside_another_waits() -> None:
    jobs = (Job("a", 2, 4, 0, 10), Job("b", 1, 8, 0, 1), Job("c", 2, 4, 0, 5))
    answer = optimum.solve(Instance(jobs, ONE_NODE), "completion")
    assert answer.proved
    assert answer.best == 1 + (1 + 5) + (1 + 5 + 10)
    assert answer.spots["b"] == Spot(0, "p", (1,))


def test_a_gang_may_span_the_nodes_of_a_pool_but_not_two_pools() -> None:
    gang = Job("gang", 3, 4, 0, 10)
    together = Instance((gang,), {"p": ((8, 0), (4, 0))})
    apart = Instance((gang,), {"p": ((8, 0),), "q": ((4, 0),)})
    assert optimum.solve(together, "makespan").best == 10
    with pytest.raises(ValueError, match="INFEASIBLE"):
        optimum.solve(apart, "makespan")


def test_deadlines_and_weights_decide_who_goes_first() -> None:
    jobs = (Job("long", 1, 8, 0, 10, deadline=10, weight=20), Job("short", 1, 8, 0, 1, deadline=3))
    instance = Instance(jobs, ONE_NODE)
    assert optimum.solve(instance, "misses").best == 1
    assert optimum.solve(instance, "completion").best == 20 * 10 + 11
    assert optimum.solve(instance, "makespan").best == 11


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_exhaustion_on_one_node_of_one_job_at_a_time(seed: int) -> None:
    drawn = optimum.draw(seed, most=6).jobs[:6]
    jobs = tuple(Job(j.name, 1, 8, 0, j.duration, j.release, j.deadline, j.weight) for j in drawn)
    instance = Instance(jobs, ONE_NODE)
    for objective in bench.OBJECTIVES:
        least = min(
            optimum.value(instance, in_order(order), objective)
            for order in itertools.permutations(jobs)
        )
        answer = optimum.solve(instance, objective)
        assert answer.proved
        assert answer.best == least


def in_order(jobs: tuple[Job, ...]) -> dict[str, int]:
    ends, now = {}, 0
    for job in jobs:
        now = max(now, job.release) + job.duration
        ends[job.name] = now
    return ends


def test_a_plan_that_is_known_is_the_answer_where_there_is_no_time() -> None:
    instance = optimum.draw(8)
    spots, _ = played(instance, POLICIES["easy"])
    answer = optimum.solve(instance, "completion", spots, seconds=0.0)
    worth = optimum.value(instance, bench.ends_of(instance, spots), "completion")
    assert worth == pytest.approx(answer.best)
    assert answer.bound <= answer.best
    assert not optimum.wrong(instance, answer.spots)


def test_the_fluid_bound_by_hand() -> None:
    """The light short job first, as in the best plan; of nine that take an eighth of it for 8 each
    has an area of 1, so they are over at 4.5, 5.5, …; and none before it could be if it ran alone.
    """
    whole = (Job("a", 1, 8, 0, 10), Job("b", 1, 8, 0, 2))
    assert optimum.fluid_bound(Instance(whole, ONE_NODE)) == pytest.approx(2 + 12)
    narrow = tuple(Job(f"a{at}", 1, 1, 0, 8) for at in range(9))
    assert optimum.fluid_bound(Instance(narrow, ONE_NODE)) == pytest.approx(9 * (4.5 + 4))
    assert optimum.fluid_bound(Instance(narrow[:1], ONE_NODE)) == 8
    later = (Job("a", 1, 8, 0, 10), Job("b", 1, 8, 0, 2, release=4, weight=9))
    busy_a = (4 * 2 + 6 * 9) / 10  # from 0 to 4 and from 6 to 12
    expected = (busy_a + 5) + 9 * (5 + 1 - 4)
    assert optimum.fluid_bound(Instance(later, ONE_NODE)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(12))
def test_no_optimum_is_below_the_fluid_bound(seed: int) -> None:
    instance = optimum.draw(seed, most=7)
    answer = optimum.solve(instance, "completion", seconds=5.0)
    assert answer.best >= optimum.fluid_bound(instance) - 1e-6


@pytest.mark.parametrize("seed", range(10))
def test_every_plan_keeps_the_rules_and_none_beats_the_bound(seed: int) -> None:
    instance = optimum.draw(seed, most=10)
    for policy in ("default", "fifo", "sjf"):
        spots, _ = played(instance, POLICIES[policy])
        assert not optimum.wrong(instance, spots)
        worth = optimum.value(instance, bench.ends_of(instance, spots), "completion")
        answer = optimum.solve(instance, "completion", spots, seconds=1.0)
        assert not optimum.wrong(instance, answer.spots)
        assert worth >= answer.best >= answer.bound - 1e-6
        ends = bench.ends_of(instance, answer.spots)
        assert optimum.value(instance, ends, "completion") == pytest.approx(answer.best)


def test_what_is_wrong_with_a_plan_is_said() -> None:
    jobs = (Job("a", 1, 8, 0, 10, release=5), Job("b", 2, 4, 0, 10))
    instance = Instance(jobs, ONE_NODE)
    good = {"a": Spot(10, "p", (1,)), "b": Spot(0, "p", (2,))}
    assert not optimum.wrong(instance, good)
    assert optimum.wrong(instance, good | {"a": Spot(4, "p", (1,))})
    assert optimum.wrong(instance, good | {"a": Spot(9, "p", (1,))})
    assert optimum.wrong(instance, good | {"b": Spot(0, "p", (1,))})
    assert optimum.wrong(instance, {"b": good["b"]})


def test_the_known_optimum_of_thirty_real_jobs_comes_out() -> None:
    rows = rows_of_e13805(30)
    answer = bench.on_one_node(rows, seconds=60.0)
    assert answer.proved
    assert answer.best / 30 == pytest.approx(56_331.9, abs=0.05)


@pytest.mark.parametrize("count", [30, 50])
def test_the_known_means_of_fifo_and_sjf_come_out(count: int) -> None:
    rows = rows_of_e13805(count)
    run = sum(row.duration for row in rows) / count
    _, sjf, fifo = bench.KNOWN[count]
    for loop, known in ((heaploops.sjf_on_nodes, sjf), (heaploops.fifo_on_nodes, fifo)):
        waited = heaploops.mean_wait(rows, loop(rows, {bench.CLUSTER: 1}))
        assert waited + run == pytest.approx(known, abs=0.05)
