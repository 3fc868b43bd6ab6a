"""A real Kubernetes cluster for tests: started once for a whole run, shared by its workers.

Import ``kubernetes_cluster`` into a folder's ``conftest.py``. Where none can be had the tests are
skipped and say why; with ``SUAN_REQUIRE_KUBERNETES=1``, as in CI, they fail instead.
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

INFRA = Path(__file__).parents[1] / "infra" / "kubernetes"
START_SECONDS = 240.0  # apt-get may have to fetch containerd first
IMAGE = "localhost/suan/task:1"  # on every node: bash, coreutils and Python of this machine


class NoKubernetes(Exception):
    """No Kubernetes can be had here; says why."""


@pytest.fixture(scope="session")
def kubernetes_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig of a cluster with two nodes, n1 and n2."""
    base = tmp_path_factory.getbasetemp()
    state = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kubernetes.json"
    try:
        with _shared(state) as found:
            yield found
    except NoKubernetes as reason:
        if os.environ.get("SUAN_REQUIRE_KUBERNETES") == "1":
            raise
        pytest.skip(str(reason))


def up(directory: Path, *options: str) -> Path:
    """Start what does not run of the cluster in ``directory``; the administrator's kubeconfig.

    Raises:
        NoKubernetes: the script says why, or Kubernetes is not built yet, which takes minutes.
    """
    _run("build", "--built")
    return Path(_run("up", directory, *options))


def down(directory: Path) -> None:
    """End it, and remove what it kept."""
    subprocess.run([INFRA / "down", directory], capture_output=True, check=False, timeout=120)
    shutil.rmtree(directory, ignore_errors=True)


def kubectl(conf: Path, *arguments: str, stdin: str | None = None, seconds: float = 60.0) -> str:
    """The output of a kubectl of the cluster's own version."""
    done = subprocess.run(
        [Path(_run("build", "--built")) / "kubectl", "--kubeconfig", conf, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(script: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [INFRA / script, *arguments],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise NoKubernetes(f"no Kubernetes here: {said[-1]}")
    return done.stdout.strip()


@contextmanager
def _shared(state: Path) -> Iterator[Path]:
    """One cluster for all workers of a run: the first one starts it, the last one ends it."""
    with shared_among_workers(state) as users:
        if not users["count"]:
            directory = tempfile.mkdtemp(prefix="suan-kubernetes-")
            users["directory"] = directory
            users["kubeconfig"] = str(up(Path(directory), "-n", "2"))
        users["count"] += 1
        kubeconfig = Path(users["kubeconfig"])
    try:
        yield kubeconfig
    finally:
        with shared_among_workers(state) as users:
            users["count"] -= 1
            if not users["count"]:
                down(Path(users["directory"]))
