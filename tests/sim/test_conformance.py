"""The simulator against other programs' figures on real traces, and its readers on all of them.

The traces are not part of the repository: they are looked for in $SUAN_TRACES, else beside it.
The figures are those of HeliosArtifact (``philly_tight``), AccaSim and CQSim (Theta) and a plain
strict FIFO (Curie); docs/explanation/simulator.md says how each is compared.
"""

import csv
import os
from functools import cache
from pathlib import Path

import pytest

from suan.model.units import SECOND
from suan.sim import pools as simulated
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
    if pools.isdigit():
        found = simulated.load(machine(int(pools)))
    else:
        found = simulated.load(TRACES / pools)
    opened = open_trace(TRACES / trace, None, Fitting(found))
    return simulate(policy, opened, found, settings=Settings(durations=durations))


@cache
def machine(processors: int) -> Path:
    """A pools.yaml of one node, as suits traces that know only processors."""
    path = Path(folder()) / f"{processors}.yaml"
    path.write_text(
        f"pools: [{{name: all, nodes: [{{count: 1, cpus: {processors}, memory: 1TB}}]}}]\n"
    )
    return path


@cache
def folder() -> str:
    import tempfile

    return tempfile.mkdtemp()


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
        ("philly/philly.csv", "philly/philly_vc.csv", "philly", 82_248, {"unordered", "split"}),
        ("philly_tight/jobs.csv", "philly_tight/nodes.csv", "philly", 68_485, set()),
        ("pai/pai-100k.csv.gz", "2000", "pai-hours", 100_000, set()),
        (
            "openb/openb_pod_list_default.csv",
            "openb/openb_node_list_all_node.csv",
            "openb",
            7_254,
            {"never_ran", "zero_length"},
        ),
        ("swf/NASA-iPSC-1993-3.1-cln.swf.gz", "128", "swf", 18_066, set()),
        ("swf/UniLu-Gaia-2014-1.swf.gz", "2004", "swf", 51_871, set()),
    ],
)
def test_every_real_trace_can_be_read(
    trace: str, pools: str, form: str, count: int, causes: set[str]
) -> None:
    found = simulated.load(machine(int(pools)) if pools.isdigit() else TRACES / pools)
    opened = open_trace(TRACES / trace, None, Fitting(found))
    assert (opened.format, opened.count) == (form, count)
    assert set(opened.tally.counts) == causes
