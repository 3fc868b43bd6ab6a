"""This machine: what of it suan may use."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from suan.model.offer import NodeStatus
from suan.model.resources import Resources
from suan.model.units import NodeName
from suan.pools.local.allocation import Device
from suan.pools.local.discovery import tools

_MIB = 1 << 20
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """One node, the devices on it by number, and what could not be found out."""

    node: NodeStatus
    devices: tuple[Device, ...]
    notes: tuple[str, ...] = ()


def discover(
    *, cgroups: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup"), proc: Path = Path("/proc")
) -> Machine:
    """What this process may use: its affinity and its cgroup's quota count, not the hardware's."""
    devices, notes = tools.discover()
    amounts: dict[str, int] = {}
    for device in devices:
        amounts[device.model] = amounts.get(device.model, 0) + device.capacity
    groups = _groups(cgroups, own)
    total = Resources(
        cpu_milli=_cpu_milli(groups),
        memory_mib=_memory_mib(groups, proc),
        accelerators=tuple(sorted(amounts.items())),
    )
    return Machine(NodeStatus(name=_name(), total=total), devices, notes)


def _name() -> NodeName:
    """The host's name as a DNS label."""
    label = re.sub(r"[^a-z0-9-]+", "-", platform.node().split(".")[0].lower()).strip("-")
    return NodeName(label[:63] or "localhost")


def _groups(root: Path, own: Path) -> list[Path]:
    """This process's cgroups of both versions, with all their ancestors: any of them may limit."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for mount in (root / controllers, root / "unified") if controllers else (root,):
            group = mount / path.lstrip("/")
            found += [each for each in (group, *group.parents) if each.is_relative_to(mount)]
    return list(dict.fromkeys(found))


def _cpu_milli(groups: list[Path]) -> int:
    limits = [1000 * len(os.sched_getaffinity(0))]
    for group in groups:
        quota, period = _quota(group)
        if quota > 0 and period > 0:
            limits.append(max(1, 1000 * quota // period))
    return min(limits)


def _quota(group: Path) -> tuple[int, int]:
    """Microseconds of processor time in each period; 0 where there is no limit."""
    words = _words(group / "cpu.max")
    if len(words) == 2 and words[0].isdigit():
        return int(words[0]), int(words[1])
    quota, period = _words(group / "cpu.cfs_quota_us"), _words(group / "cpu.cfs_period_us")
    if quota and period and quota[0].isdigit():
        return int(quota[0]), int(period[0])
    return 0, 0


def _memory_mib(groups: list[Path], proc: Path) -> int:
    words = _words(proc / "meminfo")
    limits = [int(words[words.index("MemTotal:") + 1]) * 1024] if "MemTotal:" in words else []
    for group in groups:
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _words(group / name)
            if limit and limit[0].isdigit():
                limits.append(int(limit[0]))
    return min(limits, default=0) // _MIB


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []
