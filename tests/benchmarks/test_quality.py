"""The lower bound that policies are held against: by hand, and as it is known."""

import bench_sim_quality as bench
import pytest
import traces
from traces import Row


def test_shortest_remaining_first_on_one_machine() -> None:
    rows = [Row(0, 10, 2), Row(1, 2, 1), Row(1, 4, 2)]
    # work 10, 1 and 4 at speed 2: the first runs 1, then 1, then 4, then its other 9
    assert bench.squashed(rows, 2) == 1 + 5 + 15


def test_no_job_ends_before_its_own_run_time() -> None:
    assert bench.bound([Row(0, 10, 1), Row(0, 30, 1)], {"": 100}) == 20


def test_the_known_bound_comes_out() -> None:
    path = traces.folder() / traces.TIGHT
    if not path.exists():
        pytest.skip(f"{traces.TIGHT} is not there (set SUAN_TRACES to the folder of the traces)")
    assert bench.bound_of("tight", 0) == pytest.approx(19_174.5, abs=0.05)
