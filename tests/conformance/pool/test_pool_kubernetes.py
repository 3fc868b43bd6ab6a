"""Kubernetes alone: what only a cluster, its other users and its operator can do to a run."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from suan.model.errors import PoolAuthError, PoolError, PoolRejected, PoolUnavailable
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus
from suan.model.pool import Waits
from suan.model.resources import Resources
from suan.model.units import RunId
from suan.pools.kinds import Checked
from suan.pools.kubernetes import api, marks, tending
from suan.pools.kubernetes.mirror import Mirror
from tests.conformance.pool.killing import dies_at, runs_once
from tests.conformance.pool.trial import KubernetesKind, Trial
from tests.content.shelf import Shelf
from tests.kubernetes import IMAGE, kubectl
from tests.waiting import until, until_async

LAUNCH_AND_DIE = """
import asyncio, sys
from pathlib import Path
from typing import Any
sys.path.insert(0, sys.argv[1])
from tests.conformance.pool.trial import KubernetesKind
async def main():
    kind = KubernetesKind(Path(sys.argv[2]), Path(sys.argv[3]))
    async with kind.trial() as trial:
        script = "echo x >> " + sys.argv[2] + "/count"
        await trial.launch("kill-r1", script, secrets={"TOKEN": "t"})
asyncio.run(main())
"""
GPU = "H100"


@pytest.fixture
def kind(tmp_path: Path, kubernetes_cluster: Path) -> KubernetesKind:
    return KubernetesKind(tmp_path, kubernetes_cluster)


async def node(trial: Trial, name: str) -> NodeStatus:
    everything = await trial.pool.observe(None)
    assert everything.nodes is not None
    return next(each for each in everything.nodes if each.name == name)


def bound(kind: KubernetesKind, run: str) -> list[str]:
    """The nodes that a run's pods are bound to."""
    form = "jsonpath={.items[*].spec.nodeName}"
    return kind.kubectl("get", "pods", "-l", f"suan/run={run}", "-o", form).split()


def foreign(
    kind: KubernetesKind, name: str, place: str, *, namespace: str = "", **requests: str
) -> None:
    """A pod of somebody else, on a node; in the pool's own namespace unless another is named."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": place,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "theirs",
                    "image": IMAGE,
                    "command": ["sleep", "600"],
                    "resources": {"requests": requests, "limits": requests},
                }
            ],
        },
    }
    where = ("--namespace", namespace or kind.namespace)
    kubectl(kind.given, *where, "create", "-f", "-", stdin=json.dumps(pod))


@pytest.mark.parametrize("point", ["before_making", "secret_made", "job_made"])
async def test_server_killed_while_it_launches(kind: KubernetesKind, point: str) -> None:
    await dies_at(f"kubernetes.{point}", LAUNCH_AND_DIE, str(kind.directory), str(kind.given))
    await runs_once(kind, found=point == "job_made", secrets={"TOKEN": "t"})


async def test_a_request_that_was_given_up_finds_its_name_taken(kind: KubernetesKind) -> None:
    async with kind.trial() as trial:
        assert await trial.pool.find(RunId("late-r1")) is None
        form = "jsonpath={.spec.parallelism}"
        assert kind.kubectl("get", "job", "late-r1-1", "-o", form) == "0"
        await trial.launch("late-r1", "true")
        assert (await trial.end("late-r1")).cause is Cause.SUCCEEDED
        assert kind.kubectl("get", "jobs", "-o", "name").split() == [
            "job.batch/late-r1-1", "job.batch/late-r1-2",
        ]  # fmt: skip


async def test_an_image_that_cannot_be_pulled(kind: KubernetesKind) -> None:
    async with kind.trial() as trial:
        await trial.launch("img-r1", "true", image="Not/An:Image")
        outcome = await trial.end("img-r1")
        assert outcome.cause is Cause.FAILED
        assert "image cannot be pulled (InvalidImageName)" in outcome.detail
        until(lambda: not bound(kind, "img-r1"), 30, what="the end of its pod")


async def test_a_jobs_own_image_is_used(kind: KubernetesKind) -> None:
    kind.more = "  image: localhost/no/such:1\n"
    text = kind.open  # two images in one entry are an error, told with its line
    with pytest.raises(Exception, match="twice"):
        text()
    kind.more = ""
    async with kind.trial() as trial:
        await trial.launch("own-r1", "echo ran", image=IMAGE)
        assert (await trial.end("own-r1")).cause is Cause.SUCCEEDED


async def test_quotas_are_told_before_and_at_launch(kind: KubernetesKind) -> None:
    async with kind.trial() as trial:
        kind.kubectl("create", "quota", "none", "--hard=pods=0")
        assert isinstance(trial.pool, Checked)
        with pytest.raises(PoolRejected, match="quota 'none' allows 0 of pods"):
            await trial.pool.check()
        await until_async(lambda: refuses(trial, "allows 0 of pods"), what="the quota")
        kind.kubectl("delete", "quota", "none")
        kind.kubectl("create", "quota", "some", "--hard=requests.cpu=150m")
        await until_async(lambda: refuses(trial, ""), what="its end")
        await trial.launch("quo-r1", "sleep 600")
        await until_async(lambda: refuses(trial, "used up: 100m of 150m"), what="the use")
        await trial.pool.cancel("quo-r1", 0)
        await trial.end("quo-r1")


async def refuses(trial: Trial, words: str) -> bool:
    """Whether a launch is refused in such words; with none, whether it is not."""
    try:
        trial.pool._cluster.place(trial.a_launch("quo-r9", "true"))
    except PoolError as error:
        return bool(words) and words in str(error)
    return not words


async def test_what_a_quota_leaves_is_what_nodes_show(kind: KubernetesKind) -> None:
    beside = "beside-" + kind.namespace
    kubectl(kind.given, "create", "namespace", beside)
    foreign(kind, "theirs", "n1", namespace=beside, cpu="200m", memory="16Mi")
    async with kind.trial() as trial:
        kind.kubectl("create", "quota", "some", "--hard=requests.cpu=500m")

        async def left(milli: int) -> bool:
            found = await node(trial, "n1")
            return found.total.cpu_milli == 500 and 500 - found.others_use.cpu_milli == milli

        await until_async(lambda: left(500), 120, what="the quota")
        await trial.launch("quo-r1", "sleep 600", nodes=("n2",))
        await until_async(lambda: left(400), 60, what="the use")
        await trial.pool.cancel("quo-r1", 0)
        await trial.end("quo-r1")
        await until_async(lambda: left(500), 60, what="the end of the use")
    kubectl(kind.given, "delete", "namespace", beside, "--wait=false")


async def test_limit_ranges_are_told_before_launch(kind: KubernetesKind) -> None:
    limit = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "small"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "8Mi"}}]},
    }
    kind.kubectl("create", "-f", "-", stdin=json.dumps(limit))
    async with kind.trial() as trial:
        said = await trial.pool.check()
        assert "LimitRange small allows at most 8Mi of memory in a Container" in said
        with pytest.raises(PoolRejected, match="allows 8Mi of memory in a container"):
            await trial.launch("lim-r1", "true", memory_limit_mib=16)
        assert kind.kubectl("get", "jobs", "-o", "name") == ""


async def test_pods_of_others_and_the_operators_word_are_respected(kind: KubernetesKind) -> None:
    async with kind.trial() as trial:
        before = (await node(trial, "n2")).others_use
        assert (await node(trial, "n2")).total.accelerator(GPU) == 8000
        requests = {"cpu": "1500m", "memory": "100Mi", "nvidia.com/gpu": "3"}
        foreign(kind, "theirs", "n2", **requests)

        async def counted() -> bool:
            now = (await node(trial, "n2")).others_use
            return now.accelerator(GPU) - before.accelerator(GPU) >= 3000

        await until_async(counted, what="their pod is counted")
        kind.kubectl("delete", "pod", "theirs", "--now")
        ghost(kind, "ghost-" + kind.namespace, unschedulable=True)
        name = "ghost-" + kind.namespace
        try:
            assert not (await until_async(lambda: there(trial, name), what="it")).schedulable
            kind.kubectl("uncordon", name)
            await until_async(lambda: open_(trial, name), what="it is in use")
            kind.kubectl("taint", "node", name, "own=x:NoSchedule")
            await until_async(lambda: shut(trial, name), what="its taint")
        finally:
            kind.kubectl("delete", "node", name)
        await until_async(lambda: gone(trial, name), what="its end")


async def there(trial: Trial, name: str) -> NodeStatus | None:
    everything = await trial.pool.observe(None)
    return next((each for each in everything.nodes or () if each.name == name), None)


async def open_(trial: Trial, name: str) -> bool:
    found = await there(trial, name)
    return found is not None and found.schedulable


async def shut(trial: Trial, name: str) -> bool:
    found = await there(trial, name)
    return found is not None and not found.schedulable


async def gone(trial: Trial, name: str) -> bool:
    return await there(trial, name) is None


def ghost(kind: KubernetesKind, name: str, **spec: object) -> None:
    """A node without a kubelet, of which the API server believes that it is ready."""
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}
    kind.kubectl("create", "-f", "-", stdin=json.dumps(made))
    status = {
        "status": {
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "100"},
            "capacity": {"cpu": "8", "memory": "16Gi", "pods": "100"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Test"}],
        }
    }
    kind.kubectl(
        "patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )


async def test_a_node_that_is_gone_means_lost(kind: KubernetesKind) -> None:
    name = "lost-" + kind.namespace
    ghost(kind, name)
    async with kind.trial() as trial:
        try:
            await until_async(lambda: open_(trial, name), what="it is in use")
            await trial.launch("lost-r1", "true", nodes=(name,))
            until(lambda: bound(kind, "lost-r1") == [name], 30, what="its place")
        finally:
            kind.kubectl("delete", "node", name)
        outcome = await trial.end("lost-r1")
        assert outcome.cause is Cause.LOST
        assert f"its node {name} is gone" in outcome.detail


async def test_nothing_holds_half_a_gang(kind: KubernetesKind) -> None:
    """One node has too little left: then no pod of the gang is bound to the other."""
    kind.more = "  patience_s: 2\n"
    async with kind.trial() as trial:
        most = (await node(trial, "n1")).total.cpu_milli
        need = Resources(most // 2 + 100, 16)
        await trial.launch("half-r1", "true", nodes=("n1", "n2", "n2"), per_task=need)

        def all_there() -> bool:
            listed = kind.kubectl("get", "pods", "-l", "suan/run=half-r1", "-o", "name")
            return len(listed.split()) == 3

        until(all_there, 30, what="its pods")
        assert bound(kind, "half-r1") == []
        outcome = await trial.end("half-r1")
        assert outcome.cause is Cause.UNLAUNCHED
        assert "node n2 has too little left for 2 of its tasks: cpu" in outcome.detail
        assert bound(kind, "half-r1") == []


async def test_a_run_that_kubernetes_keeps_waiting_is_taken_back(kind: KubernetesKind) -> None:
    kind.more = "  patience_s: 2\n"
    async with kind.trial() as trial:
        most = (await node(trial, "n1")).total.cpu_milli
        await trial.launch("wait-r1", "true", per_task=Resources(2 * most, 16), nodes=("n1",))
        assert isinstance(trial.pool, Waits)
        pool = trial.pool

        async def told() -> bool:
            said = await pool.waits("wait-r1")
            return said.startswith("Kubernetes keeps it waiting: 0/2 nodes are available")

        await until_async(told, what="the scheduler's word")
        outcome = await trial.end("wait-r1")
        assert outcome.cause is Cause.UNLAUNCHED
        assert "Insufficient cpu" in outcome.detail


@pytest.mark.parametrize("what", ["job", "pod"])
async def test_deleted_by_somebody_in_kubernetes(kind: KubernetesKind, what: str) -> None:
    async with kind.trial() as trial:
        await trial.launch("ext-r1", "echo ready; sleep 600")
        await trial.output_holds("ext-r1", b"ready")
        kind.kubectl("delete", what, "-l", "suan/run=ext-r1", "--wait=false")
        outcome = await trial.end("ext-r1", patience=60)
        assert outcome.cause is Cause.CANCELLED
        assert "not by suan" in outcome.detail
        assert await trial.output("ext-r1") == b"ready\n"


async def test_each_task_has_devices_of_its_own(kind: KubernetesKind) -> None:
    script = 'echo "$SUAN_TASK_RANK $SUAN_NODE $NVIDIA_VISIBLE_DEVICES"'
    need = Resources(100, 16, ((GPU, 2000),))
    nodes = ("n1", "n2", "n1")
    async with kind.trial() as trial:
        await trial.launch("dev-r1", script, nodes=nodes, per_task=need)
        assert (await trial.end("dev-r1")).cause is Cause.SUCCEEDED
        said = [(await trial.output("dev-r1", task=rank)).decode().split() for rank in range(3)]
    assert [(rank, name) for rank, name, _ in said] == [("0", "n1"), ("1", "n2"), ("2", "n1")]
    devices = [set(each.split(",")) for _, _, each in said]
    assert all(len(each) == 2 for each in devices)
    assert not devices[0] & devices[2]


async def test_secrets_are_in_a_secret_and_nowhere_else(kind: KubernetesKind) -> None:
    secret = "hunter2-" * 4
    async with kind.trial() as trial:
        await trial.launch("sec-r1", 'test -n "$PASSWORD"; sleep 1', secrets={"PASSWORD": secret})
        assert secret not in kind.kubectl("get", "jobs,pods,events,configmaps", "-o", "yaml")
        form = "jsonpath={.metadata.ownerReferences[0].name}"
        assert kind.kubectl("get", "secret", "sec-r1-1", "-o", form) == "sec-r1-1"
        assert (await trial.end("sec-r1")).cause is Cause.SUCCEEDED
    for path in kind.directory.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


async def test_nothing_is_left_in_the_cluster(kind: KubernetesKind) -> None:
    kind.more = "  linger_s: 1\n"
    async with kind.trial() as trial:
        await trial.launch("left-r1", "echo kept; exit 4", secrets={"TOKEN": "t"})
        await trial.end("left-r1")

        def nothing() -> bool:
            return kind.kubectl("get", "jobs,pods,secrets", "-o", "name") == ""

        await asyncio.to_thread(until, nothing, 30, what="an empty namespace")
        assert await trial.pool.find(RunId("left-r1")) == "left-r1"
        await trial.launch("left-r1", "echo again")
        assert await trial.output("left-r1") == b"kept\n"
        assert nothing()
    async with kind.trial() as after:
        outcome = after.reports["left-r1"].outcome
        assert outcome is not None
        assert outcome.exit_code == 4
        assert await after.output("left-r1") == b"kept\n"


async def test_a_secret_of_a_launch_that_died_is_swept(
    kind: KubernetesKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before it has been seen alone for a while, though the server's clock be far ahead: it may
    be that its Job is just being made."""
    right = marks.now_us
    monkeypatch.setattr(marks, "now_us", lambda: right() + 3_600_000_000)
    monkeypatch.setattr(tending, "_SWEEP_S", 0.5)
    await dies_at("kubernetes.secret_made", LAUNCH_AND_DIE, str(kind.directory), str(kind.given))
    names = ("get", "secrets", "-o", "name")
    async with kind.trial() as trial:
        await trial.launch("whole-r1", "sleep 600", secrets={"TOKEN": "t"})
        await asyncio.sleep(2)
        assert kind.kubectl(*names).split() == ["secret/kill-r1-1", "secret/whole-r1-1"]
        monkeypatch.setattr(tending, "_ORPHAN_S", 1.0)

        def swept() -> bool:
            return kind.kubectl(*names).split() == ["secret/whole-r1-1"]

        await asyncio.to_thread(until, swept, 30, what="the sweeper")


CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cache}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


@pytest.mark.parametrize("claim", [True, False])
async def test_the_pod_that_keeps_files_is_lost(kind: KubernetesKind, claim: bool) -> None:
    shelf = Shelf()
    parcel = shelf.parcel({"a": b"brought\n" * 1000})
    if claim:
        kind.kubectl("create", "-f", "-", stdin=CLAIM)
        kind.more = "  files_claim: cache\n"
    async with kind.trial() as trial:
        await trial.pool.deliver(parcel, shelf, lambda _: None)
        await trial.launch("kept-r1", "echo left > out", parcels=(parcel,), outputs=("out",))
        await trial.end("kept-r1")
        assert [each.path for each in await trial.pool.list_outputs("kept-r1")] == ["out"]
        before = shelf.bytes_read
        kind.kubectl("delete", "pod", "-l", "suan/files=kubernetes", "--now")

        async def back() -> bool:
            try:
                await trial.pool.deliver(parcel, shelf, lambda _: None)
            except PoolUnavailable:
                return False
            return True

        await until_async(back, 60, what="another pod that keeps files")
        assert shelf.bytes_read == (before if claim else 2 * before)
        nodes = ("n1", "n2")
        await trial.launch("kept-r2", "wc -l < a", parcels=(parcel,), nodes=nodes)
        assert (await trial.end("kept-r2")).cause is Cause.SUCCEEDED
        assert [await trial.output("kept-r2", task=rank) for rank in (0, 1)] == [b"1000\n"] * 2
        if claim:
            assert await trial.pool.read_output("kept-r1", "out", offset=0, limit=9) == b"left\n"
        else:
            with pytest.raises(PoolError):
                await trial.pool.read_output("kept-r1", "out", offset=0, limit=9)


async def test_the_word_of_a_run_opens_nothing_else(kind: KubernetesKind) -> None:
    """Inside its container a task could learn the word by which its own files are left."""
    ask = (
        'tr "\\0" "\\n" </proc/1/environ | sed -n s/^SUAN_K_FILES=//p >told;'
        " read -r host port run word <told;"
        ' try() { exec 5<>"/dev/tcp/$host/$port";'
        ' printf "$1 HTTP/1.1\\r\\nX-Suan-Word: $word\\r\\nContent-Length: 0\\r\\n\\r\\n" >&5;'
        " read -r answer <&5; echo ${answer:9:3}; };"
        ' try "GET /left/$run"; try "POST /missing"; try "POST /leave/other-r1/0/output"'
    )
    async with kind.trial() as trial:
        await trial.launch("word-r1", ask, outputs=("out",))
        await trial.end("word-r1")
        assert await trial.output("word-r1") == b"403\n403\n403\n"


@asynccontextmanager
async def gateway(kind: KubernetesKind) -> AsyncIterator["Gateway"]:
    """A way to the API server that can be cut, for a kind that goes by it."""
    config = yaml.safe_load(Path(kind.given).read_text())
    cluster = config["clusters"][0]["cluster"]
    host, _, port = cluster["server"].removeprefix("https://").partition(":")
    way = Gateway(host, int(port))
    await way.open()
    cluster["server"] = f"https://127.0.0.1:{way.port}"
    cluster["tls-server-name"] = "kubernetes.default.svc"
    kind.given = kind.directory / "cut.conf"
    kind.given.write_text(yaml.safe_dump(config))
    try:
        yield way
    finally:
        await way.cut()


class Gateway:
    """Passes bytes on, until it is cut; while it is ``silent`` what comes is dropped."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self.port = 0
        self.silent = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def open(self) -> None:
        self._over.clear()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        self._over.set()
        for writer in tuple(self._writers):
            writer.transport.abort()
        self._writers.clear()
        if self._passing:
            await asyncio.wait(self._passing, timeout=10)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        there, back = await asyncio.open_connection(*self._to)
        self._writers |= {writer, back}
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if self.silent:  # a broken TLS stream could not go on
                    await self._over.wait()
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


async def test_cut_off_from_the_api_server_and_back(kind: KubernetesKind) -> None:
    real = kind.given
    async with gateway(kind) as way, kind.trial() as trial:
        fifo = kind.directory / "fifo"
        os.mkfifo(fifo)
        await trial.launch("cut-r1", f"echo ready; cat {fifo}")
        await trial.output_holds("cut-r1", b"ready")
        await way.cut()
        with pytest.raises(PoolUnavailable, match=r"cannot be reached|did not answer"):
            await trial.pool.observe(None)
        with pytest.raises(PoolError):
            await trial.launch("cut-r2", "true")
        fifo.write_text("went on\n")
        form = "jsonpath={.items[0].status.phase}"
        arguments = ("--namespace", kind.namespace, "get", "pods", "-o", form)
        until(lambda: kubectl(real, *arguments) == "Succeeded", 30, what="its end")
        await way.open()
        assert (await recovered(trial, "cut-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("cut-r1") == b"ready\nwent on\n"
        if await trial.pool.find(RunId("cut-r2")) is None:
            await trial.launch("cut-r2", "true")
        assert (await trial.end("cut-r2")).cause is Cause.SUCCEEDED


async def test_a_partition_that_drops_what_is_sent(
    kind: KubernetesKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No end, no reset: only silence. What was asked in it has happened once or not at all."""
    monkeypatch.setattr(api, "_ANSWER_S", 3.0)
    monkeypatch.setattr(api, "_CONNECT_S", 3.0)
    monkeypatch.setattr(api, "_SILENCE_S", 6.0)
    real, count = kind.given, kind.directory / "count"
    async with gateway(kind) as way, kind.trial() as trial:
        fifo = kind.directory / "fifo"
        os.mkfifo(fifo)
        await trial.launch("part-r1", f"echo ready; cat {fifo}")
        await trial.output_holds("part-r1", b"ready")
        way.silent = True
        with pytest.raises(PoolError):
            await trial.launch("part-r2", f"echo x >> {count}")
        with pytest.raises(PoolUnavailable):
            await trial.pool.observe(None)
        fifo.write_text("went on\n")
        arguments = ("--namespace", kind.namespace, "get", "pods", "-l", "suan/run=part-r1")
        form = ("-o", "jsonpath={.items[0].status.phase}")
        await asyncio.to_thread(
            until, lambda: kubectl(real, *arguments, *form) == "Succeeded", 60, what="its end"
        )
        way.silent = False
        assert (await recovered(trial, "part-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("part-r1") == b"ready\nwent on\n"
        if await trial.pool.find(RunId("part-r2")) is None:
            await trial.launch("part-r2", f"echo x >> {count}")
        assert (await recovered(trial, "part-r2")).cause is Cause.SUCCEEDED
        assert count.read_text() == "x\n"


async def test_a_server_with_nothing_to_say_is_not_gone(
    kind: KubernetesKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bookmark is promised where nothing changes: a quiet watch is only opened anew."""
    monkeypatch.setattr(api, "_SILENCE_S", 0.5)
    async with kind.trial() as trial:
        assert all([await reopened(each) for each in trial.pool._cluster._mirrors])


async def reopened(mirror: Mirror[Any]) -> bool:
    """Whether a mirror's watch begins twice more, and never with a complaint."""
    began, well = 0, mirror._well

    def begun() -> None:
        nonlocal began
        began += 1
        well()

    mirror._well = begun
    for _ in range(600):
        assert mirror.trouble is None
        if began >= 2:
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_servers_clock_that_is_wrong(
    kind: KubernetesKind, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Graces are measured by who keeps them, and no run ends before it has begun."""
    right = marks.now_us
    monkeypatch.setattr(marks, "now_us", lambda: right() + hours * 3_600_000_000)
    async with kind.trial() as trial:
        await trial.launch(
            "skew-r1", "trap 'echo saved; exit 0' TERM; echo ready; sleep 600 & wait"
        )
        await trial.launch("skew-r2", "echo done", nodes=("n1", "n2"))
        await trial.output_holds("skew-r1", b"ready")
        await trial.pool.cancel("skew-r1", 60_000_000)
        assert (await trial.end("skew-r1")).cause is Cause.CANCELLED
        assert await trial.output("skew-r1") == b"ready\nsaved\n"
        assert (await trial.end("skew-r2")).cause is Cause.SUCCEEDED
        for report in trial.reports.values():
            assert report.started_at is not None
            assert report.ended_at is not None
            assert report.ended_at >= report.started_at
    async with kind.trial() as after:
        await after.until(lambda: len(after.ends) == 2, what="both ends again")
        assert after.reports["skew-r2"].outcome == trial.reports["skew-r2"].outcome
        assert await after.output("skew-r2", task=1) == b"done\n"


@pytest.mark.parametrize(
    ("script", "condition", "cause", "words"),
    [
        ("sleep 600", "Failed", Cause.LOST, "its pods are gone"),
        ("true", "Complete", Cause.SUCCEEDED, ""),
    ],
)
async def test_pods_that_went_while_nobody_watched(
    kind: KubernetesKind, *, script: str, condition: str, cause: Cause, words: str
) -> None:
    """As when a node is lost while the server is down: what may have begun is never told as
    unlaunched, and what Kubernetes knows to be complete is not run again."""
    async with kind.trial() as trial:
        await trial.launch("unseen-r1", script)
    waiting = ("wait", "job/unseen-r1-1", "--timeout=60s", f"--for=condition={condition}")
    if condition == "Failed":
        await asyncio.to_thread(until, lambda: kind.kubectl("get", "pods", "-o", "name"), what="it")
        kind.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
        kind.kubectl(*waiting)
    else:
        kind.kubectl(*waiting)
        kind.kubectl("delete", "pods", "--all")
    assert kind.kubectl("get", "pods", "-o", "name") == ""
    async with kind.trial() as after:
        outcome = await after.end("unseen-r1")
        assert outcome.cause is cause
        assert words in outcome.detail


async def recovered(trial: Trial, run: str) -> Outcome:
    """The end of a run, told once every way to the pool is whole again: a line that broke in
    silence is given up only after its own time."""

    async def told() -> bool:
        try:
            await trial.observe()
        except PoolUnavailable:
            return False
        mirrors = trial.pool._cluster._mirrors
        return run in trial.ends and all(each.trouble is None for each in mirrors)

    await until_async(told, 60, what=f"the end of {run}")
    return await trial.end(run)


async def test_a_watch_whose_version_is_forgotten_lists_again(kind: KubernetesKind) -> None:
    async with gateway(kind) as way, kind.trial() as trial:
        await way.cut()
        await until_async(lambda: troubled(trial), what="the break")
        for mirror in trial.pool._cluster._mirrors:
            mirror._version = "1"
        await way.open()
        await until_async(lambda: at_ease(trial), 30, what="the pool's answer")
        await trial.launch("old-r1", "echo on")
        assert (await trial.end("old-r1")).cause is Cause.SUCCEEDED
        assert int(trial.pool._cluster._mirrors[0]._version) > 1  # nodes change all the time


async def troubled(trial: Trial) -> bool:
    return all(mirror.trouble is not None for mirror in trial.pool._cluster._mirrors)


async def at_ease(trial: Trial) -> bool:
    return all(mirror.trouble is None for mirror in trial.pool._cluster._mirrors)


# Wrong declarations


async def checked(kind: KubernetesKind) -> PoolError:
    """What is wrong with a pool, before anything runs there."""
    pool = kind.open()
    assert isinstance(pool, Checked)
    with pytest.raises(PoolError) as raised:
        await pool.check()
    await pool.close()
    return raised.value


async def test_a_good_pool_says_what_there_is(kind: KubernetesKind) -> None:
    pool = kind.open()
    assert isinstance(pool, Checked)
    said = "\n".join(await pool.check())
    await pool.close()
    assert "Kubernetes v1." in said
    assert f"jobs run in {IMAGE}" in said


async def test_an_absent_namespace_and_context(kind: KubernetesKind) -> None:
    kind.namespace = "nowhere"
    error = await checked(kind)
    assert "no namespace called 'nowhere'" in str(error)
    kind.more = "  context: other\n"
    error = await checked(kind)
    assert "no context called 'other'" in str(error)
    assert "it has: suan" in error.mend


async def test_an_absent_kueue(kind: KubernetesKind) -> None:
    kind.more = "  kueue_queue: line\n"
    error = await checked(kind)
    assert "`kueue_queue` names 'line', and the cluster has no Kueue" in str(error)


async def test_rights_that_are_missing_are_named(kind: KubernetesKind) -> None:
    kind.kubectl("create", "serviceaccount", "weak")
    kind.kubectl("create", "role", "weak", "--verb=get,list,watch", "--resource=pods,jobs.batch")
    name = f"--serviceaccount={kind.namespace}:weak"
    kind.kubectl("create", "rolebinding", "weak", "--role=weak", name)
    token = kind.kubectl("create", "token", "weak").strip()
    config = yaml.safe_load(Path(kind.given).read_text())
    config["users"][0]["user"] = {"token": token}
    kind.given = kind.directory / "weak.conf"
    kind.given.write_text(yaml.safe_dump(config))
    error = await checked(kind)
    assert isinstance(error, PoolAuthError)
    assert f"create, patch, delete jobs in namespace {kind.namespace}" in str(error)
    assert "list, watch nodes in the whole cluster" in str(error)
    config["users"][0]["user"] = {"token": token + "x"}
    kind.given.write_text(yaml.safe_dump(config))
    error = await checked(kind)
    assert isinstance(error, PoolAuthError)
    assert "did not accept" in str(error)


async def test_a_certificate_that_has_expired(kind: KubernetesKind) -> None:
    directory = Path(kind.given).parent
    key, request, made = (kind.directory / f"old.{end}" for end in ("key", "csr", "crt"))
    subject = ("-subj", "/O=system:masters/CN=old")
    new = ("-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request)
    authority = ("-CA", directory / "pki/ca.crt", "-CAkey", directory / "pki/ca.key")
    subprocess.run(["openssl", "req", *new, *subject], check=True, capture_output=True)
    subprocess.run(
        ["openssl", "x509", "-req", "-in", request, *authority, "-days", "-1", "-out", made],
        check=True,
        capture_output=True,
    )
    config = yaml.safe_load(Path(kind.given).read_text())
    config["users"][0]["user"] = {"client-certificate": str(made), "client-key": str(key)}
    kind.given = kind.directory / "old.conf"
    kind.given.write_text(yaml.safe_dump(config))
    error = await checked(kind)
    assert isinstance(error, PoolAuthError)
