"""Nodes: what was observed of each, what runs hold of it, and what is therefore free."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from suan.core.devices import Grant, choose, layout
from suan.model.offer import NodeStatus
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import NodeName, RunId, Thousandths

if TYPE_CHECKING:
    from suan.core.flavors import Bucket, Entry, Flavor
    from suan.core.racks import Changes

Devices = tuple[tuple[Thousandths, ...], ...]  # free of each device, by model, freest first
Vector = tuple[Thousandths, int, Devices]  # processors, memory, devices
NOTHING = Resources()


class Held:
    """What one run holds of one node: ``tasks`` of ``per_task`` each, on these devices."""

    __slots__ = ("grant", "per_task", "tasks")

    def __init__(self, per_task: Resources, tasks: int) -> None:
        self.per_task = per_task
        self.tasks = tasks
        self.grant: Grant = ()

    def last(self, tasks: int) -> "Held":
        """What the last of its tasks hold."""
        part = Held(self.per_task, tasks)
        first = len(self.grant) * (self.tasks - tasks) // self.tasks
        part.grant = self.grant[first:]
        return part


class Node:
    """One node: as observed, and what is free of it. ``known`` is false for a node that only
    runs speak of: it is gone, or was never observed. A schedulable one has a bucket, its ``home``,
    and an ``entry`` there. Where its rack is known its pool's ``changes`` are told of it."""

    __slots__ = (
        "changes",
        "cpu",
        "devices",
        "entry",
        "flavor",
        "home",
        "known",
        "memory",
        "models",
        "name",
        "runs",
        "status",
    )

    def __init__(self, name: NodeName) -> None:
        self.name = name
        self.status = NodeStatus(name=name, total=NOTHING)
        self.known = False
        self.cpu: Thousandths = 0
        self.memory = 0
        self.models: tuple[str, ...] = ()
        self.devices: tuple[list[Thousandths], ...] = ()
        self.runs: dict[RunId, Held] = {}
        self.flavor: Flavor | None = None
        self.home: Bucket | None = None
        self.entry: Entry | None = None
        self.changes: Changes | None = None

    def free(self) -> Resources:
        """What can be offered of it now; nothing while it is cordoned or gone."""
        if self.flavor is None or not self.status.schedulable:
            return NOTHING
        amounts = zip(self.models, self.devices, strict=True)
        held = ((model, sum(max(free, 0) for free in devices)) for model, devices in amounts)
        return Resources(max(self.cpu, 0), max(self.memory, 0), tuple((m, a) for m, a in held if a))

    def free_devices(self) -> Devices:
        """What is free of each device, the freest first."""
        devices = self.devices
        if len(devices) == 1:  # the common node has one model
            return (tuple(sorted(devices[0], reverse=True)),)
        return tuple([tuple(sorted(free, reverse=True)) for free in devices])


def charge(node: Node, held: Held) -> None:
    """Take what a run holds from a node's free amounts; they may become negative."""
    per_task, tasks = held.per_task, held.tasks
    node.cpu -= tasks * per_task.cpu_milli
    node.memory -= tasks * per_task.memory_mib
    if per_task.accelerators and node.devices:
        held.grant = take(node.models, node.devices, held)
    else:
        held.grant = ()


def take(models: tuple[str, ...], free: Sequence[list[Thousandths]], held: Held) -> Grant:
    """Take a run's devices from what is ``free`` of each model."""
    granted: list[tuple[int, int, Thousandths]] = []
    for name, amount in held.per_task.accelerators:
        if name not in models and name != ANY_ACCELERATOR:
            continue
        model = models.index(name) if name in models else 0
        devices = free[model]
        for _ in range(held.tasks):
            for at, part in choose(devices, amount):
                devices[at] -= part
                granted.append((model, at, part))
    return tuple(granted)


def refund(node: Node, held: Held, times: int = 1) -> None:
    """Give back what ``charge`` took; with ``times`` of -1 take that again."""
    tasks = times * held.tasks
    node.cpu += tasks * held.per_task.cpu_milli
    node.memory += tasks * held.per_task.memory_mib
    for model, at, part in held.grant:
        node.devices[model][at] += times * part


def recharge(node: Node) -> Vector:
    """Work out a node's free amounts anew; returns what it would offer without suan's runs."""
    status = node.status
    node.cpu = status.total.cpu_milli
    node.memory = status.total.memory_mib
    node.models = tuple(model for model, _ in status.total.accelerators)
    node.devices = layout(status.total)
    charge(node, Held(status.others_use, 1))
    reach = (node.cpu, node.memory, node.free_devices())
    for held in node.runs.values():
        charge(node, held)
    return reach


def reach_of(status: NodeStatus) -> Vector:
    """What a node would offer if every run of suan's on it ended."""
    empty = Node(status.name)
    empty.status = status
    return recharge(empty)


def vector_of(total: Resources) -> Vector:
    """What an empty node offers."""
    return (total.cpu_milli, total.memory_mib, tuple(map(tuple, layout(total))))
