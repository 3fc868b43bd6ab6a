"""One queue over a real Kubernetes cluster and this machine, as a user types it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal, terminal
from tests.kubernetes import IMAGE, Line, kubectl
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


QUEUED = """pools:
- name: cloud
  kind: kubernetes
  kubeconfig: {conf}
  namespace: {namespace}
  image: {image}
  kueue_queue: line
"""


@contextmanager
def with_pools(where: Path, conf: Path, pools: str) -> Iterator[tuple[Terminal, str]]:
    """A user with these pools, and a namespace of his own in the cluster."""
    namespace = f"user-{where.parent.name[-6:]}-{where.name[-8:]}".lower().replace("_", "-")
    kubectl(conf, "create", "namespace", namespace)
    with terminal(where, SUAN_PORT="0") as opened:
        opened.home.mkdir(exist_ok=True)
        declared = pools.format(conf=conf, namespace=namespace, image=IMAGE, where=where)
        (opened.home / "pools.yaml").write_text(declared)
        yield opened, namespace
    kubectl(conf, "delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def user(tmp_path: Path, kubernetes_cluster: Path) -> Iterator[Terminal]:
    """A user with the cluster and this machine."""
    with with_pools(tmp_path, kubernetes_cluster, POOLS) as (opened, _):
        yield opened


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


def test_kueue_says_why_a_job_is_held_and_who_evicted_one(
    tmp_path: Path, kueue_cluster: Path
) -> None:
    with with_pools(tmp_path, kueue_cluster, QUEUED) as (user, namespace):
        line = Line(kueue_cluster, namespace, "150m")
        assert user.type("up").returncode == 0
        script = tmp_path / "job.yaml"
        script.write_text("resources: {cpus: 0.1, memory: 0.1}\nrun: sleep 600\n")
        first = user.said("submit", str(script))
        until(lambda: "It runs in" in user.said("why", first), 60, what="its start")

        second = user.said("submit", str(script))
        held = "Kueue holds it in queue line: couldn't assign flavors to pod set main: insufficient"
        until(lambda: held in " ".join(user.said("why", second).split()), 30, what="its words")
        assert "It is being started in pool cloud" in user.said("why", second)

        line.stop("HoldAndDrain")
        evicted = "Kueue evicted it: The ClusterQueue is stopped"
        until(lambda: evicted in user.said("show", first), 60, what="the eviction")
        until(lambda: "Kueue holds it" in user.said("why", first), 30, what="its next run")
        line.stop("None")
        until(lambda: "It runs in" in user.said("why", second), 60, what="the other's start")
        for job in (first, second):
            assert user.said("cancel", job)
