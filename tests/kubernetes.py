"""A real Kubernetes cluster for tests: started once for a whole run, shared by its workers.

Import ``kubernetes_cluster`` or ``kueue_cluster`` into a folder's ``conftest.py``. Where none can
be had the tests are skipped and say why; with ``SUAN_REQUIRE_KUBERNETES=1`` or
``SUAN_REQUIRE_KUEUE=1``, as in CI, they fail instead.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sharing import one_for_all, output

INFRA = Path(__file__).parents[1] / "infra" / "kubernetes"
START_SECONDS = 240.0  # apt-get may have to fetch containerd first
IMAGE = "localhost/suan/task:1"  # on every node: bash, coreutils and Python of this machine


@pytest.fixture(scope="session")
def kubernetes_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The administrator's kubeconfig of a cluster with two nodes, n1 and n2."""
    with one_for_all(tmp_path_factory, "kubernetes", start=_two_nodes, stop=down) as kubeconfig:
        yield Path(kubeconfig)


@pytest.fixture(scope="session")
def kueue_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same of a cluster with one node, n1, and Kueue."""
    with one_for_all(tmp_path_factory, "kueue", start=_with_kueue, stop=down) as kubeconfig:
        yield Path(kubeconfig)


def up(directory: Path, *options: str) -> Path:
    """Start what does not run of the cluster in ``directory``; the administrator's kubeconfig.

    Raises:
        NotHere: the script says why, or Kubernetes is not built yet, which takes minutes.
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


class Line:
    """The LocalQueue "line" of a namespace, on a ClusterQueue and a flavor of its name."""

    def __init__(self, conf: Path, namespace: str, cpu: str) -> None:
        self._conf = conf
        self._namespace = namespace
        quotas = [{"name": "cpu", "nominalQuota": cpu}, {"name": "memory", "nominalQuota": "4Gi"}]
        group = {
            "coveredResources": ["cpu", "memory"],
            "flavors": [{"name": namespace, "resources": quotas}],
        }
        self._make("ResourceFlavor", namespace, {})
        queue = {"namespaceSelector": {}, "resourceGroups": [group]}
        self._make("ClusterQueue", namespace, queue)
        self._make("LocalQueue", "line", {"clusterQueue": namespace})

    def stop(self, policy: str) -> None:
        """What is to become of what waits and of what runs: Kueue's StopPolicy."""
        change = json.dumps({"spec": {"stopPolicy": policy}})
        patch = ("patch", "clusterqueue", self._namespace, "--type=merge", "-p", change)
        kubectl(self._conf, *patch)

    def _make(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        version = "kueue.x-k8s.io/v1beta2"
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        where = ("--namespace", self._namespace)
        kubectl(self._conf, *where, "create", "-f", "-", stdin=json.dumps(body))


def _two_nodes(directory: Path) -> str:
    return str(up(directory, "-n", "2"))


def _with_kueue(directory: Path) -> str:
    _run("kueue/build", "--built")
    conf = up(directory, "-n", "1", "-g", "0")
    _run("kueue/up", directory)
    return str(conf)


def _run(script: str, *arguments: str | Path) -> str:
    return output(INFRA / script, *arguments, what="Kubernetes", seconds=START_SECONDS)
