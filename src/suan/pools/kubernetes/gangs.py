"""A gang starts whole: its pods stand behind a scheduling gate, and hold nothing, until each is
there and there is room for all; its scripts wait until every pod runs."""

import time
from collections import Counter
from typing import Any

from suan.pools.kubernetes import marks, outcomes
from suan.pools.kubernetes.capacity import Capacity
from suan.pools.kubernetes.manifest import on_node
from suan.pools.kubernetes.objects import Pod
from suan.pools.kubernetes.runs import Entry

_TOUCHED_S = 1.0, 3.0, 10.0  # after it was let go


def gated(pod: Pod) -> bool:
    """Whether a pod waits for the rest of its gang."""
    return any(gate.name == marks.GATE for gate in pod.spec.scheduling_gates)


def is_released(entry: Entry) -> bool:
    """Whether the scheduler was let have any of it."""
    return any(not gated(pod) for pod in entry.pods.values())


def to_release(entry: Entry) -> bool:
    """Whether a gang's pods are all there, and some stand behind the gate."""
    return entry.asked.tasks > 1 and entry.whole and any(map(gated, entry.pods.values()))


def to_go(entry: Entry) -> bool:
    """Whether a gang's pods all run, and some were not told so."""
    if entry.asked.tasks <= 1 or not entry.whole:
        return False
    pods = entry.pods.values()
    return all(pod.status.pod_ip and pod.state.running is not None for pod in pods) and any(
        marks.GO not in pod.metadata.annotations for pod in pods
    )


def to_touch(entry: Entry) -> bool:
    """Whether it is time to touch a gang's pods once more. A kubelet that is told of an annotation
    while it still mounts the volumes shows it at its next look at the pod alone, a minute later;
    every change of the pod makes it look."""
    if entry.asked.tasks <= 1 or entry.touched >= len(_TOUCHED_S) or not any(entry.rest()):
        return False
    if any(marks.GO not in pod.metadata.annotations for pod in entry.pods.values()):
        return False
    return time.monotonic() - (entry.went_at or entry.seen_at) > _TOUCHED_S[entry.touched]


def gone_ahead(entry: Entry) -> bool:
    """Whether a script of a run may have begun."""
    if entry.asked.tasks <= 1:
        return entry.started
    return any(marks.GO in pod.metadata.annotations for pod in entry.pods.values())


def failing(entry: Entry) -> bool:
    """Whether a task of a gang failed, while others go on."""
    if entry.asked.tasks <= 1 or not any(entry.rest()):
        return False
    for rank, pod in entry.pods.items():
        word = outcomes.word(pod)
        if rank in entry.gone or (pod.over and (word is None or word.code != 0)):
            return True
    return False


def addresses(entry: Entry) -> str:
    """Of all its tasks, by rank."""
    return " ".join(entry.pods[rank].status.pod_ip for rank in sorted(entry.pods))


def released(entry: Entry, rank: int) -> dict[str, Any]:
    """The change that lets the scheduler have a pod, for its own node alone."""
    return {"spec": {"schedulingGates": None, "affinity": on_node(entry.asked.nodes[rank])}}


def short(entry: Entry, capacity: Capacity) -> str:
    """Which node could not take its part of a gang now, and why; empty if all could."""
    for name, times in sorted(Counter(entry.asked.nodes).items()):
        node = capacity.any_node(name)
        if node is None:
            return f"node {name} is not there"
        if why := capacity.barred(node):
            return f"node {name} takes no pods: {why}"
        if why := capacity.lacks(name, entry.asked.requests, times):
            return f"node {name} has too little left for {times} of its tasks: {why}"
    return ""
