"""One queue over a real Kubernetes cluster and this machine, as a user types it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal, terminal
from tests.kubernetes import IMAGE, kubectl
from tests.waiting import until

POOLS = """pools:
- name: here
  nodes: [{{cpus: 4, memory: 8GB}}]
- name: cloud
  kind: kubernetes
  kubeconfig: {conf}
  namespace: {namespace}
  image: {image}
  volumes: {{{where}: "host:{where}"}}
- name: wrong
  kind: kubernetes
  kubeconfig: {conf}
  context: nosuch
"""


@pytest.fixture
def user(tmp_path: Path, kubernetes_cluster: Path) -> Iterator[Terminal]:
    """A user with the cluster and this machine."""
    namespace = f"user-{tmp_path.parent.name[-6:]}-{tmp_path.name[-8:]}".lower().replace("_", "-")
    kubectl(kubernetes_cluster, "create", "namespace", namespace)
    with terminal(tmp_path, SUAN_PORT="0") as opened:
        opened.home.mkdir(exist_ok=True)
        named = {"conf": kubernetes_cluster, "namespace": namespace, "image": IMAGE}
        declared = POOLS.format(**named, where=tmp_path)
        (opened.home / "pools.yaml").write_text(declared)
        yield opened
    kubectl(kubernetes_cluster, "delete", "namespace", namespace, "--wait=false")


def test_pools_are_checked_before_the_first_job(user: Terminal) -> None:
    found = json.loads(user.said("pool", "check", "cloud", "--json"))["found"]
    assert any("H100:16" in line for line in found), found
    wrong = user.type("pool", "check", "wrong")
    assert wrong.returncode == 7
    assert "no context called 'nosuch'" in wrong.stderr
    assert "it has: suan" in wrong.stderr


def test_mixed_jobs_over_a_cluster_and_this_machine(user: Terminal, tmp_path: Path) -> None:
    assert user.type("up").returncode == 0
    pools = json.loads(user.said("pool", "list", "--json"))["pools"]
    assert {each["name"]: each["available"] for each in pools} == {
        "here": True, "cloud": True, "wrong": False,
    }  # fmt: skip

    devices = 'echo "devices $NVIDIA_VISIBLE_DEVICES on $SUAN_NODE"'
    assert "on n" in user.said("run", "--gpus", "H100:2", "--infra", "cloud", "--", devices)
    assert user.said("run", "--infra", "here", "--", "echo at home") == "at home"
    failed = user.type("run", "--infra", "kubernetes", "--", "echo oops; echo why >&2; exit 3")
    assert (failed.returncode, failed.stdout) == (3, "oops\n")
    assert "why" in failed.stderr

    gang = user.said("run", "-d", "--nodes", "2", "--infra", "cloud", "--", "echo $SUAN_TASK_RANK")
    until(lambda: user.job(gang)["state"] == "succeeded", 90, what="the gang's end")
    lines = user.said("logs", "--all-tasks", gang).splitlines()
    assert sorted(line.split()[-1] for line in lines) == ["0", "1"]

    large = user.said("submit", "--gpus", "H100:9", "--infra", "cloud", "--", "true")
    assert "H100" in user.said("why", large)
    assert user.said("cancel", large)

    file = tmp_path / "image.yaml"
    image = "docker:localhost/No/Image:1"
    file.write_text(f"resources: {{infra: cloud, image_id: '{image}'}}\nrun: 'true'\n")
    unpulled = user.said("submit", str(file))
    until(lambda: user.job(unpulled)["state"] == "failed", 90, what="its refusal")
    assert "image cannot be pulled" in user.said("show", unpulled)

    trap = "trap 'echo saved; exit 0' TERM; echo ready; while true; do sleep 0.1; done"
    stopped = user.said("run", "-d", "--infra", "cloud", "--", trap)
    until(lambda: "ready" in user.type("logs", stopped).stdout, 90, what="its start")
    assert user.said("cancel", stopped)
    until(lambda: user.job(stopped)["state"] == "cancelled", 90, what="the cancelled job's end")
    assert user.said("logs", stopped) == "ready\nsaved"
    assert user.said("down")
