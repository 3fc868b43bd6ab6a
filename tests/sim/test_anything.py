"""Readers meet anything: whatever a file holds, it is jobs, counted rows or one clear error."""

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suan.model.errors import InputError
from suan.model.offer import NodeStatus, Offer
from suan.model.resources import Resources
from suan.sim import pools as simulated
from suan.sim.pools import SimulatedPool
from suan.sim.study import Fitting
from suan.sim.traces.formats import FORMATS
from suan.sim.traces.opening import open_trace
from suan.sim.traces.tally import CHANGED, LEFT_OUT
from tests.sim.test_traces import SAMPLES

CELLS = st.sampled_from(
    (
        *(
            "",
            "0",
            "1",
            "-1",
            "8",
            "1e400",
            "nan",
            "inf",
            "9" * 30,
            "1.5",
            "x",
            '"',
            "\x00",
            "é",
            ";",
        ),
        *("2024-05-01", "2024-05-01T10:00:00", "9999-12-31T23:59:59", "1-02:03:04"),
        *("cpu=4,mem=1Z", "cpu=" + "9" * 30, "a=b", "node=" + "9" * 30 + ",cpu=1"),
    )
)
NODE = NodeStatus("n", Resources(64_000, 1 << 20, (("V100M16", 8000),)))
POOLS = tuple(SimulatedPool(Offer(name, "simulated"), (NODE,)) for name in ("a", "6214e9"))


def checked(path: Path, form: str | None) -> None:
    """A trace that opens is sound, and counts every row that it does not have."""

    try:
        trace = open_trace(path, form, Fitting(POOLS))
    except InputError as error:
        told = (str(path) in error.where, bool(error.mend))
        assert told == (True, True)
        return
    jobs = list(trace.jobs())
    assert len(jobs) == trace.count > 0
    assert jobs[0].submit == 0
    assert len({each.job for each in jobs}) == len(jobs)
    assert all(a.submit <= b.submit for a, b in pairwise(jobs))
    assert all(each.runtime > 0 and each.demand.tasks > 0 for each in jobs)
    assert set(trace.tally.counts) <= {*LEFT_OUT, *CHANGED}


QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.mark.parametrize("form", FORMATS)
@QUIET
@given(data=st.data())
def test_any_cell_may_be_wrong(tmp_path: Path, form: str, data: st.DataObject) -> None:
    separator = {"swf": " ", "sacct": "|"}.get(form, ",")
    rows = [line.split(separator) for line in SAMPLES[form].splitlines()]
    for _ in range(data.draw(st.integers(1, 6))):
        row = data.draw(st.sampled_from(rows[1:]))
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(CELLS)
    path = tmp_path / "trace"
    path.write_text("\n".join(separator.join(row) for row in rows))
    checked(path, form)


@pytest.mark.parametrize("form", FORMATS)
@QUIET
@given(data=st.data())
def test_any_file_may_be_cut(tmp_path: Path, form: str, data: st.DataObject) -> None:
    whole = SAMPLES[form].encode()
    if data.draw(st.booleans()):
        whole = gzip.compress(whole, mtime=0)
    path = tmp_path / "trace"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    checked(path, data.draw(st.sampled_from([None, form])))


@QUIET
@given(content=st.binary(max_size=300))
def test_any_bytes_may_be_there(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trace"
    path.write_bytes(content)
    for form in (None, *FORMATS):
        checked(path, form)
    try:
        found = simulated.load(path)
    except InputError:
        return
    assert all(pool.nodes for pool in found)
