"""Between suan's words and Ray's: resources, nodes, launches."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suan.facts.accelerators import canonical
from suan.facts.devices import DEVICES, vendor_of
from suan.model.errors import PoolRejected
from suan.model.offer import NodeStatus
from suan.model.pool import Launch
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import NodeName
from suan.pools.environment import common

_WHOLE = 1000
_MIB = 1 << 20
_PIN = 0.0001  # of a node's own resource, which there is 1 of: no more than marks the node
_DEVICE_NAMES = ("GPU", "NPU", "TPU", "HPU", "neuron_cores")
_TYPE = "accelerator_type:"
_TYPE_LABEL = "ray.io/accelerator-type"


@dataclass(slots=True)
class Names:
    """Which accelerator model each of Ray's resources is. ``declared`` is the operator's word."""

    declared: Mapping[str, str] = field(default_factory=dict)

    def model(self, resource: str, told: Mapping[str, Any]) -> str | None:
        """The model behind a resource of a node as Ray tells of it; ``None`` if it computes not."""
        if resource in self.declared:
            return canonical(self.declared[resource])
        if resource not in _DEVICE_NAMES:
            return None
        types = [n.removeprefix(_TYPE) for n in told["resources_total"] if n.startswith(_TYPE)]
        label = (told.get("labels") or {}).get(_TYPE_LABEL)
        kind = types[0] if len(types) == 1 else label
        return canonical(kind) if kind else f"UNTYPED-{resource.upper()}"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as Ray tells of it: Ray's id, and its accelerators' resources with their models."""

    name: NodeName
    identity: str
    total: Resources
    models: Mapping[str, str]


def nodes(told: Sequence[Mapping[str, Any]], names: Names) -> dict[NodeName, Node]:
    """The nodes that are alive, by address. Of two at one address, which Ray cannot tell apart when
    it places by address, the first counts alone."""
    found: dict[NodeName, Node] = {}
    for each in sorted(told, key=lambda each: (each["node_ip"], each["node_id"])):
        name = NodeName(str(each["node_ip"]))
        if each["state"] != "ALIVE" or name in found:
            continue
        total: Mapping[str, float] = each["resources_total"]
        models = {
            resource: model
            for resource in sorted(total)
            if (model := names.model(resource, each)) is not None
        }
        found[name] = Node(name, str(each["node_id"]), amounts(total, models), models)
    return found


def amounts(resources: Mapping[str, float], models: Mapping[str, str]) -> Resources:
    """Amounts by Ray's names, in suan's units; what they do not name is 0."""
    accelerators: dict[str, int] = {}
    for resource, model in models.items():
        amount = round(_WHOLE * _of(resources, resource))
        if amount:
            accelerators[model] = accelerators.get(model, 0) + amount
    return Resources(
        round(_WHOLE * _of(resources, "CPU")),
        int(_of(resources, "memory")) // _MIB,
        tuple(sorted(accelerators.items())),
    )


def status(node: Node, used: Mapping[str, float], ours: Mapping[str, float]) -> NodeStatus:
    """What suan's core is told of a node, given what is used there and what of it is ours."""
    others = {
        name: max(0.0, _of(used, name) - _of(ours, name))
        for name in ("CPU", "memory", *node.models)
    }
    others["memory"] = math.ceil(others["memory"] / _MIB) * _MIB
    return NodeStatus(node.name, node.total, amounts(others, node.models))


def _of(resources: Mapping[str, float], name: str) -> float:
    """An amount; some of Ray's answers have their names in camel case."""
    if name in resources:
        return resources[name]
    first, *others = name.split("_")
    return resources.get(first + "".join(map(str.title, others)), 0.0)


def bundle(launch: Launch, where: Sequence[Node], *, least_memory: int) -> dict[str, float]:
    """What a task takes, under Ray's names.

    Raises:
        PoolRejected: a node has no such accelerator.
    """
    need = launch.per_task
    memory = launch.memory_limit_mib or max(need.memory_mib, least_memory)
    taken = {"CPU": need.cpu_milli / _WHOLE, "memory": float(memory * _MIB)}
    for model, amount in need.accelerators:
        taken[_resource(model, where)] = _share(amount)
    return taken


def pinned(taken: Mapping[str, float], node: Node) -> dict[str, float]:
    """The same, on one node and no other."""
    return {**taken, f"node:{node.name}": _PIN}


def _resource(model: str, where: Sequence[Node]) -> str:
    have = [
        resource
        for resource, its in where[0].models.items()
        if (its == model or model == ANY_ACCELERATOR)
        and all(resource in node.models for node in where)
    ]
    if not have:
        raise PoolRejected(f"node {where[0].name} has no {model}")
    return min(have)


def _share(amount: int) -> float:
    """Thousandths of devices, as Ray counts: parts of one, or whole ones."""
    return amount / _WHOLE if amount < _WHOLE else float(-(-amount // _WHOLE))


def environment(launch: Launch) -> dict[str, str]:
    """What all tasks have in common, secrets among it.

    Raises:
        PoolRejected: a variable that cannot be set.
    """
    devices = sum(-(-amount // _WHOLE) for _, amount in launch.per_task.accelerators)
    return common(launch, launch.nodes, devices=devices)


def visible(launch: Launch) -> str:
    """The variable by which a vendor's frameworks know a task's devices."""
    for model, _ in launch.per_task.accelerators:
        vendor = vendor_of(model) or ""
        if vendor in DEVICES:
            return DEVICES[vendor].framework_visible_env
    return "CUDA_VISIBLE_DEVICES"


def submission(taken: Mapping[str, float]) -> dict[str, Any]:
    """What a job's own process takes, as the fields of a submission."""
    rest = {name: amount for name, amount in taken.items() if name not in ("CPU", "GPU", "memory")}
    return {
        "entrypoint_num_cpus": taken.get("CPU") or None,
        "entrypoint_num_gpus": taken.get("GPU") or None,
        "entrypoint_memory": int(taken.get("memory", 0)) or None,
        "entrypoint_resources": rest,
    }
