"""What each node has and what others take of it, kept up with every pod that comes or goes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from suan.model.offer import NodeStatus
from suan.model.resources import Resources
from suan.model.units import NodeName
from suan.pools.kubernetes.marks import POOL, SHARE
from suan.pools.kubernetes.objects import BriefPod, Node
from suan.pools.kubernetes.options import Options
from suan.pools.kubernetes.quantity import milli, whole
from suan.pools.kubernetes.quotas import Room

_WHOLE = 1000
_MIB = 1 << 20
_BARRING = ("NoSchedule", "NoExecute")
_ENDED = ("Succeeded", "Failed")


@dataclass(slots=True)
class Amount:
    """What pods take: thousandths of processors, bytes, thousandths of devices by resource."""

    cpu: int = 0
    memory: int = 0
    devices: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Amount", sign: int = 1) -> None:
        self.cpu += sign * other.cpu
        self.memory += sign * other.memory
        for name, count in other.devices.items():
            self.devices[name] = self.devices.get(name, 0) + sign * count


class Capacity:
    """Every node of the pool, and each change of one in order."""

    def __init__(self, options: Options, namespace: str, changed: Callable[[], int]) -> None:
        self._options = options
        self._namespace = namespace
        self._changed = changed  # gives each change its number
        self._vendors = options.names.vendors
        self._taken: dict[str, Amount] = {}  # by node, by pods that are not ours
        self._held: dict[str, Amount] = {}  # by node, by every pod
        self._pods: dict[str, tuple[str, Amount, Amount]] = {}  # by uid: where, others', all
        self._all: dict[str, Node] = {}
        self._nodes: dict[str, Node] = {}  # those that are the pool's
        self._dirty: set[str] = set()
        self._room = Room()
        self._statuses: dict[NodeName, tuple[NodeStatus, int]] = {}
        self._removed: dict[NodeName, int] = {}

    def hear_node(self, before: Node | None, after: Node | None) -> None:
        """A node came, changed or went."""
        named = after or before
        assert named is not None
        name = named.metadata.name
        if after is not None:
            self._all[name] = after
        else:
            self._all.pop(name, None)
        if after is not None and self._selected(after):
            self._nodes[name] = after
        else:
            self._nodes.pop(name, None)
        self._dirty.add(name)

    def hear_pod(self, before: BriefPod | None, after: BriefPod | None) -> None:
        """Somebody's pod came, changed or went."""
        pod = after or before
        assert pod is not None
        counted = after is not None and bool(pod.spec.node_name)
        counted = counted and pod.status.phase not in _ENDED
        if counted and before is not None and before.spec == pod.spec:
            return  # its state alone is another; one that has ended is not listed any more
        earlier = self._pods.pop(pod.metadata.uid, None)
        if earlier is not None:
            self._take(*earlier, sign=-1)
        if counted:
            whole_of_it = asked(pod, self._vendors)
            taking = (pod.spec.node_name, self._others(pod, whole_of_it), whole_of_it)
            self._pods[pod.metadata.uid] = taking
            self._take(*taking, sign=1)

    def limit(self, room: Room) -> None:
        """Have no node show more than the namespace's quotas leave. A quota of zero is not shown:
        the refusal of a launch names it."""
        before, self._room = self._clipped(), room
        if before != self._clipped():
            self._dirty.update(self._nodes)

    def _clipped(self) -> Room:
        """The room, as far as it limits any node."""
        largest: dict[str, int] = {}
        for node in self._nodes.values():
            for name, amount in node.status.allocatable.items():
                largest[name] = max(largest.get(name, 0), milli(amount))
        return Room(
            {name: most for name, most in self._room.most.items() if most < largest.get(name, 0)},
            {name: left for name, left in self._room.left.items() if left < largest.get(name, 0)},
        )

    def since(self, number: int) -> tuple[list[NodeStatus], list[NodeName]]:
        """The nodes that changed after a number, and those that went."""
        self._settle()
        changed = [status for status, at in self._statuses.values() if at > number]
        return changed, [name for name, at in self._removed.items() if at > number]

    def any_node(self, name: str) -> Node | None:
        """A node, of the pool or not."""
        return self._all.get(name)

    def known(self, name: str) -> bool:
        """Whether the pool has or had such a node."""
        return NodeName(name) in self._statuses or NodeName(name) in self._removed

    def labels(self, name: str) -> Mapping[str, str]:
        node = self._nodes.get(name)
        return node.metadata.labels if node else {}

    def offered(self, name: str) -> dict[str, str] | None:
        """The models of a node's resources; ``None`` if the pool has no such node."""
        node = self._nodes.get(name)
        if node is None:
            return None
        labels = node.metadata.labels
        has = self._devices(node)
        return {each: self._options.names.model(each, labels) for each in has}

    def lacks(self, name: str, requests: Mapping[str, str], times: int) -> str:
        """What a node has too little of for so many pods; empty if it has enough."""
        node = self._all[name]
        need, held = _of(requests, self._vendors), self._held.get(name, Amount())
        has = node.status.allocatable
        if held.cpu + times * need.cpu > milli(has.get("cpu", "0")):
            return "cpu"
        if held.memory + times * need.memory > whole(has.get("memory", "0")):
            return "memory"
        offered = self._devices(node)
        for each, count in need.devices.items():
            if held.devices.get(each, 0) + times * count > offered.get(each, 0):
                return each
        return ""

    def models(self) -> set[str]:
        """Every model that the pool has."""
        return {m for status, _ in self._statuses.values() for m, _ in status.total.accelerators}

    def _devices(self, node: Node) -> dict[str, int]:
        """Thousandths of each accelerator that a node offers."""
        return {
            name: milli(count)
            for name, count in node.status.allocatable.items()
            if name in self._vendors and count != "0"
        }

    def _take(self, name: str, others: Amount, held: Amount, *, sign: int) -> None:
        self._taken.setdefault(name, Amount()).add(others, sign)
        self._held.setdefault(name, Amount()).add(held, sign)
        self._dirty.add(name)

    def _settle(self) -> None:
        for name in sorted(self._dirty):
            node = self._nodes.get(name)
            known = NodeName(name)
            if node is None:
                if self._statuses.pop(known, None) is not None:
                    self._removed[known] = self._changed()
                continue
            status = self._status(node)
            before = self._statuses.get(known)
            if before is None or before[0] != status:
                self._statuses[known] = status, self._changed()
                self._removed.pop(known, None)
        self._dirty.clear()

    def _status(self, node: Node) -> NodeStatus:
        has = node.status.allocatable
        devices = self._devices(node)
        taken = self._taken.get(node.metadata.name, Amount())
        total = Amount(milli(has.get("cpu", "0")), whole(has.get("memory", "0")), devices)
        total, taken = self._within(total, taken, self._held.get(node.metadata.name, Amount()))
        return NodeStatus(
            name=NodeName(node.metadata.name),
            total=self._resources(node, total),
            others_use=self._resources(node, taken, up=True),
            schedulable=node.ready and not self.barred(node),
        )

    def _within(self, has: Amount, taken: Amount, held: Amount) -> tuple[Amount, Amount]:
        """A node's total, and what others take of it, such that no more is left than the quotas
        leave. ``held`` is what all pods take. What others take beside the quotas takes nothing of
        them: it counts only where the node itself has less left."""
        if not self._room.left:
            return has, taken

        def one(name: str, values: tuple[int, int, int], unit: int) -> tuple[int, int]:
            total, others, everybody = values
            most, left = self._room.most.get(name, 0) // unit, self._room.left.get(name)
            if left is None:
                return total, others
            free = min(max(0, total - everybody), left // unit)
            total = min(total, most) if most else total
            return total, max(0, total - (everybody - others) - free)

        cpu = one("cpu", (has.cpu, taken.cpu, held.cpu), 1)
        memory = one("memory", (has.memory, taken.memory, held.memory), _WHOLE)
        devices = {
            name: one(name, (count, taken.devices.get(name, 0), held.devices.get(name, 0)), 1)
            for name, count in has.devices.items()
        }
        return (
            Amount(cpu[0], memory[0], {name: each[0] for name, each in devices.items()}),
            Amount(cpu[1], memory[1], {name: each[1] for name, each in devices.items()}),
        )

    def _resources(self, node: Node, amount: Amount, *, up: bool = False) -> Resources:
        models: dict[str, int] = {}
        for resource, count in amount.devices.items():
            if count > 0:
                model = self._options.names.model(resource, node.metadata.labels)
                models[model] = models.get(model, 0) + count
        memory = -(-amount.memory // _MIB) if up else amount.memory // _MIB
        return Resources(amount.cpu, memory, tuple(sorted(models.items())))

    def barred(self, node: Node) -> str:
        """Why no new pod of ours may go there; empty if one may."""
        if node.spec.unschedulable:
            return "it is cordoned"
        for taint in node.spec.taints:
            tolerated = any(
                each.covers(taint.key, taint.value, taint.effect)
                for each in self._options.tolerations
            )
            if taint.effect in _BARRING and not tolerated:
                return f"it has the taint {taint.key}:{taint.effect}"
        return "" if node.ready else "it is not ready"

    def _selected(self, node: Node) -> bool:
        labels = node.metadata.labels
        return all(labels.get(name) == value for name, value in self._options.node_selector.items())

    def _others(self, pod: BriefPod, taken: Amount) -> Amount:
        """What a pod takes beside what the scheduler counts for a run of ours."""
        mine = pod.metadata.labels.get(POOL) == self._options.pool
        if not mine or pod.metadata.namespace != self._namespace:
            return taken
        share = pod.metadata.labels.get(SHARE, "")
        if not share.isdigit():
            return Amount()
        return Amount(devices={name: count - int(share) for name, count in taken.devices.items()})


def asked(pod: BriefPod, devices: Mapping[str, str]) -> Amount:
    """What a pod reserves: its containers together, or the largest step of its start."""
    total, steps = Amount(), []
    for each in pod.spec.containers:
        total.add(_of(each.resources.requests, devices))
    before = Amount()
    for each in pod.spec.init_containers:
        one = _of(each.resources.requests, devices)
        if each.restart_policy == "Always":  # it goes on beside the others
            total.add(one)
            before.add(one)
        else:
            step = Amount()
            step.add(before)
            step.add(one)
            steps.append(step)
    for step in steps:
        total.cpu, total.memory = max(total.cpu, step.cpu), max(total.memory, step.memory)
        for name, count in step.devices.items():
            total.devices[name] = max(total.devices.get(name, 0), count)
    total.add(_of(pod.spec.overhead, devices))
    return total


def _of(requests: Mapping[str, str], devices: Mapping[str, str]) -> Amount:
    return Amount(
        cpu=milli(requests.get("cpu", "0")),
        memory=whole(requests.get("memory", "0")),
        devices={
            name: _WHOLE * whole(count) for name, count in requests.items() if name in devices
        },
    )
