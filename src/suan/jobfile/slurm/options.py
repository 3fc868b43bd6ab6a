"""The options of ``#SBATCH`` lines: how each is written, read, and what it does in suan.

Source: Slurm's sbatch manual.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from suan.jobfile import quantities
from suan.jobfile.checkpoint import slurm_signal
from suan.jobfile.expand import parse_array
from suan.jobfile.fields import Effect
from suan.model.spec import MAX_NODES, After

_CONDITIONS = {"afterok": "succeeded", "afternotok": "failed", "afterany": "ended"}
_NO_LIMIT = ("unlimited", "infinite", "0")


@dataclass(frozen=True, slots=True)
class SbatchOption:
    """One option. ``read`` raises ``ValueError``; ``takes_value`` of ``None`` means it may."""

    long: str
    short: str = ""
    read: Callable[[str], Any] = str
    doc: str = ""
    effect: Effect = Effect.ACTS
    takes_value: bool = True


def count(text: str) -> int:
    """A whole number from 1."""
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or not int(text):
        raise ValueError(f"{text!r} is not a number; write a whole number from 1 to 999999")
    return int(text)


def nodes(text: str) -> tuple[int, int | None]:
    """``N``, or ``MIN-MAX``: as many as there are, within these bounds."""
    low, dash, high = text.partition("-")
    least = count(low)
    if least > MAX_NODES:
        raise ValueError(f"at most {MAX_NODES} nodes, got {least}")
    most = min(count(high), MAX_NODES) if dash else least
    if most < least:
        raise ValueError(f"the range {text} ends before it begins; write {most}-{least}")
    return least, most if most > least else None


def limit(text: str) -> int | None:
    """A time limit; ``None`` for none."""
    if text.strip().lower() in _NO_LIMIT:
        return None
    return quantities.parse_slurm_time(text)


def memory(text: str) -> int | None:
    """MiB; ``None`` for ``0``, which is Slurm's whole node."""
    return quantities.parse_memory(text, unit="m") or None


def gres(text: str) -> dict[str, int]:
    """Accelerators per node from ``gpu:2``, ``gpu:a100:2``; what is no gpu is left out."""
    found: dict[str, int] = {}
    for piece in text.split(","):
        kind, _, rest = re.sub(r"\(.*\)", "", piece).strip().partition(":")
        if kind in ("gpu", "npu", "dcu", "mlu"):
            found.update(gpus(rest or "1"))
    return found


def gpus(text: str) -> dict[str, int]:
    """Accelerators from ``2``, ``a100:2``, ``a100:1,v100:1``."""
    return dict(quantities.parse_accelerator(piece) for piece in text.split(","))


def dependency(text: str) -> tuple[After, ...]:
    """What ``afterok:ID[:ID…]`` and its like say, joined by commas."""
    found: list[After] = []
    if "?" in text:
        raise ValueError("alternatives (?) are not supported; write all that must hold, by commas")
    for clause in text.split(","):
        kind, *jobs = clause.strip().split(":")
        if kind not in _CONDITIONS:
            known = ", ".join(_CONDITIONS)
            raise ValueError(f"the dependency {kind!r} is not supported; use {known}")
        if not jobs or not all(jobs):
            raise ValueError(f"{clause!r} names no job; write {kind}:JOB_ID")
        found.extend(After(job, _CONDITIONS[kind]) for job in jobs)
    return tuple(found)


def reservation(text: str) -> str:
    """The name of one."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", text, re.ASCII):
        raise ValueError(f"{text[:40]!r} names no reservation; write one name")
    return text


def exports(text: str) -> dict[str, str | None]:
    """Variables by name, ``None`` to be taken from the environment; ``ALL`` and ``NONE`` stay."""
    found: dict[str, str | None] = {}
    for piece in text.split(","):
        name, equals, value = piece.strip().partition("=")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII):
            raise ValueError(f"{piece[:40]!r} names no variable; write NAME or NAME=value")
        found[name] = value if equals else None
    return found


def array(text: str) -> tuple[tuple[int, ...], int | None]:
    """Indices and the limit after ``%``."""
    return parse_array(text)


def _inert(*options: str) -> tuple[SbatchOption, ...]:
    """Options that do nothing here, as ``long`` or ``long/s``; ``long!`` takes no value."""
    rows = []
    for written in options:
        names, flag, _ = written.partition("!")
        long, _, short = names.partition("/")
        rows.append(SbatchOption(long, short, effect=Effect.IGNORED, takes_value=not flag))
    return tuple(rows)


OPTIONS: tuple[SbatchOption, ...] = (
    SbatchOption("job-name", "J", doc="The job's name."),
    SbatchOption("nodes", "N", nodes, "Nodes; `2-8` starts with 2 and may have up to 8."),
    SbatchOption("ntasks", "n", count, "Tasks in all; `srun` starts them."),
    SbatchOption("ntasks-per-node", "", count, "Tasks on each node."),
    SbatchOption("cpus-per-task", "c", count, "Processors for each task."),
    SbatchOption("mem", "", memory, "Memory per node, MiB if bare; `0` sets no limit."),
    SbatchOption("mem-per-cpu", "", memory, "Memory for each processor."),
    SbatchOption("mem-per-gpu", "", memory, "Memory for each accelerator."),
    SbatchOption("gres", "", gres, "`gpu:2` or `gpu:a100:2` per node; other kinds are left out."),
    SbatchOption("gpus", "G", gpus, "Accelerators in all, shared evenly by the nodes."),
    SbatchOption("gpus-per-node", "", gpus, "Accelerators on each node."),
    SbatchOption("gpus-per-task", "", gpus, "Accelerators for each task."),
    SbatchOption("time", "t", limit, "The time limit."),
    SbatchOption("output", "o", doc="A copy of the output; patterns such as `%j` are filled in."),
    SbatchOption("error", "e", doc="A copy of the errors; with the output if left out."),
    SbatchOption("array", "a", array, "An array; its limit (`%10`) has no effect."),
    SbatchOption("dependency", "d", dependency, "`afterok`, `afterany`, `afternotok`."),
    SbatchOption("export", "", exports, "Variables; the rest of the environment is not carried."),
    SbatchOption("chdir", "D", doc="The folder to run in; where it was submitted if left out."),
    SbatchOption("priority", "", int, "The priority, brought into -1000 to 1000."),
    SbatchOption("requeue", doc="Run again when lost or preempted: as ever.", takes_value=False),
    SbatchOption("no-requeue", "", doc="Never run again.", takes_value=False),
    SbatchOption("signal", "", slurm_signal, "Sent when it is preempted: see `checkpoint`."),
    SbatchOption("reservation", "", reservation, "Of suan: it runs in it, and nowhere else."),
    SbatchOption("partition", "p", doc="Kept as a label.", effect=Effect.RECORDED),
    SbatchOption("account", "A", doc="Kept as a label.", effect=Effect.RECORDED),
    SbatchOption("qos", "q", doc="Kept as a label.", effect=Effect.RECORDED),
    SbatchOption("constraint", "C", doc="Kept as a label.", effect=Effect.RECORDED),
    SbatchOption("comment", "", doc="Kept as a label.", effect=Effect.RECORDED),
    *_inert(
        "batch", "bb", "bbf", "begin/b", "clusters/M", "cluster-constraint", "container",
        "contiguous!", "core-spec/S", "cores-per-socket", "cpu-freq", "cpus-per-gpu", "deadline",
        "delay-boot", "distribution/m", "exclude/x", "exclusive!", "export-file",
        "extra-node-info/B", "get-user-env!", "gid", "gpu-bind", "gpu-freq", "gpus-per-socket",
        "gres-flags", "hint", "hold/H!", "ignore-pbs!", "input/i", "kill-on-invalid-dep",
        "licenses/L", "mail-type", "mail-user", "mcs-label", "mem-bind", "mincpus", "network",
        "nice!", "no-kill/k!", "nodefile/F", "nodelist/w", "ntasks-per-core", "ntasks-per-gpu",
        "ntasks-per-socket", "open-mode", "overcommit/O!", "oversubscribe/s!", "parsable!",
        "power", "prefer", "profile", "propagate!", "quiet/Q!", "reboot!",
        "segment", "sockets-per-node", "spread-job!", "switches", "test-only!",
        "thread-spec", "threads-per-core", "time-min", "tmp", "tres-bind", "tres-per-task", "uid",
        "use-min-nodes!", "verbose/v!", "wait/W!", "wait-all-nodes", "wckey",
    ),
)  # fmt: skip

BY_LONG = {option.long: option for option in OPTIONS}
BY_SHORT = {option.short: option for option in OPTIONS if option.short}
