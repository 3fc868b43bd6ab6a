"""What there is and what is free: pools, flavors and nodes, kept as runs come and go.

A *flavor* is a kind of node inside one pool: equal processors, accelerators, and memory to the
GiB. Inside a flavor, nodes with equal devices free share a bucket, sorted by free processors and
memory, so that the best fit is a search over few buckets. Every growth is noted in
``Capacity.awake``, one bit a flavor: work follows change. Not for: deciding who gets what.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass

from suan.core.devices import Grant, choose, fits, layout
from suan.model.offer import NodeStatus, Offer
from suan.model.refusal import Refusal
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import Instant, JobId, NodeName, PoolName, RunId, Thousandths

Devices = tuple[tuple[Thousandths, ...], ...]  # free of each device, by model, freest first
Vector = tuple[Thousandths, int, Devices]  # processors, memory, devices
Entry = tuple[Thousandths, int, NodeName, "Node"]
NOTHING = Resources()
NO_DEVICES: Devices = ()
_MIB_A_GIB = 1024


@dataclass(frozen=True, slots=True)
class Need:
    """What one task takes of a node of one flavor: ``accelerators`` as (model's index, amount)."""

    cpu: Thousandths
    memory: int
    accelerators: tuple[tuple[int, Thousandths], ...]

    def slots(self, vector: Vector, most: int) -> int:
        """How many such tasks ``vector`` holds at once, at most ``most``."""
        cpu, memory, devices = vector
        held = most
        if self.cpu:
            held = min(held, max(cpu, 0) // self.cpu)
        if self.memory:
            held = min(held, max(memory, 0) // self.memory)
        return min(held, self.device_slots(devices, held))

    def device_slots(self, devices: Devices, most: int) -> int:
        """The same of the devices alone."""
        for model, amount in self.accelerators:
            most = min(most, fits(devices[model], amount, most))
        return most


class Bucket:
    """Nodes of one flavor that have the same devices free, by processors and memory free."""

    __slots__ = ("devices", "nodes")

    def __init__(self, devices: Devices) -> None:
        self.devices = devices
        self.nodes: list[Entry] = []


class Flavor:
    """A kind of node in one pool. ``mask`` is its bit; ``reach`` counts what its schedulable
    nodes would offer if every run of suan's ended, ``totals`` what all its nodes have."""

    __slots__ = ("_asked", "buckets", "key", "mask", "models", "orders", "reach", "totals")

    def __init__(self, key: "FlavorKey", mask: int) -> None:
        self.key = key
        self.mask = mask
        self.models = tuple(model for model, _ in key[0])
        self.buckets: dict[Devices, Bucket] = {}
        self.orders: dict[tuple[tuple[int, Thousandths], ...], list[tuple[Bucket, int]]] = {}
        self._asked: tuple[Resources | None, Need | None] = (None, None)  # filters ask in turn
        self.totals: dict[Vector, int] = {}
        self.reach: dict[Vector, int] = {}

    def need(self, per_task: Resources) -> Need | None:
        """What a task takes here, or ``None`` if this kind of node lacks a model."""
        asked, need = self._asked
        if asked is not per_task:
            need = self._need(per_task)
            self._asked = (per_task, need)
        return need

    def _need(self, per_task: Resources) -> Need | None:
        parts: list[tuple[int, Thousandths]] = []
        for model, amount in per_task.accelerators:
            if model not in self.models:
                return None
            parts.append((self.models.index(model), amount))
        return Need(per_task.cpu_milli, per_task.memory_mib, tuple(parts))

    def bucket(self, devices: Devices) -> Bucket:
        """The bucket of nodes with these devices free, made if it is new."""
        found = self.buckets.get(devices)
        if found is None:
            found = self.buckets[devices] = Bucket(devices)
            self.orders.clear()
        return found

    def order(self, need: Need) -> list[tuple[Bucket, int]]:
        """Buckets that can serve ``need``, the tightest first, with the tasks a node holds."""
        found = self.orders.get(need.accelerators)
        if found is None:
            found = [
                (bucket, slots)
                for bucket in sorted(self.buckets.values(), key=lambda b: _looseness(b, need))
                if (slots := need.device_slots(bucket.devices, 1 << 30))
            ]
            self.orders[need.accelerators] = found
        return found


FlavorKey = tuple[tuple[tuple[str, Thousandths], ...], Thousandths, int]


def _looseness(bucket: Bucket, need: Need) -> tuple[object, ...]:
    """Sorts buckets so that whole devices, then whole nodes, stay free.

    For a share of a device the tightest device that holds it comes first.
    """
    whole = sum(free >= 1000 for devices in bucket.devices for free in devices)
    tightest = 0
    for model, amount in need.accelerators:
        if share := amount % 1000:
            holding = [free for free in bucket.devices[model] if free >= share]
            tightest = max(tightest, min(holding, default=1 << 30))
    return (tightest, whole, sum(map(sum, bucket.devices)), bucket.devices)


class Node:
    """One node: as observed, and what is free of it. ``known`` is false for a node that only
    runs speak of: it is gone, or was never observed."""

    __slots__ = (
        "cpu",
        "devices",
        "entry",
        "flavor",
        "home",
        "known",
        "memory",
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
        self.devices: tuple[list[Thousandths], ...] = ()
        self.runs: dict[RunId, Held] = {}
        self.flavor: Flavor | None = None
        self.home: Bucket | None = None
        self.entry: Entry | None = None

    def free(self) -> Resources:
        """What can be offered of it now; nothing while it is cordoned or gone."""
        if self.flavor is None or not self.status.schedulable:
            return NOTHING
        amounts = zip(self.flavor.models, self.devices, strict=True)
        held = ((model, sum(max(free, 0) for free in devices)) for model, devices in amounts)
        return Resources(max(self.cpu, 0), max(self.memory, 0), tuple((m, a) for m, a in held if a))


class Held:
    """What one run holds of one node: ``tasks`` of ``per_task`` each, on these devices."""

    __slots__ = ("grant", "per_task", "tasks")

    def __init__(self, per_task: Resources, tasks: int) -> None:
        self.per_task = per_task
        self.tasks = tasks
        self.grant: Grant = ()


def charge(node: Node, held: Held) -> None:
    """Take what a run holds from a node's free amounts; they may become negative."""
    per_task, tasks = held.per_task, held.tasks
    node.cpu -= tasks * per_task.cpu_milli
    node.memory -= tasks * per_task.memory_mib
    if per_task.accelerators and node.devices:
        held.grant = _grant(node, per_task, tasks)
    else:
        held.grant = ()


def _grant(node: Node, per_task: Resources, tasks: int) -> Grant:
    granted: list[tuple[int, int, Thousandths]] = []
    models = tuple(model for model, _ in node.status.total.accelerators)
    for name, amount in per_task.accelerators:
        if name not in models and name != ANY_ACCELERATOR:
            continue
        model = models.index(name) if name in models else 0
        devices = node.devices[model]
        for _ in range(tasks):
            for at, part in choose(devices, amount):
                devices[at] -= part
                granted.append((model, at, part))
    return tuple(granted)


def refund(node: Node, held: Held) -> None:
    """Give back what ``charge`` took."""
    node.cpu += held.tasks * held.per_task.cpu_milli
    node.memory += held.tasks * held.per_task.memory_mib
    for model, at, part in held.grant:
        node.devices[model][at] += part


class Pool:
    """One pool: its offer, flavors and nodes. ``growth`` counts how often capacity grew;
    ``behind`` is the last refusal that named an earlier job, and that job."""

    __slots__ = (
        "_kinds",
        "available",
        "behind",
        "detail",
        "drained",
        "flavors",
        "growth",
        "name",
        "nodes",
        "observed_at",
        "offer",
        "runs",
    )

    def __init__(self, name: PoolName) -> None:
        self.name = name
        self.offer = Offer(pool=name, kind="")
        self.available = False
        self.drained = False
        self.detail = "it has not been observed yet"
        self.observed_at: Instant | None = None
        self.nodes: dict[NodeName, Node] = {}
        self.flavors: dict[FlavorKey, Flavor] = {}
        self.growth = 0
        self.runs = 0
        self.behind: tuple[JobId, Refusal] | None = None
        self._kinds: tuple[tuple[Flavor, ...], tuple[str, ...]] | None = None

    @property
    def kinds(self) -> tuple[Flavor, ...]:
        """The flavors, those with the fewest accelerators first, then the smallest."""
        return self._sorted()[0]

    @property
    def models(self) -> tuple[str, ...]:
        """Every accelerator model that some node has, by name."""
        return self._sorted()[1]

    def _sorted(self) -> tuple[tuple[Flavor, ...], tuple[str, ...]]:
        if self._kinds is None:
            kinds = sorted(self.flavors.values(), key=lambda f: (_devices_of(f.key), f.key))
            models = sorted({model for flavor in kinds for model in flavor.models})
            self._kinds = (tuple(kinds), tuple(models))
        return self._kinds

    def add_flavor(self, key: FlavorKey, mask: int) -> Flavor:
        """A new kind of node."""
        self._kinds = None
        flavor = self.flavors[key] = Flavor(key, mask)
        return flavor

    def drop_flavor(self, flavor: Flavor) -> None:
        """The last node of a kind has gone."""
        self._kinds = None
        del self.flavors[flavor.key]


class Capacity:
    """All pools. ``awake`` has the bits of flavors worth another look: they
    grew, or another job is first in line for them;
    ``changed`` the pools whose offer, nodes or readiness changed, which must be matched anew."""

    __slots__ = ("_bits", "awake", "changed", "pools")

    def __init__(self) -> None:
        self.pools: dict[PoolName, Pool] = {}
        self.awake = 0
        self.changed: dict[PoolName, None] = {}
        self._bits = 0  # the flavors' bits in use

    def pool(self, name: PoolName) -> Pool:
        """A pool, made (unavailable, and empty) if nothing was heard of it yet."""
        found = self.pools.get(name)
        if found is None:
            found = self.pools[name] = Pool(name)
            self.changed[name] = None
        return found

    def remove(self, name: PoolName) -> None:
        """Forget a pool. Its flavors' bits are free for others once shapes are matched anew."""
        del self.pools[name]
        self.changed[name] = None

    def observe(
        self,
        pool: Pool,
        nodes: Iterable[NodeStatus],
        removed: Iterable[NodeName],
        *,
        complete: bool,
    ) -> None:
        """Bring a pool's nodes up to date; what has not changed costs a comparison."""
        seen = set()
        for status in nodes:
            seen.add(status.name)
            node = pool.nodes.get(status.name)
            if node is None or not node.known or node.status != status:
                self._observe_node(pool, status)
        gone = [name for name in pool.nodes if name not in seen] if complete else removed
        for name in gone:
            self._lose_node(pool, name)

    def _observe_node(self, pool: Pool, status: NodeStatus) -> None:
        node = pool.nodes.setdefault(status.name, Node(status.name))
        self._unfile(pool, node)
        node.status, node.known = status, True
        self.file(pool, node)
        self.changed[pool.name] = None

    def _lose_node(self, pool: Pool, name: NodeName) -> None:
        node = pool.nodes.get(name)
        if node is None or not node.known:
            return
        self._unfile(pool, node)
        self.changed[pool.name] = None
        if node.runs:
            node.known = False
            node.status = NodeStatus(name=name, total=NOTHING)
            recharge(node)
        else:
            del pool.nodes[name]

    def file(self, pool: Pool, node: Node) -> None:
        """Put a node under its flavor, with its runs charged."""
        total = node.status.total
        key = (total.accelerators, total.cpu_milli, total.memory_mib // _MIB_A_GIB)
        flavor = pool.flavors.get(key) or pool.add_flavor(key, self._new_bit())
        node.flavor = flavor
        reach = recharge(node)
        _count(flavor.totals, _vector_of(total), 1)
        if node.status.schedulable:
            _count(flavor.reach, reach, 1)
            self.index(node)
        self.grow(pool, flavor)

    def _unfile(self, pool: Pool, node: Node) -> None:
        flavor = node.flavor
        if flavor is None:
            return
        unindex(node)
        _count(flavor.totals, _vector_of(node.status.total), -1)
        if node.status.schedulable:
            _count(flavor.reach, reach_of(node.status), -1)
        node.flavor = None
        if not flavor.totals:
            pool.drop_flavor(flavor)

    def _new_bit(self) -> int:
        bit = ~self._bits & (self._bits + 1)
        self._bits |= bit
        return bit

    def settle(self) -> None:
        """Every shape has been matched anew: free the bits of flavors that are gone, and look at
        all that is there in the changed pools."""
        self._bits = 0
        for pool in self.pools.values():
            for flavor in pool.flavors.values():
                self._bits |= flavor.mask
                if pool.name in self.changed:
                    self.grow(pool, flavor)
        self.awake &= self._bits
        self.changed.clear()

    def grow(self, pool: Pool, flavor: Flavor) -> None:
        """Note that there may be more room in a flavor than there was."""
        pool.growth += 1
        self.awake |= flavor.mask

    def index(self, node: Node) -> None:
        """File a node under what is free of it now."""
        flavor = node.flavor
        assert flavor is not None
        devices = node.devices
        key: Devices = NO_DEVICES
        if devices:
            key = tuple([tuple(sorted(free, reverse=True)) for free in devices])
        home = flavor.buckets.get(key) or flavor.bucket(key)
        entry = (node.cpu, node.memory, node.name, node)
        insort(home.nodes, entry)
        node.home, node.entry = home, entry

    def hold(self, pool: Pool, name: NodeName, run: RunId, held: Held) -> None:
        """A run takes part of a node, which need not be known."""
        node = pool.nodes.get(name)
        if node is None:
            node = pool.nodes[name] = Node(name)
        node.runs[run] = held
        filed = node.home is not None
        unindex(node)
        charge(node, held)
        if filed:
            self.index(node)

    def release(self, pool: Pool, name: NodeName, run: RunId) -> None:
        """A run leaves a node."""
        node = pool.nodes[name]
        held = node.runs.pop(run)
        filed = node.home is not None
        unindex(node)
        refund(node, held)
        if filed:
            self.index(node)
        if node.flavor is not None:
            self.grow(pool, node.flavor)
        elif not node.runs:
            del pool.nodes[name]


def _devices_of(key: FlavorKey) -> Thousandths:
    return sum(amount for _, amount in key[0])


def unindex(node: Node) -> None:
    """Take a node out of its bucket, if it is in one."""
    home, entry = node.home, node.entry
    if home is not None and entry is not None:
        del home.nodes[bisect_left(home.nodes, entry)]
        node.home = node.entry = None


def recharge(node: Node) -> Vector:
    """Work out a node's free amounts anew; returns what it would offer without suan's runs."""
    status = node.status
    node.cpu = status.total.cpu_milli
    node.memory = status.total.memory_mib
    node.devices = layout(status.total)
    charge(node, Held(status.others_use, 1))
    reach = _vector(node)
    for held in node.runs.values():
        charge(node, held)
    return reach


def reach_of(status: NodeStatus) -> Vector:
    """What a node would offer if every run of suan's on it ended."""
    empty = Node(status.name)
    empty.status = status
    return recharge(empty)


def _vector(node: Node) -> Vector:
    devices = tuple(tuple(sorted(free, reverse=True)) for free in node.devices)
    return (node.cpu, node.memory, devices)


def _vector_of(total: Resources) -> Vector:
    return (total.cpu_milli, total.memory_mib, tuple(map(tuple, layout(total))))


def _count(counts: dict[Vector, int], vector: Vector, by: int) -> None:
    left = counts.get(vector, 0) + by
    if left:
        counts[vector] = left
    else:
        counts.pop(vector, None)
