"""Between suan's words and Slurm's: resources and GRES, launches, nodes, reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from suan.facts.accelerators import canonical
from suan.facts.devices import DEVICES, vendor_of
from suan.model.errors import PoolRejected
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus
from suan.model.pool import Launch, RunReport, Usage
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import NodeName, RunId
from suan.pools.environment import common
from suan.pools.script import SETUP_AND_RUN

_WHOLE = 1000
_SAME_CLOCK_S = 2.0
_DEVICE_NAMES = frozenset({"gpu", "npu", "dcu", "mlu", "gcu", "xpu"})  # GRES that compute


@dataclass(slots=True)
class Names:
    """Which accelerator model each GRES is. ``declared`` is the operator's word on them."""

    declared: Mapping[str, str] = field(default_factory=dict)

    def model(self, gres: str) -> str | None:
        """The model behind ``gpu:h100`` or ``gpu``; ``None`` if it does not compute."""
        name, _, kind = gres.partition(":")
        for known in (gres, kind):
            if known in self.declared:
                return canonical(self.declared[known])
        if name not in _DEVICE_NAMES:
            return None
        return canonical(kind) if kind else f"UNTYPED-{name.upper()}"

    def amounts(self, gres: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
        """Counts by GRES, as amounts by model."""
        found: dict[str, int] = {}
        for name, amount in gres.items():
            model = self.model(name)
            if model is not None and amount:
                found[model] = found.get(model, 0) + amount
        return tuple(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the login node's program told of it."""

    status: NodeStatus
    address: str
    gres: tuple[str, ...]


def node(told: Mapping[str, Any], names: Names) -> Node:
    """A node's status, in suan's words."""
    others = told["others"]
    whole = {name: _WHOLE * count for name, count in told["gres"].items()}
    return Node(
        status=NodeStatus(
            name=NodeName(told["name"]),
            total=Resources(_WHOLE * told["cpus"], told["memory"], names.amounts(whole)),
            others_use=Resources(
                others["cpu_milli"], others["memory"], names.amounts(others["gres"])
            ),
            schedulable=told["open"],
            rack=told["rack"],
        ),
        address=told["address"],
        gres=tuple(told["gres"]),
    )


def ahead_s(their_now: float, now: float) -> float:
    """By how much the cluster's clock is ahead of ours, in seconds: none where it cannot be told
    from how long an answer takes."""
    difference = their_now - now
    return difference if abs(difference) > _SAME_CLOCK_S else 0.0


def report(told: Mapping[str, Any], ahead_s: float = 0.0) -> RunReport:
    """A run's report, in suan's words and by this machine's clock."""
    run = RunId(told["run"])
    outcome = None
    if "cause" in told:
        outcome = Outcome(
            cause=Cause(told["cause"]),
            exit_code=told.get("exit_code"),
            signal=told.get("signal"),
            detail=told.get("detail", ""),
        )
    started, ended = (
        None if told.get(name) is None else told[name] - ahead_s
        for name in ("started_at", "ended_at")
    )
    return RunReport(
        run=run,
        ref=run,
        started_at=None if started is None else round(started * 1e6),
        ended_at=None if ended is None else round(max(ended, started or ended) * 1e6),
        outcome=outcome,
        usage=Usage(cpu_us=told.get("cpu_us")) if outcome else None,
    )


def asked(launch: Launch, nodes: list[Node], names: Names, *, least_memory: int) -> dict[str, Any]:
    """A launch as the program takes it.

    Raises:
        PoolRejected: a variable that cannot be set, or a node without such an accelerator.
    """
    need = launch.per_task
    gres = _gres(need, nodes, names)
    memory = launch.memory_limit_mib or max(need.memory_mib, least_memory)
    return {
        "nodes": list(launch.nodes),
        "cpus": max(1, -(-need.cpu_milli // _WHOLE)),
        "memory": memory,
        "gres": {name: -(-amount // _WHOLE) for name, amount in gres.items()},
        "take": {"cpu_milli": need.cpu_milli, "memory": need.memory_mib, "gres": gres},
        "memory_limit": launch.memory_limit_mib,
        "limit_s": None if launch.time_limit is None else launch.time_limit / 1e6,
        "script": launch.script,
        "setup": launch.setup,
        "setup_and_run": SETUP_AND_RUN,
        "env": _environment(launch, nodes, gres),
        "workdir": launch.workdir,
        "mounts": launch.file_mounts,
        "stdout": launch.stdout,
        "stderr": launch.stderr,
        "parcels": [[parcel.digest, parcel.target] for parcel in launch.parcels],
        "outputs": list(launch.outputs),
    }


def _gres(need: Resources, nodes: list[Node], names: Names) -> dict[str, int]:
    """Thousandths of each GRES that a task takes, whichever of its nodes it is on."""
    found: dict[str, int] = {}
    for model, amount in need.accelerators:
        have = [
            name
            for name in nodes[0].gres
            if (names.model(name) == model or (model == ANY_ACCELERATOR and names.model(name)))
            and all(name in each.gres for each in nodes)
        ]
        if not have:
            raise PoolRejected(f"node {nodes[0].status.name} has no {model}")
        found[min(have)] = amount
    return found


def _environment(launch: Launch, nodes: list[Node], gres: Mapping[str, int]) -> dict[str, str]:
    devices = sum(-(-amount // _WHOLE) for amount in gres.values())
    return common(launch, [each.address for each in nodes], devices=devices) | {
        "SUAN_DEVICES": str(devices),
        "SUAN_DEVICES_NAME": _visible(launch.per_task),
    }


def _visible(need: Resources) -> str:
    """The variable by which a vendor's frameworks know a task's devices."""
    for model, _ in need.accelerators:
        vendor = vendor_of(model) or ""
        if vendor in DEVICES:
            return DEVICES[vendor].framework_visible_env
    return "CUDA_VISIBLE_DEVICES"
