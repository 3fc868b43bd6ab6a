"""Between ``slurmrestd``'s JSON and the words of Slurm's commands, of every version of its API.

Up to v0.0.38 (Slurm 22.05) states are words, numbers plain, and submissions take ``sbatch``'s
options; from v0.0.39 on states are lists, a number may be ``{"set": …, "number": …}``, and
submissions take the fields of a job description.
"""

import json
import shlex
import time
from typing import Any

from suan.pools.slurm.login.commands import HOSTS, Job, Trouble, rooms

OLD = 38  # the last version of the older shape
_UNLIMITED = "UNLIMITED"
_SAME = {"comment", "account", "qos", "reservation", "partition", "licenses", "nodes"}
_TEXTS = {
    "job-name": "name",
    "output": "standard_output",
    "chdir": "current_working_directory",
    "constraint": "constraints",
}
_NUMBERS = {
    "cpus-per-task": "cpus_per_task",
    "ntasks": "tasks",
    "mem": "memory_per_node",
    "mem-per-cpu": "memory_per_cpu",
    "time": "time_limit",
}


def number(value: Any) -> "int | None":
    """A number of either shape; ``None`` for none, and for what has no limit."""
    if isinstance(value, dict):
        kept = value.get("set", True) and not value.get("infinite")
        value = value.get("number") if kept else None
    return int(value) if isinstance(value, (int, float)) and value >= 0 else None


def words(value: Any) -> "list[str]":
    """A word or a list of them, as a list."""
    if isinstance(value, str):
        return [value] if value else []
    return [str(each) for each in value or ()]


def node(told: "dict[str, Any]") -> "dict[str, str]":
    """A node under ``scontrol``'s names."""
    states = words(told.get("state")) + words(told.get("state_flags"))
    effective = number(told.get("effective_cpus"))
    return {
        "NodeName": str(told["name"]),
        "NodeAddr": str(told.get("address") or ""),
        "State": "+".join(states).upper(),
        "CPUTot": str(effective or number(told.get("cpus")) or 0),
        "CPUAlloc": str(number(told.get("alloc_cpus")) or 0),
        "RealMemory": str(number(told.get("real_memory")) or 0),
        "MemSpecLimit": str(number(told.get("specialized_memory")) or 0),
        "AllocMem": str(number(told.get("alloc_memory")) or 0),
        "Gres": str(told.get("gres") or ""),
        "GresUsed": str(told.get("gres_used") or ""),
        "Partitions": ",".join(words(told.get("partitions"))),
    }


def partition(told: "dict[str, Any]") -> "dict[str, str]":
    """A partition under ``scontrol``'s names."""
    state = told.get("state") or (told.get("partition") or {}).get("state")
    longest = told.get("max_time_limit", (told.get("maximums") or {}).get("time"))
    usual = told.get("default_time_limit", (told.get("defaults") or {}).get("time"))
    return {
        "PartitionName": str(told["name"]),
        "State": "+".join(words(state)).upper(),
        "MaxTime": _minutes(longest),
        "DefaultTime": _minutes(usual),
    }


def _minutes(value: Any) -> str:
    minutes = number(value)
    return _UNLIMITED if minutes is None else f"{minutes}:00"


def reservation(told: "dict[str, Any]") -> "dict[str, str]":
    """A reservation under ``scontrol``'s names."""
    start = time.localtime(number(told.get("start_time")) or 0)
    return {
        "ReservationName": str(told["name"]),
        "StartTime": time.strftime("%Y-%m-%dT%H:%M:%S", start),
        "Nodes": str(told.get("node_list") or ""),
    }


def job(told: "dict[str, Any]") -> Job:
    """A job as ``squeue`` would tell of it."""
    state = words(told.get("job_state"))
    return Job(
        id=str(number(told["job_id"])),
        name=str(told.get("name") or ""),
        state=state[0] if state else "",
        nodes=str(told.get("nodes") or ""),
        reason=str(told.get("state_reason") or ""),
    )


def submission(
    options: "list[str]", script: "list[str]", env: "dict[str, str]", *, version: int
) -> bytes:
    """The body of a submission, from ``sbatch``'s options and words.

    Raises:
        Trouble: an option that cannot be said so.
    """
    env = dict(env)
    hosts = env.pop(HOSTS, None)
    fields: dict[str, Any] = {}
    for option in options:
        name, _, value = option.lstrip("-").partition("=")
        fields.update(_field(option, name, value))
    if hosts is not None:
        fields.update(_gang(hosts))
    if version > OLD:
        _renew(fields)
    listed = [f"{name}={value}" for name, value in env.items()]
    fields["environment"] = listed if version > OLD else env
    # Arguments as such crash slurmrestd 22.05. `~` is the home of whom the job runs as.
    text = "#!/bin/bash\nexport HOME=~\nexec bash " + " ".join(map(shlex.quote, script)) + "\n"
    return json.dumps({"job": fields, "script": text}).encode()


def _field(option: str, name: str, value: str) -> "dict[str, Any]":
    if name in _SAME or name in _TEXTS:
        return {_TEXTS.get(name, name): value}
    if name in _NUMBERS and value.isdigit():
        return {_NUMBERS[name]: int(value)}
    if option in ("--no-requeue", "--requeue"):
        return {"requeue": name == "requeue"}
    if option == "--hold":
        return {"hold": True}
    if name in ("nodelist", "gres"):
        return {name: value}
    if name == "gpus-per-task":
        return {"gpus_per_task": value}
    if name in ("open-mode", "distribution"):
        return {}
    raise Trouble(
        "rejected",
        f"slurmrestd cannot be told {option!r}",
        "drop it from `sbatch_options`, or reach the cluster by its commands (without `via`)",
    )


def _gang(path: str) -> "dict[str, Any]":
    """Room on each node for as many tasks as most have: the API takes no host for each task."""
    names, most = rooms(path)
    return {
        "nodelist": ",".join(names),
        "nodes": str(len(names)),
        "tasks": most * len(names),
        "tasks_per_node": most,
    }


def _renew(fields: "dict[str, Any]") -> None:
    """From the names of options to those of a job description."""
    if "nodelist" in fields:
        fields["required_nodes"] = fields.pop("nodelist").split(",")
    if "gres" in fields:
        each = fields.pop("gres").split(",")
        fields["tres_per_node"] = ",".join("gres/" + name for name in each)
    if "gpus_per_task" in fields:
        fields["tres_per_task"] = "gres/gpu:" + fields.pop("gpus_per_task")
