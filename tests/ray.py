"""A real Ray cluster for tests: started once for a whole run, shared by its workers.

Import ``ray_cluster`` into a folder's ``conftest.py``. Where no Ray can be had the tests are
skipped and say why; with ``SUAN_REQUIRE_RAY=1``, as in CI, they fail instead.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sharing import shared_among_workers

INFRA = Path(__file__).parents[1] / "infra" / "ray"
START_SECONDS = 280.0  # it may have to be installed first
NODES = 3


class NoRay(Exception):
    """No Ray can be had here; says why."""


@dataclass(frozen=True)
class RayCluster:
    """A cluster of ``infra/ray/up``: where it lies, and its dashboard."""

    directory: Path
    address: str

    def node(self, number: int) -> str:
        """The address of a node, which is its name; 1 is the head."""
        return f"127.0.0.{10 + number}"

    def kill(self, number: int) -> None:
        """End all processes of a node, the way a power cut would."""
        place = self.directory / f"n{number}"
        subprocess.run([INFRA / "processes", "end", place], check=True, timeout=60)

    def mend(self) -> None:
        """Start again what does not run."""
        up(self.directory)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody else uses the cluster, so that it may be broken; it is whole again after."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                self.mend()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """While nobody breaks the cluster."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """A cluster of three nodes, each with 16 processors and 8 H100 by name."""
    base = tmp_path_factory.getbasetemp()
    state = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "ray.json"
    try:
        with _shared(state) as found:
            yield found
    except NoRay as reason:
        if os.environ.get("SUAN_REQUIRE_RAY") == "1":
            raise
        pytest.skip(str(reason))


def up(directory: Path, *options: str) -> str:
    """Start what does not run of the cluster in ``directory``; the dashboard's address.

    Raises:
        NoRay: the script says why.
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
        raise NoRay(f"no Ray here: {said[-1]}")
    return done.stdout.split()[-1]


def python() -> Path:
    """The Python that Ray was installed for, once a cluster has been started."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    lock = (INFRA / "requirements.lock").read_text()
    version = lock.partition("\nray==")[2].split()[0]
    return cache / "suan" / f"ray-{version}" / "bin" / "python"


def down(directory: Path) -> None:
    """End it, and remove what it kept."""
    subprocess.run([INFRA / "down", directory], capture_output=True, check=False, timeout=60)
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _shared(state: Path) -> Iterator[RayCluster]:
    """One for all workers of a run: the first one starts it, the last one ends it."""
    with shared_among_workers(state) as users:
        if not users["count"]:
            users["directory"] = tempfile.mkdtemp(prefix="suan-ray-", dir="/tmp")
            users["address"] = up(Path(users["directory"]), "-n", str(NODES))
        users["count"] += 1
        cluster = RayCluster(Path(users["directory"]), users["address"])
    try:
        yield cluster
    finally:
        with shared_among_workers(state) as users:
            users["count"] -= 1
            if not users["count"]:
                down(cluster.directory)
