"""Packing: accelerators left over when the openb cluster is filled to bursting.

The cluster is Alibaba's of 2023 (openb): the 1,213 nodes with accelerators, 6,212 of them, of
seven models; the pods ask for shares of one or for up to 8. As in the paper on FGD (Weng et al.,
"Beware of Fragmentation", USENIX ATC 2023) the workload is inflated by Monte Carlo: pods are drawn
at random from the trace, with its own beside them, until they ask for 130 % of the cluster's
accelerators, and arrive in random order; none ends, and one that does not fit is dropped. Told is
the share of accelerators that nobody has, when the pods that have arrived ask for 90 to 130 %
of the cluster, and when the first pod that wants an accelerator finds no room.

*suan* is the scheduler itself, asked for one pod at a time: one pool, no prices. *Best fit* is
this file's own: the least sum of what is left of processors and accelerators of the node, each
by the largest node's (that paper's definition), the tightest accelerator within it. *Published*
are the medians of the ten runs of that paper's own artifact on these same two files (hkust-adsl/
kubernetes-scheduler-simulator, analysis_allo_discrete.csv): other draws, so no run pairs with
ours. Models that a pod asks for are kept to; in this list of pods none asks for one.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence

import harness
import traces
from traces import Machine, Pod

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import JobCancelled, JobSubmitted, PolicyChanged, PoolObserved
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Place
from suan.model.policy import POLICIES
from suan.model.resources import Resources

ARRIVED = (90, 95, 100, 110, 120, 129)  # % of the cluster's accelerators
PUBLISHED = {  # unallocated accelerators, %, medians of 10 seeds
    "published: random": (14.97, 14.32, 13.75, 13.23, 12.84, 12.62),
    "published: best fit": (9.99, 7.14, 7.09, 7.02, 6.96, 6.90),
    "published: FGD": (10.00, 5.09, 4.77, 4.68, 4.63, 4.60),
}
INFLATED = 1.3

Fits = Callable[[Pod], bool]


def inflate(pods: Sequence[Pod], capacity: int, seed: int) -> list[Pod]:
    """All pods of the trace and more of them, drawn at random, in random order: they ask for
    ``INFLATED`` times ``capacity`` thousandths of accelerators."""
    rng = random.Random(seed)
    drawn = list(pods)
    asked = sum(pod.share for pod in pods)
    while True:
        pod = rng.choice(pods)
        if asked + pod.share > INFLATED * capacity:
            break
        asked += pod.share
        drawn.append(pod)
    rng.shuffle(drawn)
    return drawn


def by_core(nodes: Sequence[Machine]) -> Fits:
    """The scheduler, asked for one pod at a time; a pod that must wait is cancelled."""
    scheduler = Scheduler()
    scheduler.apply(PolicyChanged(0, POLICIES["fifo"]))
    statuses = tuple(
        NodeStatus(n.name, Resources(n.cpu, n.memory, ((n.model, n.gpus * 1000),))) for n in nodes
    )
    scheduler.apply(PoolObserved(0, Offer("openb", "kubernetes"), statuses))
    demands: dict[Pod, Demand] = {}
    count = 0

    def fits(pod: Pod) -> bool:
        nonlocal count
        count += 1
        demand = demands.get(pod)
        if demand is None:
            demand = demands[pod] = demand_of(pod)
        scheduler.apply(JobSubmitted(count, f"J{count:011}", count, demand))
        plan = scheduler.decide(count)
        if any(isinstance(each, Place) for each in plan.decisions):
            return True
        scheduler.apply(JobCancelled(count, f"J{count:011}"))
        scheduler.decide(count)
        return False

    return fits


def demand_of(pod: Pod) -> Demand:
    models = pod.models or ("*",)
    kinds = [((model, pod.share),) for model in models] if pod.share else [()]
    return Demand(1, tuple(Option(Resources(pod.cpu, pod.memory, kind)) for kind in kinds))


def by_best_fit(nodes: Sequence[Machine]) -> Fits:
    """Plain best fit over all nodes, by what is left of processors and accelerators."""
    most_cpu, most_gpu = max(n.cpu for n in nodes), max(n.gpus for n in nodes) * 1000
    cpu = [n.cpu for n in nodes]
    memory = [n.memory for n in nodes]
    devices = [[1000] * n.gpus for n in nodes]
    left = [n.gpus * 1000 for n in nodes]
    whole = [n.gpus for n in nodes]
    largest = [1000] * len(nodes)

    def fits(pod: Pod) -> bool:
        share = pod.share
        best, found = 3.0, -1
        for at, free in enumerate(cpu):
            if free < pod.cpu or memory[at] < pod.memory or left[at] < share:
                continue
            if (whole[at] * 1000 < share) if share >= 1000 else (largest[at] < share):
                continue
            if pod.models and nodes[at].model not in pod.models:
                continue
            score = (free - pod.cpu) / most_cpu + (left[at] - share) / most_gpu
            if score < best:
                best, found = score, at
        if found < 0:
            return False
        cpu[found] -= pod.cpu
        memory[found] -= pod.memory
        left[found] -= share
        take(devices[found], share)
        whole[found] = devices[found].count(1000)
        largest[found] = max(devices[found])
        return True

    return fits


def take(devices: list[int], share: int) -> None:
    """Whole devices, or a share of the tightest one that holds it."""
    while share >= 1000:
        devices[devices.index(1000)] = 0
        share -= 1000
    if share:
        tightest = min(free for free in devices if free >= share)
        devices[devices.index(tightest)] = tightest - share


def filled(fits: Fits, pods: Sequence[Pod], capacity: int) -> tuple[list[float], float]:
    """The % of accelerators nobody has at each of ``ARRIVED``, and where the first pod failed."""
    marks = [capacity * percent / 100 for percent in ARRIVED]
    arrived = taken = 0
    told: list[float] = []
    first = float("nan")
    for pod in pods:
        arrived += pod.share
        if fits(pod):
            taken += pod.share
        elif pod.share and first != first:
            first = 100 * (1 - taken / capacity)
        while len(told) < len(marks) and arrived >= marks[len(told)]:
            told.append(100 * (1 - taken / capacity))
    return told, first


def main() -> None:
    small = harness.quick()
    path = traces.found(traces.OPENB)
    if path is None:
        return
    nodes, pods = traces.openb(path)
    capacity = sum(node.gpus for node in nodes) * 1000
    ways = {"suan": by_core, "best fit": by_best_fit}
    told: dict[str, list[list[float]]] = {name: [] for name in ways}
    spent = dict.fromkeys(ways, 0.0)
    count = 0
    for seed in range(2 if small else 5):
        drawn = inflate(pods, capacity, seed)
        count += len(drawn)
        for name, way in ways.items():
            began = time.process_time()
            shares, first = filled(way(nodes), drawn, capacity)
            told[name].append([*shares, first])
            spent[name] += time.process_time() - began
    rows = []
    for name, runs in told.items():
        medians = [f"{statistics.median(each):.2f}" for each in zip(*runs, strict=True)]
        rows.append((name, *medians, harness.duration(spent[name] / count)))
    rows += [(name, *(f"{v:.2f}" for v in values), "", "") for name, values in PUBLISHED.items()]
    header = [f"at {percent} %" for percent in ARRIVED]
    seeds = len(told["suan"])
    print(f"Accelerators that nobody has, % of {capacity // 1000:,}: medians of {seeds} draws.\n")
    print(harness.table(("by", *header, "first pod failed", "CPU time a pod"), rows))


if __name__ == "__main__":
    main()
