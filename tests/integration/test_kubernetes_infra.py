"""``infra/kubernetes``: pods run for real, what was killed comes back, and nothing is left."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes import IMAGE, down, kubectl, up


def job(name: str, script: str, *, tasks: int = 1, gpus: int = 0) -> str:
    """An indexed Job of tasks on different nodes, behind a headless service of its name."""
    labels = {"app": name}
    apart = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    pod = {
        "restartPolicy": "Never",
        "subdomain": name,
        "terminationGracePeriodSeconds": 1,
        "affinity": {
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}
        },
        "containers": [
            {
                "name": "task",
                "image": IMAGE,
                "command": ["bash", "-c", script],
                "resources": {"limits": {"nvidia.com/gpu": gpus}} if gpus else {},
            }
        ],
    }
    spec = {
        "completionMode": "Indexed",
        "completions": tasks,
        "parallelism": tasks,
        "backoffLimit": 0,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    service = {"clusterIP": "None", "selector": labels, "publishNotReadyAddresses": True}
    objects = [
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def exit_codes(conf: Path, name: str) -> list[int]:
    """How its containers that have ended did."""
    pods = json.loads(kubectl(conf, "get", "pods", "--selector", f"app={name}", "-o", "json"))
    statuses = [each for pod in pods["items"] for each in pod["status"]["containerStatuses"]]
    ended = [each["state"].get("terminated") for each in statuses]
    return [each["exitCode"] for each in ended if each]


def logs(conf: Path, name: str) -> list[str]:
    return kubectl(conf, "logs", "--selector", f"app={name}", "--tail=-1").splitlines()


def test_a_pod_runs_its_script_and_has_an_exit_code_logs_and_accelerators(
    kubernetes_cluster: Path,
) -> None:
    script = "echo $NVIDIA_VISIBLE_DEVICES; seq 1000; python3 -c 'print(6 * 7)'; exit 7"
    kubectl(kubernetes_cluster, "apply", "-f", "-", stdin=job("single", script, gpus=2))
    kubectl(kubernetes_cluster, "wait", "--for=condition=Failed", "job/single", "--timeout=50s")
    assert exit_codes(kubernetes_cluster, "single") == [7]
    said = logs(kubernetes_cluster, "single")
    assert len(set(said[0].split(","))) == 2
    assert said[1:] == [*map(str, range(1, 1001)), "42"]


def test_pods_of_a_gang_on_two_nodes_reach_each_other_by_name(kubernetes_cluster: Path) -> None:
    serve = "import socket as s; s.create_server(('', 8000)).accept()[0].send(b'hello')"
    script = f"""
        if [ $JOB_COMPLETION_INDEX = 0 ]; then
          exec python3 -c "{serve}"
        fi
        for try in $(seq 100); do
          exec 3<>/dev/tcp/gang-0.gang/8000 && break; sleep 0.2
        done 2>/dev/null
        head -c 5 <&3
    """
    kubectl(kubernetes_cluster, "apply", "-f", "-", stdin=job("gang", script, tasks=2))
    kubectl(kubernetes_cluster, "wait", "--for=condition=Complete", "job/gang", "--timeout=50s")
    assert logs(kubernetes_cluster, "gang") == ["hello"]


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Path]:
    """A cluster that a test may break: the folder of one with one node."""
    up(tmp_path / "cluster", "-n", "1", "-g", "0")
    yield tmp_path / "cluster"
    down(tmp_path / "cluster")


def processes(directory: Path) -> dict[str, int]:
    """The processes of a cluster that are there, by name."""
    found = {file.stem: int(file.read_text()) for file in directory.glob("*.pid")}
    return {name: pid for name, pid in found.items() if Path("/proc", str(pid), "exe").exists()}


def test_what_was_killed_comes_back_and_the_end_leaves_nothing(
    own_cluster: Path, kubernetes_cluster: Path
) -> None:
    conf = own_cluster / "admin.conf"
    kubectl(conf, "apply", "-f", "-", stdin=job("long", "sleep 1000"))
    before = processes(own_cluster)
    assert {"etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager"} <= set(before)
    for name in ("kube-apiserver", "n1"):
        os.kill(before[name], signal.SIGKILL)
    assert up(own_cluster, "-n", "1", "-g", "0") == conf
    after = processes(own_cluster)
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == {"kube-apiserver", "n1"}
    network = (own_cluster / "network").read_text().strip()
    down(own_cluster)
    assert not processes(own_cluster)
    assert not Path("/sys/class/net", f"suan{network}").exists()
    assert not list(Path("/run/netns").glob(f"suan{network}-*"))
    assert not list(Path("/sys/fs/cgroup").glob(f"**/suan-{network}-*"))
