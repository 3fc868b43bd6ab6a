"""A server is killed at every named point and at random, on both engines; nothing is lost.

Each engine's test is a short form of the one whose figures stand in ``benchmarks/RESULTS.md``
(``benchmarks/bench_crash.py``): every kill point once and some random kills.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from suan.killpoints import NAMES
from tests.crash.harness import CrashTest, Tally, schedule

ROUNDS = len(NAMES) * 4 // 3 + 1


def replayed(home: Path, store_url: str) -> dict[str, object]:
    """What `suan replay` says of the store that went through all this."""
    answer = subprocess.run(
        [sys.executable, "-m", "suan", "replay", "--store", store_url, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    report = json.loads(answer.stdout)
    assert isinstance(report, dict)
    return report


def assert_clean(tally: Tally, report: dict[str, object]) -> None:
    assert tally.clean, tally
    assert report["identical"], report
    named = {point.partition(":")[0] for point in tally.deaths if point != "at random"}
    assert len(named) >= 15, f"only {sorted(named)} were reached"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sqlite_survives_every_kill(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/crash.db"
    test = CrashTest(tmp_path / "home", store_url=store, seed=1)
    tally = test.run(schedule(ROUNDS, seed=1), jobs_per_round=15)
    assert_clean(tally, replayed(tmp_path / "home", store))


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_postgresql_survives_every_kill(tmp_path: Path, postgres_url: str) -> None:
    test = CrashTest(tmp_path / "home", store_url=postgres_url, seed=2)
    tally = test.run(schedule(ROUNDS, seed=2), jobs_per_round=15)
    assert_clean(tally, replayed(tmp_path / "home", postgres_url))
