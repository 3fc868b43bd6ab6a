"""A job from a command and a few options: ``suan run --gpus 1 -- python train.py``."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TypeVar

from suan.jobfile import quantities
from suan.model.errors import InputError
from suan.model.spec import DEFAULT_CPU_MILLI, JobSpec, ResourceOption

_T = TypeVar("_T")


def command_spec(
    argv: Sequence[str],
    *,
    gpus: str | None = None,
    cpus: str | None = None,
    memory: str | None = None,
    nodes: int = 1,
    name: str | None = None,
    workdir: str | None = None,
    envs: Mapping[str, str] | None = None,
    infra: str | None = None,
    time_limit: str | None = None,
    **fields: object,
) -> JobSpec:
    """The job that runs ``argv``.

    Several words run as they stand, quoted for the shell; one word that is not plain is a command
    line, which the shell reads, as with ssh: ``suan run -- 'make && ./train'``.

    Amounts are written as in a job file (``gpus`` takes ``2``, ``A100:2``). ``fields`` are any
    other fields of ``JobSpec``, such as ``queue``, ``priority`` or ``after``, as it takes them.

    Raises:
        InputError: an amount is not one, named by its option, or the whole makes no sense.
    """
    if not argv:
        raise InputError("no command is given", where="command", mend="write -- python train.py")
    gpu = _read("gpus", gpus, quantities.parse_accelerator)
    option = ResourceOption(
        cpu_milli=_read("cpus", cpus, quantities.parse_cpus) or DEFAULT_CPU_MILLI,
        memory_mib=_read("memory", memory, quantities.parse_memory),
        accelerators=dict([gpu]) if gpu else {},
        infra=infra,
    )
    values: dict[str, object] = {
        "run": argv[0] if len(argv) == 1 else shlex.join(argv),
        "name": name or _name_of(argv),
        "workdir": workdir,
        "num_nodes": nodes,
        "resources": (option,),
        "envs": dict(envs or {}),
        "time_limit": _read("time_limit", time_limit, quantities.parse_duration),
        "origin": "command",
        **fields,
    }
    try:
        return JobSpec(**values)  # type: ignore[arg-type] # JobSpec checks what it is given
    except (ValueError, TypeError) as error:
        where, _, message = str(error).partition(": ")
        raise InputError(message or where, where=where if message else "command") from None


def _read(option: str, text: str | None, parse: Callable[[str], _T]) -> _T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        message, _, mend = str(error).partition("; ")
        raise InputError(message, where=f"--{option.replace('_', '-')}", mend=mend) from None


def _name_of(argv: Sequence[str]) -> str:
    """The program's name, or of a script that an interpreter is given."""
    if len(argv) == 1:  # a command line: its first word
        argv = argv[0].split() or [""]
    first = PurePath(argv[0]).name
    if first.startswith(("python", "bash", "sh")) and len(argv) > 1 and argv[1][:1] != "-":
        first = PurePath(argv[1]).stem
    printable = "".join(c for c in first if c.isprintable())[:64]
    return printable or "job"
