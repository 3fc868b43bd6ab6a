"""The options that say what a job needs, and the jobs that they and a file or command make."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from suan.cli.connect import complete_pool
from suan.cli.output import note
from suan.model.errors import InputError
from suan.model.spec import (
    MAX_NODES,
    PRIORITY_MAX,
    PRIORITY_MIN,
    After,
    JobSpec,
    ResourceOption,
)

if TYPE_CHECKING:  # a command line without a job file never needs its reader
    from suan.client.bringing import Bringing
    from suan.jobfile.problems import Problem

F = TypeVar("F", bound=Callable[..., Any])

_DASHES = "suan.dashes"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What was said of a job on the command line; ``None`` or empty where nothing was."""

    gpus: str | None
    cpus: str | None
    memory: str | None
    nodes: str | None
    infra: str | None
    name: str | None
    workdir: str | None
    queue: str | None
    reservation: str | None
    priority: int | None
    time_limit: str | None
    array: str | None
    after: tuple[str, ...]
    label: tuple[str, ...]
    env: tuple[str, ...]
    secret: tuple[str, ...]
    retries: int | None
    copy: bool | None

    def bringing(self, show: Callable[[str], None]) -> "Bringing":
        """How files are brought; ``show`` shows how far they are."""
        from suan.client.bringing import Bringing

        def moved(done: int, size: int) -> None:
            if size:
                show(f"sending files: {done / 1e6:,.1f} of {size / 1e6:,.1f} MB")

        return Bringing(self.copy, lambda text: note(f"warning: {text}"), moved)


class JobCommand(click.Command):
    """A command that knows whether its arguments stand behind ``--``, and so are a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_DASHES] = "--" in args
        return super().parse_args(ctx, args)


_PRIORITIES = click.IntRange(PRIORITY_MIN, PRIORITY_MAX)
_OPTIONS = (
    click.option("--gpus", metavar="[MODEL:]N", help="Accelerators for each node: 1, A100:2."),
    click.option("--cpus", metavar="N", help="Processors for each node: 2, 0.5."),
    click.option("--memory", metavar="AMOUNT", help="Memory for each node, in GiB: 16, 512MiB."),
    click.option(
        "--nodes",
        "--num-nodes",
        "nodes",
        metavar="N[..MOST]",
        help="How many nodes, all at once; 2..8 starts with 2 and may have up to 8.",
    ),
    click.option(
        "--infra",
        "--pool",
        metavar="NAME",
        shell_complete=complete_pool,
        help="Where: a pool, a kind (k8s), kind/name or site; * is a wildcard.",
    ),
    click.option("--name", metavar="NAME", help="The job's name."),
    click.option("--workdir", metavar="PATH", help="Where it runs; a command runs here."),
    click.option("--queue", metavar="NAME", help="The queue it stands in."),
    click.option("--reservation", metavar="NAME", help="Run in it, and nowhere else."),
    click.option("--priority", type=_PRIORITIES, help="From -1000 to 1000; more goes first."),
    click.option("--time-limit", metavar="TIME", help="Its end at the latest: 90s, 1h30m."),
    click.option("--array", metavar="INDICES", help="An array job: 0-9, 1,3,5, 0-100:10."),
    click.option(
        "--after",
        metavar="JOB[:CONDITION]",
        multiple=True,
        help="Start after JOB: succeeded (the default), failed or ended.",
    ),
    click.option("--label", metavar="KEY=VALUE", multiple=True, help="A label to find it by."),
    click.option(
        "--env",
        "-e",
        metavar="NAME[=VALUE]",
        multiple=True,
        help="A variable; without a value, the one set here.",
    ),
    click.option(
        "--secret",
        metavar="NAME[=VALUE]",
        multiple=True,
        help="A variable that is shown nowhere.",
    ),
    click.option(
        "--copy/--in-place",
        default=None,
        help="Send copies of the workdir and the mounted files as they are now, or run in the"
        " folders themselves, which the pool must have [copies, unless the server sees the same"
        " files].",
    ),
    click.option("--retries", type=click.IntRange(min=0), help="Tries after a failed first."),
)


def job_options(command: F) -> F:
    """Add the options; the command gets them as ``options``."""

    @wraps(command)
    def packed(**given: Any) -> Any:
        named = {field.name: given.pop(field.name) for field in fields(JobOptions)}
        return command(**given, options=JobOptions(**named))

    for option in reversed(_OPTIONS):
        packed = option(packed)
    return packed  # type: ignore[return-value] # click's decorators keep the function


def specs(what: Sequence[str], options: JobOptions) -> tuple[JobSpec, ...]:
    """The jobs that files, or a command behind ``--``, and the options make.

    Raises:
        InputError: it is neither, or something in it is wrong.
    """
    if not what:
        raise InputError(
            "no job is given", where="arguments", mend="give a job file, or -- and a command"
        )
    if click.get_current_context().meta.get(_DASHES):
        return (_overridden(_from_command(what), options),)
    return tuple(_overridden(spec, options) for path in what for spec in _from_file(path, options))


def _from_command(argv: Sequence[str]) -> JobSpec:
    from suan.jobfile import command_spec

    return command_spec(argv, workdir=str(Path.cwd()))


def _from_file(path: str, options: JobOptions) -> tuple[JobSpec, ...]:
    from suan import jobfile

    here, now = str(Path.cwd()), time.time_ns() // 1000
    environ = os.environ | _variables(options.env, "--env")
    environ |= _variables(options.secret, "--secret")
    if path == "-":
        text = sys.stdin.buffer.read(jobfile.MAX_JOB_FILE_BYTES + 1)
        parsed = jobfile.parse(text, filename="-", base_dir=here, environ=environ, now=now)
    elif path.endswith(".py") and Path(path).is_file() and not _names_interpreter(path):
        raise InputError(
            f"{path} is a program, not a job file",
            where="arguments",
            mend=f"run it by its interpreter: suan {_called()} -- python3 {path}",
        )
    elif not Path(path).exists():
        raise InputError(
            f"there is no file {path!r}",
            where="arguments",
            mend=_mend_of_missing(path),
        )
    else:
        parsed = jobfile.load(path, submit_dir=here, environ=environ, now=now)
    _warn(parsed.warnings)
    return parsed.specs


def _warn(warnings: Sequence["Problem"]) -> None:
    """Tell the warnings, those that say the same together."""
    alike: dict[tuple[str, str], list[Problem]] = {}
    for warning in warnings:
        alike.setdefault((warning.message, warning.mend), []).append(warning)
    for same in alike.values():
        named = ", ".join(dict.fromkeys(each.field for each in same))
        note(f"warning: {replace(same[0], field=named)}")


def _called() -> str:
    return click.get_current_context().info_name or "run"


def _mend_of_missing(path: str) -> str:
    """What to do where there is no such file; it may have been meant as a command."""
    if path.endswith((".yaml", ".yml", ".sbatch", ".slurm", ".json")):
        return "check the path"
    words: Sequence[str] = click.get_current_context().params.get("what", ())
    command = shlex.join(["suan", _called(), "--", *words])
    return f"check the path; a command needs -- before it: {command}"


def _names_interpreter(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(2) == b"#!"


def _overridden(spec: JobSpec, options: JobOptions) -> JobSpec:
    """The job with what the command line says of it."""
    secrets = _variables(options.secret, "--secret")
    nodes, most = _nodes(options)
    envs = {name: value for name, value in spec.envs.items() if name not in secrets}
    changes: dict[str, Any] = {
        "name": options.name,
        "num_nodes": nodes,
        "queue": options.queue,
        "reservation": options.reservation,
        "priority": options.priority,
        "time_limit": _time_limit(options),
        "workdir": _workdir(options.workdir),
        "array": _array(options),
        "resources": tuple(_needs(one, options) for one in spec.resources),
        "envs": envs | _variables(options.env, "--env"),
        "secrets": spec.secrets | secrets,
        "labels": spec.labels | _labels(options.label),
        "after": spec.after + tuple(map(_after, options.after)),
    }
    if options.retries is not None:
        changes["retry"] = replace(spec.retry, max_failures=options.retries)
    changes = {k: v for k, v in changes.items() if v is not None}
    if nodes is not None:
        changes["max_nodes"] = most
    try:
        return replace(spec, **changes)
    except ValueError as error:
        where, _, message = str(error).partition(": ")
        raise InputError(message or where, where=where if message else "job") from error


def _needs(need: ResourceOption, options: JobOptions) -> ResourceOption:
    from suan.jobfile import quantities

    changes: dict[str, Any] = {
        "cpu_milli": _read("--cpus", options.cpus, quantities.parse_cpus),
        "memory_mib": _read("--memory", options.memory, quantities.parse_memory),
        "infra": _read("--infra", options.infra, quantities.parse_infra),
    }
    if options.gpus is not None:
        changes["accelerators"] = dict(
            [_read("--gpus", options.gpus, quantities.parse_accelerator)]
        )
    return replace(need, **{k: v for k, v in changes.items() if v is not None})


def _nodes(options: JobOptions) -> tuple[int | None, int | None]:
    """The least and the most, where the command line says so."""
    from suan.jobfile import quantities

    parse = partial(quantities.parse_nodes, most=MAX_NODES)
    found: tuple[int, int | None] | None = _read("--nodes", options.nodes, parse)
    return (None, None) if found is None else found


def _time_limit(options: JobOptions) -> int | None:
    from suan.jobfile import quantities

    found: int | None = _read("--time-limit", options.time_limit, quantities.parse_duration)
    return found


def _workdir(given: str | None) -> str | None:
    if given is None:
        return None
    path = Path(given).expanduser().absolute()
    if not path.is_dir():
        raise InputError(
            f"the folder {path} does not exist", where="--workdir", mend="make it, or mend the path"
        )
    return str(path)


def _array(options: JobOptions) -> tuple[int, ...] | None:
    from suan.jobfile import parse_array

    if options.array is None:
        return None
    indices, _at_once = _read("--array", options.array, parse_array)
    return tuple(indices)


def _read(option: str, text: str | None, parse: Callable[[str], Any]) -> Any:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        message, _, mend = str(error).partition("; ")
        raise InputError(message, where=option, mend=mend) from error


def _variables(given: Sequence[str], option: str) -> dict[str, str]:
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name.isidentifier() or not name.isascii():
            raise InputError(
                f"{name!r} is not a variable's name",
                where=option,
                mend=f"write {option} NAME=VALUE; a name has letters, digits and _, no digit first",
            )
        if not equals and name not in os.environ:
            raise InputError(
                f"{name} is not set here", where=option, mend=f"write {option} {name}=VALUE"
            )
        found[name] = value if equals else os.environ[name]
    return found


def _labels(given: Sequence[str]) -> dict[str, str]:
    for one in given:
        if not one.partition("=")[1] or one.startswith("="):
            raise InputError(f"{one!r} is not a label", where="--label", mend="write KEY=VALUE")
    return {key: value for key, _, value in (one.partition("=") for one in given)}


def _after(given: str) -> After:
    job, _, condition = given.partition(":")
    try:
        return After(job, condition or "succeeded")
    except ValueError as error:
        raise InputError(str(error).removeprefix("after: "), where="--after") from error
