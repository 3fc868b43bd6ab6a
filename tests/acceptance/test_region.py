"""`make region`, as far as this machine can have it: every job of its ends as it should."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def region() -> Iterator[Path]:
    """A folder for a region, which is ended whatever happens. Its path is short: slurmd's sockets
    have to fit."""
    with tempfile.TemporaryDirectory(prefix="suan-region-") as short:
        yield Path(short) / "region"
        told("down", Path(short) / "region")


def told(verb: str, folder: Path, *kinds: str) -> subprocess.CompletedProcess[str]:
    """What `scripts/region` says, with nothing of suan's set."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SUAN_")}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "region", verb, folder, *kinds],
        env={**kept, "NO_COLOR": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_a_region_comes_up_does_its_jobs_and_leaves_nothing(region: Path) -> None:
    started = told("up", region, "slurm", "local")
    assert started.returncode == 0, started.stdout + started.stderr
    if os.environ.get("SUAN_REQUIRE_SLURM") == "1":
        assert "left out, as asked" in started.stdout
        assert started.stdout.count("left out") == started.stdout.count("left out, as asked")
    assert started.stdout.count("\n  pool ") >= 2
    done = told("jobs", region)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 did not end as they should" in done.stdout
    if "horinger: left out" not in started.stdout:
        assert "no_capacity" in done.stdout  # a gang waits for another, and says so
    assert "node_too_small" in done.stdout or "no_such_accelerator" in done.stdout
    assert told("down", region).returncode == 0
    assert not region.exists()
