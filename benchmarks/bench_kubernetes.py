"""Kubernetes: 500 trivial jobs, the latency to a start, and 10,000 pods of others.

By hand is one `kubectl create -f` of 500 Jobs and `kubectl get jobs` until all are complete. suan
gets the jobs in one request, as from `suan submit --array`, or in one for each. Its server, store
and keepers share the machine with all of the cluster: etcd, the control plane, two kubelets with
containerd. The pods of others are bound to nodes without a kubelet; what is measured is what they
cost suan's process. Each way takes minutes, most of them the kubelets', so each has one round;
before each the pods of the one before are taken away.
"""

import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import harness
import httpx
from beside import ASLEEP_S, latencies, suans_ways, table

sys.path.insert(0, str(Path(__file__).parents[1]))

from suan.model.pool import Pool
from suan.pools.declared import load_pools, open_pool
from tests.kubernetes import IMAGE, down, kubectl, up
from tests.servers import server
from tests.sharing import NotHere

NEEDS = {"cpu_milli": 10, "memory_mib": 16}
PODS_A_NODE = 100
LATENCIES = 15
POOL = """pools:
- name: k
  kind: kubernetes
  kubeconfig: {conf}
  namespace: suan
  image: {image}
  patience_s: 600
  volumes: {{{folder}: "host:{folder}"}}
"""


def job(name: str, script: str, folder: Path) -> dict[str, object]:
    """A Job as one would write it by hand."""
    container = {
        "name": "task",
        "image": IMAGE,
        "command": ["bash", "-c", script],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "volumeMounts": [{"name": "f", "mountPath": str(folder)}],
    }
    volume = {"name": "f", "hostPath": {"path": str(folder)}}
    pod = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"round": name.rpartition("-")[0]}},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


def by_hand(conf: Path, folder: Path, jobs: int) -> float:
    """One file with every Job, and until all are complete."""
    name = f"hand{time.time_ns()}"
    listed = [job(f"{name}-{number}", "true", folder) for number in range(jobs)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": listed})
    asked = ("get", "jobs", "-l", f"round={name}", "-o", "jsonpath={.items[*].status.succeeded}")
    start = time.perf_counter()
    kubectl(conf, "create", "-f", "-", stdin=text)
    while len(kubectl(conf, *asked).split()) < jobs:
        time.sleep(ASLEEP_S)
    return time.perf_counter() - start


def clear(conf: Path) -> None:
    """Take away all Jobs, whosever they are, and wait until their pods are gone: what has ended
    costs the kubelets as long as it is there, and so does its end."""
    for namespace in ("default", "suan"):
        kubectl(conf, "delete", "jobs", "--all", "-n", namespace, seconds=600)
        while kubectl(conf, "get", "pods", "-n", namespace, "-o", "name"):
            time.sleep(1)


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    directory = folder / "kubernetes"
    try:
        yield up(directory, "-n", "2")
    finally:
        down(directory)


def jobs_table(folder: Path, conf: Path, *, jobs: int) -> None:
    """Each way in turn, and what it took."""
    home = folder / "home"
    home.mkdir()
    (home / "pools.yaml").write_text(POOL.format(conf=conf, image=IMAGE, folder=folder))
    rates: dict[str, list[float]] = {}
    with server(home) as running, httpx.Client(base_url=running.url, timeout=60) as http:
        ways: dict[str, Callable[[int], float]] = {
            "by hand": lambda count: by_hand(conf, folder, count),
            **suans_ways(running, NEEDS),
        }
        for way in ways.values():
            way(10)
        for name, way in ways.items():
            clear(conf)
            rates[name] = [jobs / way(jobs)]
        clear(conf)

        def one_by_hand(script: str) -> None:
            text = json.dumps(job(f"one-{time.time_ns()}", script, folder))
            kubectl(conf, "create", "-f", "-", stdin=text)

        def one_by_suan(script: str) -> None:
            http.post("/v1/jobs", json={"run": script, "resources": [NEEDS]})

        waits = {
            "by hand": latencies(one_by_hand, folder, LATENCIES, rest_s=0.5),
            "suan, a request each": latencies(one_by_suan, folder, LATENCIES, rest_s=0.5),
        }
    print(table(rates, waits, jobs=jobs, native="by hand"))


def foreign(conf: Path, nodes: int, each: int) -> None:
    """Nodes without a kubelet, and pods of others that are bound to them."""
    listed: list[dict[str, object]] = []
    container = {
        "name": "theirs",
        "image": "none",
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    for number in range(nodes):
        name = f"far-{number}"
        listed.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        listed += [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"theirs-{number}-{one}"},
                "spec": {
                    "nodeName": name,
                    "containers": [container],
                    "tolerations": [{"operator": "Exists"}],
                },
            }
            for one in range(each)
        ]
    for at in range(0, len(listed), 500):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": listed[at : at + 500]})
        kubectl(conf, "create", "-f", "-", stdin=text)


async def observing(pool: Pool, conf: Path, times: int) -> list[tuple[str, float]]:
    """Processor seconds of a first look, of later ones, and of later ones amid change."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    began = spent()
    seen = await pool.observe(None)
    found = [("the first look", spent() - began)]
    later, churn = [], []
    for _ in range(times):
        began = spent()
        seen = await pool.observe(seen.cursor)
        later.append(spent() - began)
    found.append(("a later look", statistics.median(later)))
    for number in range(times):
        names = [f"theirs-{number}-{one}" for one in range(10)]
        deleting = asyncio.to_thread(
            kubectl, conf, "delete", "pod", *names, "--grace-period=0", "--force"
        )
        began = spent()
        await deleting
        await pool.changed()
        seen = await pool.observe(seen.cursor)
        churn.append(spent() - began)
    found.append(("a later look, 10 pods gone", statistics.median(churn)))
    began = spent()
    await pool.observe(None)
    found.append(("a look at everything again", spent() - began))
    return found


def observe_table(folder: Path, conf: Path, *, pods: int, times: int) -> None:
    foreign(conf, pods // PODS_A_NODE, PODS_A_NODE)
    home = folder / "observer"
    path = folder / "observer.yaml"
    path.write_text(POOL.format(conf=conf, image=IMAGE, folder=folder))
    (declaration,) = load_pools(path, home=home)

    async def measured() -> list[tuple[str, float]]:
        pool = open_pool(declaration, home=home)
        try:
            return await observing(pool, conf, times)
        finally:
            await pool.close()

    rows = [(what, pods, harness.duration(took)) for what, took in asyncio.run(measured())]
    print()
    print(harness.table(("observe", "pods of others", "processor time"), rows))


def main() -> None:
    jobs, pods = (40, 1000) if harness.quick() else (500, 10_000)
    with tempfile.TemporaryDirectory(prefix="suan-kubernetes-bench-") as name:
        folder = Path(name)
        try:
            with cluster(folder) as conf:
                kubectl(conf, "create", "namespace", "suan")
                jobs_table(folder, conf, jobs=jobs)
                observe_table(folder, conf, pods=pods, times=5)
                said = kubectl(conf, "version", "-o", "json")
        except NotHere as reason:
            print(f"Not measured: {reason}")
            return
    version = json.loads(said)["serverVersion"]["gitVersion"]
    print(f"\nKubernetes {version}, two nodes of one machine.")


if __name__ == "__main__":
    main()
