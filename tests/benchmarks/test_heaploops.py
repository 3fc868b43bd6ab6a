"""The bare loops that speed is held against do what they say: by hand, and on the known traces."""

from pathlib import Path

import eventloops
import heaploops
import pytest
import traces
from heaploops import LOOPS, Nodes
from traces import Row

KNOWN = {  # mean wait in seconds, from other programs on the same input
    "tight-fifo": 201_208.95,
    "tight-sjf": 22_563.68,
    "theta-fifo": 159_516.20,
    "theta-sjf": 16_872.45,
    "theta-sjf-true": 14_408.43,
    "theta-easy": 43_287.04,
    "curie-fifo": 241_015.08,
}


def trace(name: str) -> Path:
    path = traces.folder() / name
    if not path.exists():
        pytest.skip(f"{name} is not there (set SUAN_TRACES to the folder of the traces)")
    return path


@pytest.mark.parametrize("name", KNOWN)
def test_the_known_means_come_out(name: str) -> None:
    file, run = LOOPS[name]
    rows, starts = run(trace(file), None)
    assert heaploops.mean_wait(rows, starts) == pytest.approx(KNOWN[name], abs=0.005)


@pytest.mark.parametrize("name", eventloops.LOOPS)
def test_the_loop_with_one_clock_and_the_shortest_start_every_job_alike(name: str) -> None:
    if name == "curie-easy":
        pytest.skip("one loop for both, and a long one")
    (file, events), (_, shortest) = eventloops.LOOPS[name], LOOPS[name]
    assert events(trace(file), None) == shortest(trace(file), None)


def test_one_clock_serves_clusters_that_do_not_wait_for_each_other() -> None:
    rows = [
        Row(0, 10, 8, "a"),
        Row(0, 7, 12, "b"),
        Row(1, 5, 3, "a"),  # waits for the end of the first
        Row(1, 2, 1, "a"),  # and behind the head, though shorter
        Row(2, 4, 4, "b"),
        Row(7, 1, 16, "b"),  # an end and an arrival in one second: the node is not free yet
    ]
    nodes = {"a": 1, "b": 2}
    assert eventloops.fifo_on_nodes(rows, nodes) == [0, 0, 10, 10, 2, 7]
    assert eventloops.sjf_on_nodes(rows, nodes) == [0, 0, 10, 10, 2, 7]
    assert heaploops.fifo_on_nodes(rows, nodes) == [0, 0, 10, 10, 2, 7]


def test_the_loop_with_one_clock_counts_who_waits_and_who_runs() -> None:
    rows = [Row(0, 10, 3), Row(1, 9, 1), Row(1, 3, 2), Row(2, 4, 1)]
    loop = eventloops.Loop(rows, {"": eventloops.Processors(3)})
    assert loop.sjf(lambda row: row.duration) == [0, 13, 10, 10]
    assert loop.counters == eventloops.Counters(waiting=0, running=0, waited=12 + 9 + 8)


def test_jobs_are_put_on_the_tightest_node_and_whole_ones_on_free_nodes() -> None:
    nodes = Nodes(2)
    assert nodes.take(6) == [(0, 6)]
    assert nodes.take(2) == [(0, 2)]
    assert nodes.take(1) == [(1, 1)]
    assert nodes.take(8) is None
    assert nodes.take(16) is None
    nodes.put([(1, 1)])
    assert nodes.take(8) == [(1, 8)]


def test_a_job_behind_the_head_passes_only_where_the_head_does_not_start_later() -> None:
    rows = [
        Row(0, 10, 3, asked=10),
        Row(1, 5, 4, asked=5),  # waits until 10 for all four
        Row(1, 20, 1, asked=20),  # would hold it up
        Row(1, 8, 1, asked=9),  # ends in time
    ]
    assert heaploops.easy(rows, 4) == [0, 10, 15, 1]
    assert heaploops.fifo(rows, 4) == [0, 10, 15, 15]


def test_what_the_head_leaves_over_may_be_taken_for_longer() -> None:
    rows = [
        Row(0, 10, 3, asked=10),
        Row(1, 5, 3, asked=5),
        Row(1, 20, 1, asked=20),
    ]
    assert heaploops.easy(rows, 4) == [0, 10, 1]


def test_shorter_jobs_first_and_never_past_the_head() -> None:
    rows = [Row(0, 10, 2), Row(1, 9, 1), Row(1, 3, 2), Row(2, 4, 1)]
    assert heaploops.sjf(rows, 3, lambda row: row.duration) == [0, 13, 10, 10]
