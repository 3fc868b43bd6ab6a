"""`make region`, as far as this machine can have it: every job of its ends as it should."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 420.0  # of one command, on a machine that does much else
NAMES = {
    "slurm": ("horinger", "guian"),
    "kubernetes": ("qingyang",),
    "ray": ("zhongwei",),
    "local": ("wuhu", "shaoguan"),
}


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
        timeout=SECONDS,
        check=False,
    )


def wanted() -> list[str]:
    """The kinds to start: all but Kubernetes where it is not built, which takes minutes."""
    built = subprocess.run(
        [ROOT / "infra" / "kubernetes" / "build", "--built"], capture_output=True, check=False
    )
    return [kind for kind in NAMES if kind != "kubernetes" or built.returncode == 0]


def demanded() -> set[str]:
    """The kinds that must be there, as CI says; local pools are everywhere."""
    said = {kind for kind in NAMES if os.environ.get(f"SUAN_REQUIRE_{kind.upper()}") == "1"}
    return said | {"local"}


def test_a_region_comes_up_does_its_jobs_and_leaves_nothing(region: Path) -> None:
    kinds = wanted()
    assert demanded() <= set(kinds), "infra/kubernetes/build has not built it"
    started = told("up", region, *kinds)
    assert started.returncode == 0, started.stdout + started.stderr
    pools = {kind: [name for name in NAMES[kind] if f"\n  pool {name} (" in started.stdout]
             for kind in NAMES}  # fmt: skip
    for kind in demanded():
        assert pools[kind] == list(NAMES[kind]), started.stdout

    again = told("up", region, *kinds)  # nothing is started twice
    assert again.returncode == 0, again.stdout + again.stderr
    assert "is already up" in again.stdout
    done = told("jobs", region)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 did not end as they should" in done.stdout
    if pools["slurm"]:
        assert "no_capacity" in done.stdout  # a gang waits for another, and says so
    assert "node_too_small" in done.stdout or "no_such_accelerator" in done.stdout
    if all(pools.values()):
        assert "# 30 jobs: " in done.stdout
    for name in (name for there in pools.values() for name in there):
        assert f" in {name}" in done.stdout.splitlines()[-1]

    assert told("down", region).returncode == 0
    assert not region.exists()
    assert not left(region)


def left(region: Path) -> list[str]:
    """Processes that know of a region's folder; who forks local runs ends a minute later."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        if b"forkserver" in command:
            continue
        if bytes(region) in command and place.name != str(os.getpid()):
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found
