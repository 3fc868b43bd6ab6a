"""Gangs close together: where racks are known they decide among rooms that are equally good."""

from hypothesis import given
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.core.racks import closeness
from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted, PolicyChanged, PoolObserved, RunEnded
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Place
from suan.model.policy import POLICIES
from suan.model.resources import Resources
from tests.core.world import job, places, res, told

PATHS = ("", "a/1", "a/2", "a/3", "b/1", "b/2", "c")
WHOLE = res(8, 16, A=4)


def racked(*nodes: tuple[str, Resources], name: str = "p") -> PoolObserved:
    statuses = (
        NodeStatus(f"{name}{at:02}", size, rack=rack) for at, (rack, size) in enumerate(nodes)
    )
    return PoolObserved(0, Offer(name, "local"), tuple(statuses))


def rooms(*racks: str, size: Resources = WHOLE) -> PoolObserved:
    """One node for each rack that is named."""
    return racked(*((rack, size) for rack in racks))


def where(event: PoolObserved, place: Place) -> list[str]:
    racks = {node.name: node.rack for node in event.nodes}
    return [racks[name] for name in place.nodes]


def test_a_gang_goes_to_the_tightest_rack_that_holds_it():
    seen = rooms("a/1", "a/2", "a/2", "a/2", "b/1", "b/1")
    found = places(told(seen, job(1, WHOLE, tasks=2)).decide(1))["j1"]
    assert where(seen, found) == ["b/1", "b/1"]


def test_of_equal_racks_it_takes_the_one_whose_subtree_is_most_broken():
    seen = rooms("a/1", "a/1", "a/2", "a/2", "b/1", "b/1", "b/2")
    found = places(told(seen, job(1, WHOLE, tasks=2)).decide(1))["j1"]
    assert where(seen, found) == ["b/1", "b/1"]


def test_what_no_rack_holds_goes_over_few_racks_of_the_smallest_subtree():
    seen = rooms("a/1", "a/2", "b/1", "b/2", "b/3", "b/3", "c/1", "c/1", "c/1", "c/2", "c/2")
    found = places(told(seen, job(1, WHOLE, tasks=3), job(2, WHOLE, tasks=4)).decide(1))
    assert where(seen, found["j1"]) == ["c/1", "c/1", "c/1"]
    assert where(seen, found["j2"]) == ["b/1", "b/2", "b/3", "b/3"]


def test_over_the_whole_pool_the_largest_racks_are_taken_first():
    seen = rooms("a/1", "a/2", "b/1", "b/1", "b/2", "c/1", "c/1", "c/1")
    found = places(told(seen, job(1, WHOLE, tasks=5)).decide(1))["j1"]
    assert where(seen, found) == ["b/1", "b/1", "b/2", "c/1", "c/1"]


def test_a_job_for_one_node_goes_where_a_rack_is_broken_already():
    seen = rooms("a/1", "a/1", "a/1", "b/1", "b/1", "b/2")
    found = places(told(seen, job(1, res(1, 1, A=1)), job(2, WHOLE), job(3, WHOLE)).decide(1))
    assert [where(seen, found[name]) for name in ("j1", "j2", "j3")] == [["b/2"], ["b/1"], ["b/1"]]


def test_a_broken_node_comes_before_a_broken_rack():
    seen = rooms("a/1", "b/1", "b/1", "b/2")
    scheduler = told(seen, job(1, res(1, 1, A=2)))
    assert where(seen, places(scheduler.decide(1))["j1"]) == ["a/1"]
    scheduler.apply(job(2, res(1, 1, A=2)))
    assert where(seen, places(scheduler.decide(2))["j2"]) == ["a/1"]


def test_the_price_comes_before_closeness():
    cheap = rooms("a/1", "a/2")
    dear = PoolObserved(
        0,
        Offer("q", "local"),
        tuple(NodeStatus(f"q{n}", WHOLE, rack="a/1") for n in (1, 2)),
    )
    assert places(told(dear, cheap, job(1, WHOLE, tasks=2)).decide(1))["j1"].pool == "p"


def test_nodes_with_accelerators_are_kept_from_a_gang_that_wants_none():
    bare = res(8, 16)
    seen = racked(("a/1", bare), ("a/2", bare), ("b/1", WHOLE), ("b/1", WHOLE))
    scheduler = told(seen, job(1, bare, tasks=2), job(2, bare, tasks=2))
    found = places(scheduler.decide(1))
    assert where(seen, found["j1"]) == ["a/1", "a/2"]
    assert where(seen, found["j2"]) == ["b/1", "b/1"]


def test_ranks_go_rack_by_rack():
    seen = rooms("b/1", "a/1", "b/1", "a/1")
    assert places(told(seen, job(1, WHOLE, tasks=4)).decide(1))["j1"].nodes == (
        "p01",
        "p03",
        "p00",
        "p02",
    )


def test_where_something_is_kept_for_an_earlier_job_the_rest_is_close_too():
    """``first`` waits for five nodes until an hour; the gang behind it passes, in one rack."""
    seen = rooms("a/1", "a/1", "b/1", "b/1", "c/1", "c/1", "c/1")
    scheduler = told(PolicyChanged(0, POLICIES["easy"]), seen)
    scheduler.apply(job(1, WHOLE, tasks=4, time_limit=3_600_000_000))
    scheduler.decide(1)
    scheduler.apply(job(2, WHOLE, tasks=5))
    scheduler.apply(job(3, WHOLE, tasks=2, time_limit=1_000_000))
    found = places(scheduler.decide(2))["j3"]
    assert len(set(where(seen, found))) == 1


def test_a_running_gang_says_how_close_it_is():
    seen = rooms("a/1", "a/1", "a/2", "a/2")
    scheduler = told(seen, job(1, WHOLE, tasks=2))
    scheduler.decide(1)
    assert "on p00 and p01, in one rack (a/1), as run" in scheduler.explain("j1", 1).summary


def test_closeness_in_words():
    assert closeness(["a/1"]) == ""
    assert closeness(["", ""]) == ""
    assert closeness(["a/1", "a/1"]) == "in one rack (a/1)"
    assert closeness(["x/a/1", "x/a/2"]) == "over 2 racks of x/a"
    assert closeness(["x/a/1", "x/b/2", "x/b/3"]) == "over 3 racks of x"
    assert closeness(["a/1", "ab/1"]) == "over 2 racks"
    assert closeness(["a/1", "", ""]) == "in 1 rack, and on 2 nodes whose rack is not known"


worlds = st.lists(
    st.tuples(st.sampled_from(PATHS), st.sampled_from((0, 0, 1, 2, 4))), min_size=1, max_size=14
)
gangs = st.lists(
    st.tuples(st.integers(2, 6), st.sampled_from((1, 2, 4)), st.integers(0, 3)), max_size=8
)


def free_slots(nodes: tuple[NodeStatus, ...], left: dict[str, int], gpus: int, within: str) -> int:
    """How many tasks a rack or subtree holds, from the test's own books."""
    inside = [n for n in nodes if n.rack == within or n.rack.startswith(f"{within}/")]
    return sum(left[node.name] // gpus for node in inside)


def smallest(nodes: tuple[NodeStatus, ...], left: dict[str, int], gpus: int, tasks: int) -> str:
    """The deepest path whose nodes hold a gang: a rack if one does; empty for none."""
    racks = {node.rack for node in nodes if node.rack}
    outer = {rack.rpartition("/")[0] for rack in racks} - {""}
    for paths in (racks, outer):
        if any(free_slots(nodes, left, gpus, path) >= tasks for path in paths):
            return max(paths, key=lambda path: free_slots(nodes, left, gpus, path) >= tasks)
    return ""


@given(world=worlds, asked=gangs)
def test_a_gang_that_one_rack_holds_is_never_spread_and_none_is_refused(world, asked):
    statuses = tuple(
        NodeStatus(f"p{at:02}", res(64, 64, A=4), res(1, 1, A=taken), rack=rack)
        for at, (rack, taken) in enumerate(world)
    )
    scheduler = Scheduler()
    scheduler.apply(PolicyChanged(0, POLICIES["fifo"]))
    scheduler.apply(PoolObserved(0, Offer("p", "local"), statuses))
    left = {node.name: 4 - taken for node, (_, taken) in zip(statuses, world, strict=True)}
    racks = {node.name: node.rack for node in statuses}
    running: list[tuple[Place, int]] = []
    for now, (tasks, gpus, ends) in enumerate(asked, 1):
        for place, held in running[:ends]:
            scheduler.apply(RunEnded(now, place.run, Outcome(Cause.SUCCEEDED, exit_code=0)))
            for name in place.nodes:
                left[name] += held
        del running[:ends]
        demand = Demand(tasks, (Option(res(1, 1, A=gpus)),))
        scheduler.apply(JobSubmitted(now, f"j{now}", now, demand))
        twin = scheduler.fork()
        plan = scheduler.decide(now)
        assert twin.decide(now) == plan, "it hangs on what is free, and not on how that came"
        found = places(plan).get(f"j{now}")
        room = sum(free // gpus for free in left.values())
        assert (found is not None) == (room >= tasks), "closeness refuses nobody"
        if found is None:
            return
        used = {racks[name] for name in found.nodes}
        best = smallest(statuses, left, gpus, tasks)
        if best in racks.values() and best:
            assert len(used) == 1
            others = [free_slots(statuses, left, gpus, path) for path in set(racks.values()) - {""}]
            tightest = min(free for free in others if free >= tasks)
            assert free_slots(statuses, left, gpus, used.pop()) == tightest
        elif best:
            assert len({rack.rpartition("/")[0] for rack in used}) == 1
        for name in found.nodes:
            left[name] -= gpus
        running.append((found, gpus))
