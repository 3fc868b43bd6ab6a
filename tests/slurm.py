"""Real Slurm clusters for tests: started once for a whole run, shared by its workers.

Import ``slurm_clusters`` into a folder's ``conftest.py``. Where no Slurm can be had the tests are
skipped and say why; with ``SUAN_REQUIRE_SLURM=1``, as in CI, they fail instead.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sharing import shared_among_workers

INFRA = Path(__file__).parents[1] / "infra" / "slurm"
START_SECONDS = 240.0  # apt-get may have to fetch it first


class NoSlurm(Exception):
    """No Slurm can be had here; says why."""


@pytest.fixture(scope="session")
def slurm_clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The ``slurm.conf`` of two clusters, by name."""
    base = tmp_path_factory.getbasetemp()
    state = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "slurm.json"
    try:
        with _shared(state) as found:
            yield found
    except NoSlurm as reason:
        if os.environ.get("SUAN_REQUIRE_SLURM") == "1":
            raise
        pytest.skip(str(reason))


def up(directory: Path, *options: str) -> dict[str, Path]:
    """Start what does not run of the clusters in ``directory``; their ``slurm.conf`` by name.

    Raises:
        NoSlurm: the script says why.
    """
    done = subprocess.run(
        [INFRA / "up", directory, *options],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise NoSlurm(f"no Slurm here: {said[-1]}")
    lines = (line.split() for line in done.stdout.splitlines())
    return {name: Path(conf) for name, conf in lines}


def down(directory: Path) -> None:
    """End them, and remove what they kept."""
    subprocess.run([INFRA / "down", directory], capture_output=True, check=False, timeout=120)
    shutil.rmtree(directory, ignore_errors=True)


def command(conf: Path, *argv: str) -> str:
    """The output of one of Slurm's commands."""
    env = {**os.environ, "SLURM_CONF": str(conf)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@contextmanager
def _shared(state: Path) -> Iterator[dict[str, Path]]:
    """One set for all workers of a run: the first one starts it, the last one ends it."""
    with shared_among_workers(state) as users:
        if not users["count"]:
            directory = tempfile.mkdtemp(prefix="suan-slurm-")
            users["directory"] = directory
            found = up(Path(directory), "-c", "2", "-n", "3")
            users["clusters"] = {name: str(conf) for name, conf in found.items()}
        users["count"] += 1
        clusters = {name: Path(conf) for name, conf in users["clusters"].items()}
    try:
        yield clusters
    finally:
        with shared_among_workers(state) as users:
            users["count"] -= 1
            if not users["count"]:
                down(Path(users["directory"]))
