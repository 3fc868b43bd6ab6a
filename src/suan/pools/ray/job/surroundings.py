"""A task's environment: the node's, less what is about Ray's own process, and the run's."""

from __future__ import annotations

import json
import os
from typing import Any

_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
_KEPT = ("RAY_ADDRESS", "RAY_AUTH")
_DROPPED = ("RAY_", "SUAN_", "SKYPILOT_", "SLURM_", "SLURMD_")
_NOT_OURS = frozenset({"PYTHONBREAKPOINT", "SPT_NOENV", "OLDPWD", "PWD", "SHLVL", "_"})
_RAYS_DEVICES = ("CUDA_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES")


def environment(spec: dict[str, Any], *, rank: int, port: int) -> dict[str, str]:
    """What one task finds."""
    found = {name: value for name, value in os.environ.items() if _kept(name)}
    found["PYTHONPATH"] = os.pathsep.join(
        path
        for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if path and "py_modules_files" not in path
    )
    if not found["PYTHONPATH"]:
        del found["PYTHONPATH"]
    if _JOB_CONFIG in os.environ:  # so that a `ray.init()` in the script counts as this job's
        metadata = json.loads(os.environ[_JOB_CONFIG]).get("metadata", {})
        found[_JOB_CONFIG] = json.dumps({"metadata": metadata})
    node = spec["nodes"][rank]
    found.update(spec["env"])
    found.update(SUAN_TASK_RANK=str(rank), SKYPILOT_NODE_RANK=str(rank), SUAN_NODE=node)
    found["MASTER_PORT"] = str(port)
    if "SLURM_JOB_ID" in spec["env"]:
        found.update(SLURM_PROCID=str(rank), SLURM_NODEID=str(rank), SLURM_LOCALID="0")
        found["SLURMD_NODENAME"] = node
    return found | _devices(spec["visible"])


def _kept(name: str) -> bool:
    return name.startswith(_KEPT) or not (name.startswith(_DROPPED) or name in _NOT_OURS)


def _devices(name: str) -> dict[str, str]:
    """The devices that Ray gave, under the name that their vendor's frameworks know."""
    for given in _RAYS_DEVICES:
        if os.environ.get(given) and name != given:
            return {name: os.environ[given]}
    return {}
