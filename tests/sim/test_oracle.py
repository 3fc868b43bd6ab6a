"""Strict order against a program of thirty lines that knows one thing only: on any workload the
engine, the scheduler and the packing together start every job when it does.

The rules are HeliosArtifact's: up to a node's size on the node that is then the fullest, multiples
of it on whole free nodes, and nobody passes the first.
"""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.model.units import SECOND
from suan.sim.settings import Settings
from suan.sim.traces.gangs import Gangs
from suan.sim.traces.job import TraceJob
from tests.sim.world import pool, simulated, starts

NODE = 8
Row = tuple[int, int, int]  # submission, run time, accelerators
KEYS: dict[str, Callable[[Row], int]] = {"fifo": lambda row: row[0], "sjf": lambda row: row[1]}


def oracle(rows: list[Row], nodes: int, key: Callable[[Row], int]) -> dict[str, int]:
    """When each job starts, by a list walked at every instant."""
    free, running, waiting = [NODE] * nodes, list[tuple[int, list[int], int]](), list[int]()
    found: dict[str, int] = {}
    later = sorted(range(len(rows)), key=lambda at: (rows[at][0], at))
    while later or running:
        now = min([rows[at][0] for at in later[:1]] + [end for end, _, _ in running])
        for end, taken, each in [one for one in running if one[0] == now]:
            running.remove((end, taken, each))
            for node in taken:
                free[node] += each
        while later and rows[later[0]][0] == now:
            waiting.append(later.pop(0))
        waiting.sort(key=lambda at: (key(rows[at]), rows[at][0], at))
        while waiting:
            _, length, size = rows[waiting[0]]
            each, wanted = min(size, NODE), max(1, size // NODE)
            room = sorted((free[n], n) for n in range(nodes) if free[n] >= each)
            if len(room) < wanted:
                break
            taken = [n for _, n in room[:wanted]]
            for node in taken:
                free[node] -= each
            running.append((now + length, taken, each))
            found[f"j{waiting.pop(0)}"] = now
    return found


ROWS = st.lists(
    st.tuples(
        st.integers(0, 40), st.integers(1, 20), st.sampled_from([1, 1, 1, 2, 3, 4, 5, 8, 16, 24])
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("policy", KEYS)
@settings(max_examples=150, deadline=None)
@given(rows=ROWS)
def test_every_job_starts_when_the_oracle_says(policy: str, rows: list[Row]) -> None:
    gangs = Gangs()
    jobs = [
        TraceJob(f"j{at}", at, submit * SECOND, length * SECOND, gangs.of(str(size), "here")[0])
        for at, (submit, length, size) in enumerate(rows)
    ]
    jobs.sort(key=lambda job: job.submit)
    found, _ = simulated(
        jobs,
        pool(nodes=3, cpus=0, gpus=NODE),
        policy=policy,
        settings=Settings(durations="actual"),
    )
    assert starts(found) == dict(sorted(oracle(rows, 3, KEYS[policy]).items()))
