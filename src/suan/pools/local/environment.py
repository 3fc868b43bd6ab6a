"""What a task finds in its environment."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from suan.facts.devices import DEVICES, vendor_of
from suan.model.pool import Launch
from suan.pools.environment import common
from suan.pools.local.allocation import Device, Share

RUN_DIRECTORY = "SUAN_RUN_DIR"  # also the mark by which a dead runner's processes are found
_LOOPBACK = "127.0.0.1"
_OWN_PREFIXES = ("SUAN_", "SKYPILOT_", "SLURM_", "SLURMD_")
_OWN_NAMES = frozenset({"MASTER_ADDR", "MASTER_PORT", "OLDPWD", "PWD", "SHLVL", "_"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is: its directory, its rendezvous port, and each task's devices by rank."""

    directory: str
    port: int
    shares: Sequence[tuple[Share, ...]]
    node_devices: Sequence[tuple[Device, ...]]


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The server's own environment less what is about the server or about another job."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_OWN_PREFIXES) and name not in _OWN_NAMES
    }


def shared(launch: Launch, place: Place) -> dict[str, str]:
    """What every task of a run has in common.

    Raises:
        PoolRejected: a name or a value that no environment can hold.
    """
    gpus = -(-launch.per_task.accelerators_total // 1000)
    return common(launch, [_LOOPBACK] * len(launch.nodes), devices=gpus) | {
        "SUAN_OUTPUT_DIR": f"{place.directory}/output",
        RUN_DIRECTORY: place.directory,
        "SUAN_PYTHON": sys.executable,
        "MASTER_PORT": str(place.port),
    }


def own(launch: Launch, place: Place, rank: int) -> dict[str, str]:
    """What one task has for itself."""
    node = launch.nodes[rank]
    environment = {
        "SUAN_TASK_RANK": str(rank),
        "SUAN_NODE": node,
        "SKYPILOT_NODE_RANK": str(rank),
    }
    if "SLURM_JOB_ID" in launch.env:
        environment |= {
            "SLURM_PROCID": str(rank),
            "SLURM_NODEID": str(rank),
            "SLURM_LOCALID": "0",
            "SLURMD_NODENAME": node,
        }
    return environment | visible_devices(place.shares[rank], place.node_devices[rank])


def visible_devices(shares: Sequence[Share], devices: Sequence[Device]) -> dict[str, str]:
    """Each vendor's variables: the devices that a task was given, and no others.

    A vendor whose devices the node has, but the task was not given, is hidden.
    """
    environment: dict[str, str] = {}
    for vendor in sorted({vendor_of(device.model) or "" for device in devices}):
        if vendor not in DEVICES:
            continue
        indices = sorted(s.index for s in shares if vendor_of(s.model) == vendor)
        listed = ",".join(map(str, indices))
        names = DEVICES[vendor]
        if listed or names.framework_visible_env not in environment:
            environment[names.framework_visible_env] = _selector(vendor, listed)
        if listed and names.container_visible_env:
            environment[names.container_visible_env] = listed
    return environment


def _selector(vendor: str, listed: str) -> str:
    """Intel's variable has a grammar of its own: ``level_zero:0,1``; ``!*:*`` discards all."""
    if vendor != "Intel":
        return listed
    return f"level_zero:{listed}" if listed else "!*:*"
