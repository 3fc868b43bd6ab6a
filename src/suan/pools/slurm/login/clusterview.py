"""What Slurm says of its nodes and of our jobs, from output that has not changed since 20.11.

``scontrol -o -d show node`` and ``squeue -o`` are read rather than ``--json``: that differs from
release to release, is missing where Slurm was built without it, and is many times as long.
"""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.

import re
import time
from typing import Any

from suan.pools.slurm.login.commands import Slurm, Trouble

_GRES = re.compile(r"([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?):(\d+)([KMG]?)(?:\([^)]*\))?")
_USABLE = {"IDLE", "MIXED", "ALLOCATED", "COMPLETING", "ALLOC", "MIX"}
_HARMLESS = {
    "COMPLETING", "CLOUD", "PLANNED", "POWERED_DOWN", "POWERING_UP", "POWERED_UP", "BLOCKED",
    "DYNAMIC_NORM", "DYNAMIC_FUTURE", "POWERING",
}  # fmt: skip
_ALLOCATED_IN = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "CONFIGURING", "SIGNALING"}
_TIME = "%Y-%m-%dT%H:%M:%S"
_TOPOLOGY_EVERY_S = 600.0
_MOST_SWITCHES = 8  # on the way to a node, as in a rack's path


def gres(text: str) -> "dict[str, int]":
    """``gpu:h100:8(S:0-1),npu:4`` as ``{"gpu:h100": 8, "npu": 4}``."""
    counts: dict[str, int] = {}
    for name, count, unit in _GRES.findall(text):
        factor = 1024 ** (" KMG".index(unit) if unit else 0)
        counts[name] = counts.get(name, 0) + int(count) * factor
    return counts


def hosts(text: str) -> "list[str]":
    """``c1-n[1-2,5],x`` as names. Nested brackets do not occur."""
    names: list[str] = []
    for part in re.findall(r"[^,\[]+(?:\[[^\]]*\][^,\[]*)*", text):
        names.extend(_expand(part.strip(",")))
    return names


def _expand(part: str) -> "list[str]":
    match = re.match(r"([^\[]*)\[([^\]]*)\](.*)$", part)
    if not match:
        return [part] if part else []
    names: list[str] = []
    for piece in match.group(2).split(","):
        low, _, high = piece.partition("-")
        for number in range(int(low), int(high or low) + 1):
            head = f"{match.group(1)}{number:0{len(low)}d}"
            names.extend(head + tail for tail in _expand(match.group(3)) or [""])
    return names


def usable(state: str) -> bool:
    """Whether a node in this state takes new jobs: not down, drained, reserved, or silent."""
    first, *flags = state.replace("*", "+NOT_RESPONDING").strip("~#$%@!^-").split("+")
    return first in _USABLE and set(flags) <= _HARMLESS


def racks(topology: "list[dict[str, str]]") -> "dict[str, str]":
    """``scontrol show topology``: the switches on the way to each node, from the outside in, as
    ``spine/leaf1``. A switch below several is told by the first of them."""
    switches = [each for each in topology if each.get("SwitchName")]
    above: dict[str, str] = {}
    for each in switches:
        for below in hosts(each.get("Switches", "").replace("(null)", "")):
            above.setdefault(below, each["SwitchName"])
    found = {}
    for each in switches:
        if each.get("Level") != "0":
            continue
        way = [each["SwitchName"]]
        while way[0] in above and above[way[0]] not in way and len(way) < _MOST_SWITCHES:
            way.insert(0, above[way[0]])
        path = "/".join(re.sub(r"[^A-Za-z0-9._-]|^(?![A-Za-z0-9])", "x", name) for name in way)
        found.update(dict.fromkeys(hosts(each.get("Nodes", "")), path))
    return found


class Cluster:
    """Nodes of one pool: those of its partitions, or all."""

    def __init__(self, slurm: Slurm, settings: "dict[str, Any]") -> None:
        self._slurm = slurm
        self._partitions = [str(name) for name in settings.get("partitions") or ()]
        self._reservation = settings.get("reservation")
        self._racks: dict[str, str] = {}
        self._racks_at = float("-inf")

    def nodes(self) -> "list[dict[str, Any]]":
        """Every node, as plain values.

        Raises:
            Trouble: Slurm does not answer, or there is no such partition.
        """
        partitions = self.partitions()
        shown = self._slurm.show("node")
        kept, where = self._kept(partitions), self._where()
        found = []
        for node in shown:
            mine = set(node.get("Partitions", "").split(",")) & set(partitions)
            if "NodeName" in node and mine:
                up = any(partitions[name].get("State") == "UP" for name in mine)
                name = node["NodeName"]
                found.append({**_node(node, up and name not in kept), "rack": where.get(name, "")})
        return found

    def _where(self) -> "dict[str, str]":
        """Each node's rack; asked for now and then, and of a cluster that does not know: none."""
        if time.monotonic() - self._racks_at >= _TOPOLOGY_EVERY_S:
            self._racks_at = time.monotonic()
            try:
                self._racks = racks(self._slurm.show("topology"))
            except Trouble:
                self._racks = {}
        return self._racks

    def partitions(self) -> "dict[str, dict[str, str]]":
        """The pool's partitions, by name."""
        known = {each.get("PartitionName", ""): each for each in self._slurm.show("partition")}
        missing = [name for name in self._partitions if name not in known]
        if missing:
            raise Trouble(
                "rejected",
                f"there is no partition called {missing[0]!r}",
                "there are: {}; mend `partition` in pools.yaml".format(", ".join(sorted(known))),
            )
        return {name: known[name] for name in self._partitions or known}

    def _kept(self, partitions: "dict[str, dict[str, str]]") -> "set[str]":
        """Nodes reserved for others, now or before a job without a limit would have ended."""
        reservations = self._slurm.show("reservation")
        horizon = time.time() + max(map(_longest, partitions.values()), default=0.0)
        kept: set[str] = set()
        for each in reservations:
            if "ReservationName" not in each or each["ReservationName"] == self._reservation:
                continue
            if _moment(each.get("StartTime", "")) <= horizon:
                kept.update(hosts(each.get("Nodes", "")))
        return kept

    def jobs(self, user: str) -> "dict[tuple[str, str], tuple[str, str, bool]]":
        """Every job of ours that Slurm remembers: its state, the reason, and whether it was ever
        given nodes. By id and name: a controller that was killed gives an id twice."""
        return {
            (each.id, each.name): (each.state, each.reason, each.nodes not in ("", "(null)"))
            for each in self._slurm.queue(user)
        }

    def job_called(self, name: str, user: str) -> "str | None":
        """The newest job of that name; ``None`` if Slurm knows none."""
        found = [each.id for each in self._slurm.queue(user, name)]
        return max(found, key=int) if found else None


def allocated(state: str) -> bool:
    """Whether a job in this state holds its nodes."""
    return state in _ALLOCATED_IN


def _node(node: "dict[str, str]", open_: bool) -> "dict[str, Any]":
    cpus = int(node.get("CPUEfctv") or node.get("CPUTot") or 0)
    return {
        "name": node["NodeName"],
        "address": node.get("NodeAddr") or node["NodeName"],
        "cpus": cpus,
        "memory": int(node.get("RealMemory") or 0) - int(node.get("MemSpecLimit") or 0),
        "gres": gres(node.get("Gres", "")),
        "cpus_used": min(cpus, int(node.get("CPUAlloc") or 0)),
        "memory_used": int(node.get("AllocMem") or 0),
        "gres_used": gres(node.get("GresUsed", "")),
        "open": open_ and usable(node.get("State", "")),
    }


def _longest(partition: "dict[str, str]") -> float:
    """Seconds that a job without a limit may take there."""
    for name in ("DefaultTime", "MaxTime"):
        text = partition.get(name, "")
        if re.match(r"[\d:-]+$", text):
            return _seconds(text)
    return float("inf")


def _seconds(text: str) -> float:
    """``days-hours:minutes:seconds``, as far as it is given."""
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    while len(parts) < 3:
        parts.insert(0, 0)
    return int(days or 0) * 86400.0 + parts[0] * 3600 + parts[1] * 60 + parts[2]


def _moment(text: str) -> float:
    try:
        return time.mktime(time.strptime(text, _TIME))
    except ValueError:
        return float("inf")
