"""``infra/kubernetes/install``: suan in a cluster, by the rights that it gives and no others."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from suan.pools.kubernetes import kueue
from suan.pools.kubernetes.checks import NEEDED, Needed
from tests.kubernetes import IMAGE, INFRA, kubectl

INSTALL = INFRA / "install"
POOLS = f"pools: [{{name: cluster, kind: kubernetes, image: '{IMAGE}'}}]\n"
WORKLOADS = ("Deployment", "StatefulSet")
UNASKED = [{"op": "remove", "path": "/spec/template/spec/containers/0/resources/requests"}]
PASSWORD = "open-sesame"
STORE = (
    f"--from-literal=url=postgresql://suan:{PASSWORD}@postgres/suan",
    f"--from-literal=password={PASSWORD}",
)
JOB = """
num_nodes: 2
resources: {accelerators: "H100:2", cpus: 0.1}
run: echo "rank $SUAN_TASK_RANK of $SKYPILOT_NUM_NODES"
"""
START_SECONDS = 300  # other tests run beside it


@pytest.fixture
def cluster(kubernetes_cluster: Path, postgres_server: object, tmp_path: Path) -> Iterator[Path]:
    """A cluster in whose nodes are images of suan and of this machine's PostgreSQL."""
    archive = tmp_path / "suan.tar"
    subprocess.run([sys.executable, INFRA / "image", "--suan", archive], check=True)
    subprocess.run([INFRA / "load", kubernetes_cluster.parent, archive], check=True)
    archive.unlink()
    yield kubernetes_cluster
    gone = ("delete", "-k", str(INSTALL), "--ignore-not-found")
    kubectl(kubernetes_cluster, *gone, seconds=180)  # whole, or a second try finds it half deleted


def overlay(folder: Path) -> str:
    """The base, its pool's jobs with an image, and no processor set aside: other tests run."""
    patched = [{"target": {"kind": kind}, "patch": json.dumps(UNASKED)} for kind in WORKLOADS]
    content = {
        "namespace": "suan",
        "resources": [os.path.relpath(INSTALL, folder.resolve())],
        "images": [{"name": "postgres", "newName": "localhost/suan/postgres", "newTag": "1"}],
        "configMapGenerator": [
            {"name": "suan-pools", "behavior": "replace", "files": ["pools.yaml"]}
        ],
        "patches": patched,
    }
    (folder / "pools.yaml").write_text(POOLS)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return str(folder)


def test_suan_and_its_postgresql_run_in_a_cluster_that_is_its_pool(
    cluster: Path, tmp_path: Path
) -> None:
    kubectl(cluster, "apply", "-k", str(INSTALL / "pool"))
    dry = kubectl(cluster, "apply", "--dry-run=server", "-k", str(INSTALL))
    assert "statefulset.apps/postgres created (server dry run)" in dry
    kubectl(cluster, "create", "secret", "generic", "suan-store", "-n", "suan", *STORE)
    kubectl(cluster, "apply", "-k", overlay(tmp_path))
    waiting = ("rollout", "status", "deployment/suan", f"--timeout={START_SECONDS}s")
    kubectl(cluster, "-n", "suan", *waiting, seconds=START_SECONDS + 10)
    script = "cat >/tmp/job.yaml; suan run /tmp/job.yaml 2>&1; echo ended with $?"
    inside = ("-n", "suan", "exec", "-i", "deployment/suan", "--", "bash", "-c", script)
    said = kubectl(cluster, *inside, stdin=JOB).splitlines()
    assert {"[0] rank 0 of 2", "[1] rank 1 of 2"} <= set(said), said
    assert said[-1] == "ended with 0"


@pytest.mark.parametrize(("file", "asked"), [("rights", NEEDED), ("kueue", kueue.NEEDED)])
def test_the_rights_are_those_that_the_pool_asks_for(file: str, asked: Needed) -> None:
    given = {}
    for each in yaml.safe_load_all((INSTALL / "pool" / f"{file}.yaml").read_text()):
        for rule in each.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    given[group, resource, each["kind"] == "Role"] = set(rule["verbs"])
    assert given == {(group, name, inside): set(verbs) for group, name, inside, verbs in asked}
