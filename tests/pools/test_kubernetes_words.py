"""What Kubernetes says, and what suan makes of it: quantities, products, pods, logs, ends."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from suan.model.errors import InputError, PoolAuthError, PoolRejected, PoolUnavailable
from suan.model.job import Cause
from suan.model.offer import NodeStatus
from suan.model.resources import Resources
from suan.pools.declared import load_pools
from suan.pools.kubernetes import kubeconfig, marks, outcomes
from suan.pools.kubernetes.capacity import Capacity, asked
from suan.pools.kubernetes.credentials import Exec, TokenFile
from suan.pools.kubernetes.devices import Names, known_as
from suan.pools.kubernetes.limits import Limits
from suan.pools.kubernetes.objects import BriefPod, LimitRange, Node, Pod, Quota
from suan.pools.kubernetes.options import Options, Toleration
from suan.pools.kubernetes.parting import Kept, Parting
from suan.pools.kubernetes.quantity import milli, whole
from suan.pools.kubernetes.quotas import Quotas

GPU = "nvidia.com/gpu"


def read(kind: type, told: dict[str, Any]) -> Any:
    """An object as the API server would send it."""
    return msgspec.json.decode(json.dumps(told).encode(), type=kind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250m", 250), ("2", 2000), ("0.5", 500), ("1e3", 1_000_000), ("100u", 1), ("1k", 1_000_000)],
)
def test_thousandths(text: str, expected: int) -> None:
    assert milli(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1Ki", 1024), ("1.5Gi", 3 << 29), ("129e6", 129_000_000), ("1M", 1_000_000), ("what", 0),
     ("1500m", 2), ("2Ei", 2 << 60), ("3E", 3 * 10**18)],
)  # fmt: skip
def test_whole_units(text: str, expected: int) -> None:
    assert whole(text) == expected


@pytest.mark.parametrize(
    ("product", "model"),
    [
        ("NVIDIA-H100-80GB-HBM3", "H100"),
        ("NVIDIA-A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA-A100-PCIE-40GB", "A100-40GB"),
        ("NVIDIA-H100-NVL-94GB", "NVIDIA-H100-NVL-94GB"),  # not the table's of 80 GB
        ("nvidia-h100-80gb", "H100"),
        ("Toy", "Toy"),
    ],
)
def test_products_are_known_by_the_tables_names(product: str, model: str) -> None:
    assert known_as(product) == model


def test_a_model_is_the_operators_word_the_labels_or_the_resources_name() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "own": "big"}
    assert Names().model(GPU, labels) == "H100"
    assert Names().model(GPU, {}) == "UNTYPED-GPU"
    assert Names({GPU: "A100"}).model(GPU, {}) == "A100-80GB"
    assert Names({"big": "H800"}, "own").model(GPU, labels) == "H800"
    assert Names({"acme.org/chip": "X1"}).vendors["acme.org/chip"] == ""


def pod(**spec: Any) -> BriefPod:
    metadata = {"name": "p", "namespace": "other", "uid": "u1"}
    return read(BriefPod, {"metadata": metadata, "spec": spec, "status": {"phase": "Running"}})


def needs(**requests: str) -> dict[str, Any]:
    return {"resources": {"requests": requests}}


def test_what_a_pod_reserves() -> None:
    side = needs(cpu="100m") | {"restartPolicy": "Always"}
    found = asked(
        pod(
            containers=[needs(cpu="1", memory="1Gi"), needs(cpu="500m", **{GPU: "2"})],
            initContainers=[side, needs(cpu="3", memory="512Mi")],
            overhead={"cpu": "50m"},
        ),
        {GPU: "NVIDIA"},
    )
    assert (found.cpu, found.memory, found.devices) == (3150, 1 << 30, {GPU: 2000})


def node(name: str = "n1", **more: Any) -> Node:
    status = {
        "allocatable": {"cpu": "8", "memory": "16Gi", GPU: "4", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    metadata = {"name": name, "labels": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}}
    return read(Node, {"metadata": metadata, "spec": more, "status": status})


class Numbers:
    """Counts changes."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self) -> int:
        self.last += 1
        return self.last


def told(capacity: Capacity, since: int = -1) -> list[NodeStatus]:
    return capacity.since(since)[0]


def test_others_pods_are_counted_as_they_come_and_go() -> None:
    numbers = Numbers()
    capacity = Capacity(Options("p"), "mine", numbers)
    capacity.hear_node(None, node())
    theirs = pod(nodeName="n1", containers=[needs(cpu="2", memory="100M", **{GPU: "1"})])
    capacity.hear_pod(None, theirs)
    (status,) = told(capacity)
    assert status.total == Resources(8000, 16384, (("H100", 4000),))
    assert status.others_use == Resources(2000, 96, (("H100", 1000),))
    assert told(capacity, numbers.last) == []
    capacity.hear_pod(theirs, None)
    (status,) = told(capacity, numbers.last)
    assert status.others_use == Resources()
    assert told(capacity, numbers.last) == []


def test_of_our_own_pods_only_the_rounding_is_others() -> None:
    capacity = Capacity(Options("p"), "mine", Numbers())
    capacity.hear_node(None, node())
    own = pod(nodeName="n1", containers=[needs(cpu="2", memory="100M", **{GPU: "1"})])
    own.metadata.namespace = "mine"
    own.metadata.labels = {marks.POOL: "p", marks.SHARE: "250"}
    capacity.hear_pod(None, own)
    (status,) = told(capacity)
    assert status.others_use == Resources(0, 0, (("H100", 750),))


@pytest.mark.parametrize(
    ("tolerations", "open_"), [((), False), ((Toleration("k"),), True), ((Toleration(),), True)]
)
def test_tainted_nodes(tolerations: tuple[Toleration, ...], open_: bool) -> None:
    capacity = Capacity(Options("p", tolerations=tolerations), "mine", Numbers())
    capacity.hear_node(None, node(taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]))
    (status,) = told(capacity)
    assert status.schedulable is open_


def test_nodes_that_are_not_the_pools_are_not_told() -> None:
    capacity = Capacity(Options("p", node_selector={"tier": "gpu"}), "mine", Numbers())
    capacity.hear_node(None, node())
    assert capacity.since(-1) == ([], [])


MARK = "\x1b]7777;0\x07"
AT = "2026-11-29T02:00:0{}.123456789Z"
LINES = "\n".join(
    f"{AT.format(second)} {text}"
    for second, text in (
        (1, "out one"), (1, f"{MARK}err one"), (2, f"half{MARK}err two"), (3, f"{MARK}a{MARK}b"),
        (4, "no newline"),
    )
).encode()  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_log_is_parted_into_its_streams(size: int) -> None:
    kept = Kept()
    parting = Parting(kept, MARK.encode())
    pieces = [parting.feed(LINES[at : at + size]) for at in range(0, len(LINES), size)]
    pieces.append(parting.finish())
    out, err = (b"".join(each) for each in zip(*pieces, strict=True))
    assert out == b"out one\nhalfno newline"
    assert err == b"err one\nerr two\nab\n"
    assert (kept.at, kept.lines, kept.err_at) == (AT.format(4), 1, AT.format(3))
    assert not kept.whole


def test_a_log_is_read_on_from_each_streams_last_line() -> None:
    kept = Kept(at=AT.format(1), lines=1, err_at=AT.format(1), err_lines=1)
    out, err = Parting(kept, MARK.encode()).feed(LINES)
    assert (out, err) == (b"half", b"err two\nab\n")
    assert kept.since == "2026-11-29T01:59:58+00:00"


@pytest.mark.parametrize("size", range(1, len(LINES), 7))
def test_an_answer_that_is_cut_in_a_line_is_read_on(size: int) -> None:
    kept = Kept()
    first = Parting(kept, MARK.encode()).feed(LINES[:size])
    again = Parting(kept, MARK.encode())
    parts = first, again.feed(LINES), again.finish()
    out, err = (b"".join(each) for each in zip(*parts, strict=True))
    assert (out, err) == (b"out one\nhalfno newline", b"err one\nerr two\nab\n")


def test_a_line_that_a_runtime_wrote_late_is_not_taken_for_a_known_one() -> None:
    kept = Kept()
    late = f"{AT.format(2)} out\n", f"{AT.format(1)} {MARK}err\n"
    assert Parting(kept, MARK.encode()).feed(late[0].encode()) == (b"out\n", b"")
    both = "".join(late).encode()
    assert Parting(kept, MARK.encode()).feed(both) == (b"", b"err\n")


def test_a_log_is_whole_once_both_streams_have_ended() -> None:
    kept, end = Kept(), MARK[:-1] + ";end" + MARK[-1]
    parting = Parting(kept, MARK.encode())
    assert parting.feed(f"{AT.format(1)} no newline{end}\n".encode()) == (b"no newline", b"")
    assert not kept.whole
    assert parting.feed(f"{AT.format(2)} {MARK}{end}\n".encode()) == (b"", b"")
    assert kept.whole


def ended(message: str = "", **more: Any) -> Pod:
    """A pod whose container has ended."""
    state = {"terminated": {"exitCode": 1, "message": message, **more.pop("terminated", {})}}
    more["message"] = more.pop("why", "")
    status = {"phase": "Failed", "containerStatuses": [{"state": state}], **more}
    return read(Pod, {"metadata": {"name": "p"}, "status": status})


@pytest.mark.parametrize(
    ("given", "cause", "words"),
    [
        (ended("suan 0 1 2 - 0 0 5 6"), Cause.SUCCEEDED, ""),
        (ended("suan 3 1 2 - 0 0 - -"), Cause.FAILED, "task 0 exited with code 3"),
        (ended("suan 126 1 2 - 0 0 - -\nno such place\n"), Cause.FAILED, "no such place"),
        (ended("suan 139 1 2 - 0 0 - -"), Cause.FAILED, "signal 11"),
        (ended("suan 143 1 2 TERM 1 0 - -"), Cause.TIMED_OUT, "time limit of 2 s"),
        (ended("suan 137 1 2 - 0 1 - -"), Cause.OUT_OF_MEMORY, "memory"),
        (ended(terminated={"reason": "OOMKilled"}), Cause.OUT_OF_MEMORY, "memory"),
        (ended(reason="Evicted", why="low on disk"), Cause.LOST, "evicted it: low on disk"),
        (ended(reason="OutOfcpu"), Cause.LOST, "no room"),
        (ended('exec: "bash": executable file not found', terminated={"reason": "StartError"}),
         Cause.FAILED, "no bash"),
        (ended(conditions=[{"type": "DisruptionTarget", "status": "True",
                            "reason": "PreemptionByScheduler"}]), Cause.PREEMPTED, "priority"),
        (ended(terminated={"reason": "Unknown", "exitCode": 255}), Cause.LOST, "lost sight"),
    ],
)  # fmt: skip
def test_how_a_task_ended(given: Pod, cause: Cause, words: str) -> None:
    outcome = outcomes.of_task(given, 0, deleted=False, limit_ms=2000)
    assert outcome.cause is cause
    assert words in outcome.detail


def test_what_a_quota_leaves() -> None:
    quotas = Quotas()
    status = {"hard": {"requests.cpu": "4", "pods": "10"}, "used": {"requests.cpu": "3"}}
    quotas.hear(None, read(Quota, {"metadata": {"name": "q"}, "status": status}))
    quotas.allow({"cpu": "1000m"}, 1)
    with pytest.raises(PoolUnavailable, match=r"used up: 3 of 4 requests\.cpu"):
        quotas.allow({"cpu": "1000m"}, 2)
    with pytest.raises(PoolRejected, match=r"allows 4 of requests\.cpu, and the run needs 5"):
        quotas.allow({"cpu": "1"}, 5)


def quota(hard: dict[str, str], used: dict[str, str]) -> Quotas:
    found = Quotas()
    status = {"hard": hard, "used": used}
    found.hear(None, read(Quota, {"metadata": {"name": "q"}, "status": status}))
    return found


def test_nodes_show_no_more_than_a_quota_leaves() -> None:
    capacity = Capacity(Options("p"), "mine", Numbers())
    capacity.hear_node(None, node())
    own = pod(nodeName="n1", containers=[needs(cpu="1", memory="1Gi")])
    own.metadata.namespace, own.metadata.labels = "mine", {marks.POOL: "p"}
    capacity.hear_pod(None, own)
    capacity.limit(
        quota({"requests.cpu": "4", f"requests.{GPU}": "8"}, {"requests.cpu": "3"}).room()
    )
    (status,) = told(capacity)
    assert status.total.cpu_milli == 4000
    assert status.others_use.cpu_milli == 2000  # 1 is ours, 1 is left
    assert status.total.accelerator("H100") == 4000
    assert (status.total.memory_mib, status.others_use.memory_mib) == (16384, 0)
    theirs = pod(nodeName="n1", containers=[needs(cpu="5", memory="1Gi")])  # of no quota of ours
    theirs.metadata.uid = "theirs"
    capacity.hear_pod(None, theirs)
    (status,) = told(capacity)
    assert (status.total.cpu_milli, status.others_use.cpu_milli) == (4000, 2000)
    fuller = pod(nodeName="n1", containers=[needs(cpu="6500m", memory="1Gi")])
    fuller.metadata.uid = "theirs"
    capacity.hear_pod(theirs, fuller)
    (status,) = told(capacity)
    assert (status.total.cpu_milli, status.others_use.cpu_milli) == (4000, 2500)  # 0.5 is left
    capacity.hear_pod(fuller, None)
    capacity.limit(quota({"requests.cpu": "0"}, {}).room())
    (status,) = told(capacity)
    assert (status.total.cpu_milli, status.others_use.cpu_milli) == (8000, 7000)
    capacity.limit(Quotas().room())
    (status,) = told(capacity)
    assert (status.total.cpu_milli, status.others_use.cpu_milli) == (8000, 0)


@pytest.mark.parametrize(
    ("says", "requests", "limits", "words"),
    [
        ({"max": {"memory": "8Mi"}}, {"memory": "16Mi"}, {}, "allows 8Mi of memory in a container"),
        ({"max": {"memory": "8Mi"}}, {"memory": "8Mi"}, {"memory": "9Mi"}, "run needs 9Mi"),
        ({"min": {"cpu": "200m"}}, {"cpu": "100m"}, {}, "wants at least 200m of cpu"),
        (
            {"default": {"memory": "8Mi"}},
            {"memory": "9Mi"},
            {},
            "limits memory to 8Mi where nothing",
        ),
        ({"type": "Pod", "max": {GPU: "2"}}, {GPU: "4"}, {GPU: "4"}, "of nvidia.com/gpu in a pod"),
        ({"default": {"memory": "8Mi"}}, {"memory": "9Mi"}, {"memory": "9Mi"}, ""),
        ({"type": "PersistentVolumeClaim", "max": {"memory": "1"}}, {"memory": "2"}, {}, ""),
    ],
)
def test_what_a_limit_range_forbids(
    says: dict[str, Any], requests: dict[str, str], limits: dict[str, str], words: str
) -> None:
    known = Limits()
    found = {"metadata": {"name": "r"}, "spec": {"limits": [{"type": "Container"} | says]}}
    known.hear(None, read(LimitRange, found))
    if not words:
        known.allow(requests, limits)
        return
    with pytest.raises(PoolRejected, match=words):
        known.allow(requests, limits)


@pytest.mark.parametrize("run", ["a-r1", "Job_7.3-r1", "x" * 120, "7up-r1"])
def test_a_jobs_name_can_be_the_name_of_a_host(run: str) -> None:
    name = marks.job_name(run, 12)
    assert len(name) < 57
    assert name.strip("abcdefghijklmnopqrstuvwxyz0123456789-") == ""
    assert name[0].isalpha()


# Kubeconfigs


def config(path: Path, **user: Any) -> str:
    cluster = {"server": "https://192.0.2.1:6443"}
    context = {"cluster": "c", "user": "u", "namespace": "team"}
    path.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": context}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return str(path)


async def test_a_context_is_read(tmp_path: Path) -> None:
    access = kubeconfig.access(config(tmp_path / "c", token="secret"), None)
    assert (access.server, access.namespace) == ("https://192.0.2.1:6443", "team")
    assert await access.tokens.header() == "Bearer secret"


async def test_a_tokens_file_and_a_plugins_word(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    tokens = kubeconfig.access(config(tmp_path / "c", tokenFile="token"), None).tokens
    assert isinstance(tokens, TokenFile)
    assert await tokens.header() == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    assert tokens.refused()
    assert await tokens.header() == "Bearer second"
    plugin = {"command": "sh", "args": ["-c", """echo '{"status": {"token": "p"}}'"""]}
    tokens = kubeconfig.access(config(tmp_path / "c", exec=plugin), None).tokens
    assert isinstance(tokens, Exec)
    assert await tokens.header() == "Bearer p"
    plugin["args"] = ["-c", "echo no login >&2; exit 1"]
    failing = kubeconfig.access(config(tmp_path / "c", exec=plugin), None).tokens
    with pytest.raises(PoolAuthError, match="no login"):
        await failing.header()


def test_kubeconfigs_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(PoolRejected, match="cannot be read"):
        kubeconfig.access(str(tmp_path / "none"), None)
    with pytest.raises(PoolRejected, match="no context called 'y'") as raised:
        kubeconfig.access(config(tmp_path / "c"), "y")
    assert "it has: x" in raised.value.mend
    nonsense = base64.b64encode(b"nonsense").decode()
    data = {"client-certificate-data": nonsense, "client-key-data": nonsense}
    with pytest.raises(PoolAuthError, match="certificates cannot be used"):
        kubeconfig.access(config(tmp_path / "c", **data), None)
    (tmp_path / "bad").write_text("a: [")
    with pytest.raises(PoolRejected, match="not YAML"):
        kubeconfig.access(str(tmp_path / "bad"), None)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("volumes: {/data: /data}", "pvc:CLAIM or host:/PATH"),
        ("tolerations: ['a:Never']", "'a:Never' is none"),
        ("imagee: x", "did you mean 'image'"),
        ("grace_s: soon", "not a number"),
    ],
)
def test_a_wrong_entry_is_told_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(f"pools:\n- name: k\n  kind: kubernetes\n  {line}\n")
    with pytest.raises(InputError) as raised:
        load_pools(path, home=tmp_path)
    assert words in f"{raised.value} {raised.value.mend}"


def test_what_a_kubelet_says_of_a_log_that_is_gone_is_no_log() -> None:
    parting = Parting(Kept(), b"")
    assert parting.feed(b"unable to retrieve container logs for containerd://x\n") == (b"", b"")
    assert parting.feed(f"{AT.format(1)} \n".encode()) == (b"\n", b"")
