"""The simulator against other programs' figures on real traces, and its readers on all of them.

The traces are not part of the repository: they are looked for in $SUAN_TRACES, else beside it.
The figures are those of HeliosArtifact (``philly_tight``), AccaSim and CQSim (Theta) and a plain
strict FIFO (Curie); docs/howto/simulate.md has the table.
"""

import csv
import os
from functools import cache
from pathlib import Path

import pytest

from suan.model.offer import NodeStatus, Offer
from suan.model.resources import Resources
from suan.model.units import SECOND
from suan.sim.pools import SimulatedPool, load
from suan.sim.results import Result
from suan.sim.settings import Durations, Settings
from suan.sim.study import Fitting, simulate
from suan.sim.traces.opening import open_trace

BESIDE = Path(__file__).parents[2].parent / "shared" / "traces"
TRACES = Path(os.environ.get("SUAN_TRACES") or BESIDE)

pytestmark = pytest.mark.skipif(
    not TRACES.is_dir(), reason="the real traces are not here: set SUAN_TRACES"
)


@cache
def ran(trace: str, pools: str, policy: str, durations: Durations = "actual") -> Result:
    """One policy over a trace; ``pools`` is a node list, or processors."""
    found = machines(pools)
    opened = open_trace(TRACES / trace, None, Fitting(found))
    return simulate(policy, opened, found, settings=Settings(durations=durations))


def machines(pools: str) -> tuple[SimulatedPool, ...]:
    """The pools of a node list; or one node, as suits traces that know only processors."""
    if pools.isdigit():
        node = NodeStatus("all", Resources(int(pools) * 1000, 1024))
        return (SimulatedPool(Offer("all", "simulated"), (node,)),)
    return load(TRACES / pools)


def tight(policy: str) -> Result:
    return ran("philly_tight/jobs.csv", "philly_tight/nodes.csv", policy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "overall", "completion"),
    [("fifo", 201_208.95, 212_692.46), ("sjf", 22_563.68, 34_047.19)],
)
def test_philly_tight_agrees_with_heliosartifact_to_the_second(
    policy: str, overall: float, completion: float
) -> None:
    result = tight(policy)
    with (TRACES / "philly_tight" / "helios_artifact_results.csv").open() as file:
        expected = {row["vc"]: int(row[f"{policy}_mean_queue_s"]) for row in csv.DictReader(file)}
    found = {each.name: int(each.mean_wait / SECOND) for each in result.tenants}
    assert {**found, "all": int(result.overall.mean_wait / SECOND)} == expected
    assert round(result.overall.mean_wait / SECOND, 2) == overall
    assert round(result.overall.mean_completion / SECOND, 2) == completion


@pytest.mark.parametrize(
    ("policy", "durations", "expected"),
    [
        ("fifo", "requested", 159_516.20),
        ("sjf", "requested", 16_872.45),
        ("sjf", "actual", 14_408.43),
    ],
)
def test_theta_agrees_with_accasim(policy: str, durations: Durations, expected: float) -> None:
    result = ran("swf/theta_2022.swf.gz", "4360", policy, durations)
    assert result.overall.jobs == 23_911
    assert round(result.overall.mean_wait / SECOND, 2) == expected


@pytest.mark.slow
def test_curie_agrees_with_strict_fifo() -> None:
    result = ran("swf/CEA-Curie-2011-2.1-cln.swf.gz", "80640", "fifo", "requested")
    assert result.overall.jobs == 295_540
    assert round(result.overall.mean_wait / SECOND, 2) == 241_015.08


@pytest.mark.parametrize(
    ("trace", "pools", "form", "count", "causes"),
    [
        (
            "philly/philly.csv",
            "philly/philly_vc.csv",
            "philly",
            82_229,
            {"unordered", "split", "too_large"},
        ),
        ("philly_tight/jobs.csv", "philly_tight/nodes.csv", "philly", 68_485, set()),
        ("pai/pai-100k.csv.gz", "2000", "pai-hours", 99_998, set()),
        (
            "openb/openb_pod_list_default.csv",
            "openb/openb_node_list_all_node.csv",
            "openb",
            7_255,
            {"never_ran"},
        ),
        ("swf/NASA-iPSC-1993-3.1-cln.swf.gz", "128", "swf", 18_066, {"zero_length"}),
        ("swf/UniLu-Gaia-2014-1.swf.gz", "2004", "swf", 51_859, {"zero_length", "over_limit"}),
    ],
)
def test_every_real_trace_can_be_read(
    trace: str, pools: str, form: str, count: int, causes: set[str]
) -> None:
    opened = open_trace(TRACES / trace, None, Fitting(machines(pools)))
    assert (opened.format, opened.count) == (form, count)
    assert set(opened.tally.counts) == causes
