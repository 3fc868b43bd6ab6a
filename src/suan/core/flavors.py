"""Flavors: kinds of node inside one pool, and the search for the best fit among their nodes.

Nodes with equal devices free share a *bucket*, sorted by free processors and memory, so that the
best fit is a search over few buckets. A flavor remembers what it had no room for: whatever needs
as much misses too, until a node has grown that could hold it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from suan.core.devices import fits
from suan.core.nodes import Devices, Node, Vector
from suan.model.resources import Resources
from suan.model.units import NodeName, Thousandths

if TYPE_CHECKING:
    from suan.core.matching import Shape
    from suan.core.racks import Index

FreeDevices = Sequence[Sequence[Thousandths]]  # of each device, by model, in any order
FlavorKey = tuple[tuple[tuple[str, Thousandths], ...], Thousandths, int, tuple[str, ...]]
Entry = tuple[Thousandths, int, NodeName, Node]
Amounts = tuple[tuple[int, Thousandths], ...]  # (model's index, amount) each
Asker = tuple[Thousandths, int, int, "Shape"]  # processors, memory, the shape's number
_MANY_BUCKETS = 512
NOBODY: list[Entry] = []


class Kin:
    """All needs of equal accelerators in one flavor. ``missed`` has the least of them, in
    (processors, memory), that no node has room for; ``stamp`` counts how often one was taken out.
    ``order`` has the buckets that can serve them, until a new bucket is made. ``askers`` are the
    shapes with such needs, by processors and memory."""

    __slots__ = ("accelerators", "askers", "missed", "order", "stamp")

    def __init__(self, accelerators: Amounts) -> None:
        self.accelerators = accelerators
        self.missed: list[tuple[Thousandths, int]] = []
        self.stamp = 0
        self.order: list[tuple[Bucket, int]] | None = None
        self.askers: list[Asker] = []


class Need:
    """What one task takes of a node of one flavor. At its kin's stamp ``missed_at`` no node had
    room for it."""

    __slots__ = ("cpu", "kin", "memory", "missed_at")

    def __init__(self, cpu: Thousandths, memory: int, kin: Kin) -> None:
        self.cpu = cpu
        self.memory = memory
        self.kin = kin
        self.missed_at = -1

    def slots(self, vector: tuple[Thousandths, int, FreeDevices], most: int) -> int:
        """How many such tasks ``vector`` holds at once, at most ``most``."""
        cpu, memory, devices = vector
        held = most
        if self.cpu:
            held = min(held, max(cpu, 0) // self.cpu)
        if self.memory:
            held = min(held, max(memory, 0) // self.memory)
        return device_slots(devices, self.kin.accelerators, held)


def device_slots(devices: FreeDevices, accelerators: Amounts, most: int) -> int:
    """How many tasks with such accelerators the devices hold at once, at most ``most``."""
    for model, amount in accelerators:
        most = min(most, fits(devices[model], amount, most))
    return most


class Bucket:
    """Nodes of one flavor that have the same devices free, by processors and memory free; and
    those whose racks are known by rack as well."""

    __slots__ = ("devices", "nodes", "racks")

    def __init__(self, devices: Devices) -> None:
        self.devices = devices
        self.nodes: list[Entry] = []
        self.racks: dict[str, list[Entry]] = {}


class Flavor:
    """A kind of node in one pool. ``mask`` is its bit; ``reach`` counts what its schedulable
    nodes would offer if every run of suan's ended, ``totals`` what all its nodes have.

    ``growth`` counts how often it grew, and ``kins`` are the needs that were asked about;
    ``whole`` finds the racks of its whole nodes, once somebody asked for these. Of the reservations
    that keep its nodes, which its key names, one ``has_begun`` or none."""

    __slots__ = (
        "_asked",
        "buckets",
        "growth",
        "has_begun",
        "key",
        "kins",
        "mask",
        "models",
        "reach",
        "totals",
        "whole",
    )

    def __init__(self, key: FlavorKey, mask: int) -> None:
        self.key = key
        self.mask = mask
        self.models = tuple(model for model, _ in key[0])
        self.buckets: dict[Devices, Bucket] = {}
        self.kins: dict[Amounts, Kin] = {}
        self._asked: tuple[Resources | None, Need | None] = (None, None)  # filters ask in turn
        self.totals: dict[Vector, int] = {}
        self.reach: dict[Vector, int] = {}
        self.growth = 0
        self.whole: Index | None = None
        self.has_begun = False

    def need(self, per_task: Resources) -> Need | None:
        """What a task takes here, or ``None`` if this kind of node lacks a model."""
        asked, need = self._asked
        if asked is not per_task:
            need = self._need(per_task)
            self._asked = (per_task, need)
        return need

    def askers(self, node: Node) -> Iterator["Shape"]:
        """The shapes of which a task fits one of its nodes now."""
        home = node.home
        if home is None:
            return
        for kin in self.kins.values():
            if not kin.askers or not device_slots(home.devices, kin.accelerators, 1):
                continue
            for cpu, memory, _, shape in kin.askers:
                if cpu > node.cpu:
                    break
                if memory <= node.memory:
                    yield shape

    def _need(self, per_task: Resources) -> Need | None:
        parts: list[tuple[int, Thousandths]] = []
        for model, amount in per_task.accelerators:
            if model not in self.models:
                return None
            parts.append((self.models.index(model), amount))
        accelerators = tuple(parts)
        kin = self.kins.get(accelerators)
        if kin is None:
            kin = self.kins[accelerators] = Kin(accelerators)
        return Need(per_task.cpu_milli, per_task.memory_mib, kin)

    def tightest(self, need: Need) -> Node | None:
        """The best fit for one task, or ``None`` while nothing has room for it."""
        cpu, memory, kin = need.cpu, need.memory, need.kin
        if need.missed_at == kin.stamp:
            return None
        for least_cpu, least_memory in kin.missed:  # as in misses, without the call
            if cpu >= least_cpu and memory >= least_memory:
                need.missed_at = kin.stamp
                return None
        for bucket, _ in kin.order or self.order(kin):
            nodes = bucket.nodes
            if nodes and nodes[-1][0] >= cpu:
                for at in range(bisect_left(nodes, (cpu,)), len(nodes)):
                    entry = nodes[at]
                    if entry[1] >= memory:
                        return entry[3]
        self.miss(need)
        return None

    def tightest_of_each(self, need: Need) -> Iterator[tuple[Vector, Node]]:
        """Of the nodes that hold a task the tightest of each bucket, with what is free of it, the
        best fit first."""
        cpu, memory = need.cpu, need.memory
        for bucket, _ in need.kin.order or self.order(need.kin):
            nodes = bucket.nodes
            if nodes and nodes[-1][0] >= cpu:
                for at in range(bisect_left(nodes, (cpu,)), len(nodes)):
                    free_cpu, free_memory, _, node = nodes[at]
                    if free_memory >= memory:
                        yield (free_cpu, free_memory, bucket.devices), node
                        break

    def holding(self, need: Need, rack: str = "") -> Iterator[tuple[Node, int]]:
        """The nodes (of one ``rack``) that hold a task, the best fit first, and how many each
        holds."""
        cpu, memory = need.cpu, need.memory
        for bucket, slots in need.kin.order or self.order(need.kin):
            nodes = bucket.racks.get(rack, NOBODY) if rack else bucket.nodes
            for at in range(bisect_left(nodes, (cpu,)), len(nodes)):
                free_cpu, free_memory, _, node = nodes[at]
                if free_memory >= memory:
                    held = min(slots, free_cpu // cpu) if cpu else slots
                    yield node, min(held, free_memory // memory) if memory else held

    def misses(self, need: Need) -> bool:
        """Whether it is known that no node has room for a task."""
        kin = need.kin
        if need.missed_at == kin.stamp:
            return True
        for cpu, memory in kin.missed:
            if need.cpu >= cpu and need.memory >= memory:
                need.missed_at = kin.stamp
                return True
        return False

    def miss(self, need: Need) -> None:
        """Remember that no node has room for a task."""
        cpu, memory, kin = need.cpu, need.memory, need.kin
        kept = [least for least in kin.missed if least[0] < cpu or least[1] < memory]
        kept.append((cpu, memory))
        kin.missed = kept
        need.missed_at = kin.stamp

    def grow(self, node: Node) -> None:
        """A node has more free: forget the misses that it ends."""
        self.growth += 1
        home = node.home
        if home is None:
            return
        cpu, memory = node.cpu, node.memory
        for kin in self.kins.values():
            if not kin.missed:
                continue
            left = [least for least in kin.missed if least[0] > cpu or least[1] > memory]
            if len(left) < len(kin.missed) and device_slots(home.devices, kin.accelerators, 1):
                kin.missed = left
                kin.stamp += 1

    def renew(self) -> None:
        """Its nodes have changed: forget all misses."""
        self.growth += 1
        self.whole = None
        for kin in self.kins.values():
            kin.stamp += 1
            kin.missed = []

    def bucket(self, devices: Devices) -> Bucket:
        """The bucket of nodes with these devices free, made if it is new."""
        found = self.buckets.get(devices)
        if found is None:
            if len(self.buckets) >= _MANY_BUCKETS:  # shares of many sizes leave empty ones behind
                self.buckets = {key: each for key, each in self.buckets.items() if each.nodes}
            found = self.buckets[devices] = Bucket(devices)
            for kin in self.kins.values():
                kin.order = None
        return found

    def order(self, kin: Kin) -> list[tuple[Bucket, int]]:
        """Buckets that can serve these needs, the tightest first, with the tasks a node holds."""
        if kin.order is None:
            kin.order = [
                (bucket, slots)
                for bucket in sorted(self.buckets.values(), key=lambda b: _looseness(b, kin))
                if (slots := device_slots(bucket.devices, kin.accelerators, 1 << 30))
            ]
        return kin.order


def _looseness(bucket: Bucket, kin: Kin) -> tuple[object, ...]:
    """Sorts buckets so that whole devices, then whole nodes, stay free.

    For a share of a device the tightest device that holds it comes first.
    """
    whole = sum(free >= 1000 for devices in bucket.devices for free in devices)
    tightest = 0
    for model, amount in kin.accelerators:
        if share := amount % 1000:
            holding = [free for free in bucket.devices[model] if free >= share]
            tightest = max(tightest, min(holding, default=1 << 30))
    return (tightest, whole, sum(map(sum, bucket.devices)), bucket.devices)


def index(node: Node) -> None:
    """File a node of a flavor under what is free of it now."""
    put(node, _bucket_of(node))


def _bucket_of(node: Node) -> Bucket:
    flavor, devices = node.flavor, node.free_devices()
    assert flavor is not None
    return flavor.buckets.get(devices) or flavor.bucket(devices)


def put(node: Node, home: Bucket) -> None:
    """File a node in a bucket."""
    entry = (node.cpu, node.memory, node.name, node)
    insort(home.nodes, entry)
    node.home, node.entry = home, entry
    if node.changes is not None:
        insort(home.racks.setdefault(node.status.rack, []), entry)
        node.changes.note(node)


def refile(node: Node, *, devices_changed: bool) -> None:
    """What is free of a node has changed: move it to where it belongs, if it is in a bucket."""
    home, entry = node.home, node.entry
    if home is None or entry is None:
        return
    _take_out(node, home, entry)
    put(node, _bucket_of(node) if devices_changed else home)


def unindex(node: Node) -> None:
    """Take a node out of its bucket, if it is in one."""
    home, entry = node.home, node.entry
    if home is not None and entry is not None:
        _take_out(node, home, entry)
        node.home = node.entry = None


def _take_out(node: Node, home: Bucket, entry: Entry) -> None:
    del home.nodes[bisect_left(home.nodes, entry)]
    if node.changes is not None:
        rack = node.status.rack
        entries = home.racks[rack]
        del entries[bisect_left(entries, entry)]
        if not entries:
            del home.racks[rack]
