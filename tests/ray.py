"""A real Ray cluster for tests: started once for a whole run, shared by its workers.

Import ``ray_cluster`` into a folder's ``conftest.py``. Where no Ray can be had the tests are
skipped and say why; with ``SUAN_REQUIRE_RAY=1``, as in CI, they fail instead.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sharing import one_for_all, output

INFRA = Path(__file__).parents[1] / "infra" / "ray"
START_SECONDS = 280.0  # it may have to be installed first
NODES = 3


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
    with one_for_all(tmp_path_factory, "ray", start=_three_nodes, stop=down) as told:
        yield RayCluster(Path(told["directory"]), told["address"])


def up(directory: Path, *options: str) -> str:
    """Start what does not run of the cluster in ``directory``; the dashboard's address.

    Raises:
        NotHere: the script says why.
    """
    told = output(INFRA / "up", directory, *options, what="Ray", seconds=START_SECONDS)
    return told.split()[-1]


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


def _three_nodes(directory: Path) -> dict[str, str]:
    return {"directory": str(directory), "address": up(directory, "-n", str(NODES))}
