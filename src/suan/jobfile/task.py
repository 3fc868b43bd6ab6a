"""A task: the top level of a job file, from its mapping to a ``JobSpec``."""

import posixpath
from pathlib import Path
from typing import Any

from suan.content.manifest import is_plain
from suan.jobfile import quantities, readers
from suan.jobfile.checkpoint import checkpoint
from suan.jobfile.document import At, fields_of
from suan.jobfile.expand import parse_array, sweep_size
from suan.jobfile.fields import (
    Effect,
    Field,
    Reading,
    Table,
    ignored,
    read_item,
    read_section,
    table,
)
from suan.jobfile.problems import FieldError, Problems
from suan.jobfile.resources import recovery_codes, resources
from suan.model.spec import (
    MAX_ARRAY,
    MAX_NODES,
    PRIORITY_MAX,
    PRIORITY_MIN,
    After,
    JobSpec,
    RetryPolicy,
)

_CONDITIONS = ("succeeded", "failed", "ended")


def run(reading: Reading, at: At) -> str:
    """A shell script that is not blank."""
    script = readers.text(reading, at)
    if not script.strip():
        raise FieldError("is empty", mend="write the commands of the job")
    return script


def workdir(reading: Reading, at: At) -> str:
    """An absolute folder, which exists where that can be told."""
    if at.is_mapping:
        raise FieldError(
            "a git repository ({url, ref}) as workdir is not supported yet",
            mend="clone it in setup:, or name a folder",
        )
    path = reading.path(readers.text(reading, at))
    if reading.base_dir is not None and not Path(path).is_dir():
        raise FieldError(f"the folder {path} does not exist", mend="make it, or mend the path")
    return path


def nodes(reading: Reading, at: At) -> tuple[int, int | None]:
    """The least and, of an elastic job, the most."""
    written = readers.text(reading, at)
    if ".." in written:
        return quantities.parse_nodes(written, most=MAX_NODES)
    return readers.whole(1, MAX_NODES)(reading, at), None


def file_mounts(reading: Reading, at: At) -> dict[str, str]:
    """Where each target comes from: a path, a URL, or SkyPilot's storage with a URL as source."""
    mounts: dict[str, str] = {}
    for target, source in readers.mapping(reading, at).items():
        if not source.is_mapping:
            mounts[target] = read_item(reading, source, _source)
            continue
        url = next((value for name, value in readers.mapping(reading, source).items()
                    if name == "source"), None)  # fmt: skip
        if url is None or "://" not in read_item(reading, url, readers.text):
            message = "not mounted: it has no `source` that is a URL"
            reading.problems.warn(source.spot, message, mend="suan makes no buckets")
            continue
        mounts[target] = read_item(reading, url, readers.text)
        message = "the job gets a copy of what is there now: nothing is written back"
        reading.problems.warn(source.spot, message, mend="upload what is new in run:")
    return mounts


def inputs(reading: Reading, at: At) -> tuple[str, ...]:
    """Paths and URLs; each has a name of its own."""
    found = tuple(read_item(reading, item, _source) for item in at.items()) if at.is_list else (
        _source(reading, at),
    )  # fmt: skip
    names = [_name(each) for each in found]
    for name in names:
        if names.count(name) > 1:
            raise FieldError(f"two of them are called {name!r}", mend="use file_mounts")
    return found


def _name(source: str) -> str:
    """What an input is called below ``inputs``."""
    return source.partition("?")[0].rstrip("/").rpartition("/")[2] or "input"


def _source(reading: Reading, at: At) -> str:
    """A URL, or a path that exists where that can be told."""
    text = readers.text(reading, at)
    if "://" in text:
        return text
    path = reading.path(text)
    if reading.base_dir is not None and not Path(path).exists():
        raise FieldError(f"{path} does not exist", mend="make it, or mend the path")
    return path


def after(reading: Reading, at: At) -> tuple[After, ...]:
    """Names or ids; each may be ``{job, condition}``."""
    items = at.items() if at.is_list else [at]
    return tuple(read_item(reading, item, _dependency) for item in items)


def _dependency(reading: Reading, at: At) -> After:
    if not at.is_mapping:
        return After(readers.name(reading, at))
    values = read_section(reading, at, AFTER_FIELDS)
    if "job" not in values:
        raise FieldError("job is missing", mend="write {job: NAME, condition: ended}")
    return After(values["job"], values.get("condition", "succeeded"))


def condition(reading: Reading, at: At) -> str:
    """How the other job must have ended."""
    written = readers.text(reading, at).strip()
    if written not in _CONDITIONS:
        raise FieldError(f"must be one of {', '.join(_CONDITIONS)}, not {written!r}")
    return written


def retry(reading: Reading, at: At) -> RetryPolicy:
    """Rules by cause; a bare number is ``max_failures``."""
    if not at.is_mapping:
        return RetryPolicy(max_failures=readers.whole(0, 1_000_000)(reading, at))
    values = read_section(reading, at, RETRY_FIELDS)
    if "on_exit_codes" in values:
        values.setdefault("max_failures", 1)
    return RetryPolicy(**values)


def array(reading: Reading, at: At) -> tuple[int, ...]:
    """Sorted indices from ``0-9``, ``1,3,5``, ``0-20:5`` or a list of numbers."""
    if at.is_list:
        index = readers.whole(0, 999_999_999)
        return tuple(sorted({read_item(reading, item, index) for item in at.items()}))
    written = readers.text(reading, at)
    indices, limit = parse_array(written)
    if limit is not None:
        message = f"the limit %{limit} has no effect: as many members run as there is room for"
        reading.problems.warn(at.spot, message, mend="remove it, or ask for larger resources")
    if len(indices) == 1 and written.strip().isdigit():
        message = f"is the single index {written.strip()}"
        reading.problems.warn(
            at.spot, message, mend=f"write 0-{indices[0] - 1} for {indices[0]} members"
        )
    return indices


def sweep(reading: Reading, at: At) -> dict[str, tuple[str, ...]]:
    """The values of each parameter."""
    grid: dict[str, tuple[str, ...]] = {}
    for key, values in readers.mapping(reading, at).items():
        grid[readers.env_name(key, values)] = readers.texts(reading, values)
        if not grid[key]:
            raise FieldError("has no values", mend="write [0.1, 0.01]", spot=values.spot)
    if sweep_size(grid) > MAX_ARRAY:
        raise FieldError(f"has {sweep_size(grid):,} points", mend=f"keep at most {MAX_ARRAY:,}")
    return grid


def latency(reading: Reading, at: At) -> str:
    """A duration, kept as written."""
    written = readers.text(reading, at).strip()
    quantities.parse_duration(written)
    return written


def outputs(reading: Reading, at: At) -> tuple[str, ...]:
    """Paths below the working directory; URLs are left out with a warning."""
    found = []
    for path in readers.texts(reading, at):
        if "://" in path:
            message = f"{path[:80]} is not written: suan keeps outputs for `suan pull`"
            reading.problems.warn(at.spot, message, mend="upload it at the end of run:")
        elif not is_plain(posixpath.normpath(path)):
            raise FieldError(f"{path[:80]!r} is not below the working directory")
        else:
            found.append(posixpath.normpath(path))
    return tuple(found)


duration = readers.of(quantities.parse_duration)


def positive_duration(reading: Reading, at: At) -> int:
    """A duration above zero."""
    amount = quantities.parse_duration(readers.text(reading, at))
    if not amount:
        raise FieldError("must be longer than nothing", mend="write 10m")
    return amount


AFTER_FIELDS: Table = table(
    Field("job", readers.name, "name or id", "A job of the same submission by name, or any by id."),
    Field(
        "condition",
        condition,
        "`succeeded`, `failed`, `ended`",
        "How it must have ended; `succeeded` if left out.",
    ),
)

_COUNT = readers.whole(0, 1_000_000)
RETRY_FIELDS: Table = table(
    Field("max_failures", _COUNT, "whole number", "Runs after the first when one fails; 0."),
    Field(
        "on_exit_codes",
        recovery_codes,
        "list of codes",
        "Only these codes count as worth another run; any non-zero code if left out.",
    ),
    Field("max_lost", _COUNT, "whole number", "Runs after a lost node; 3."),
    Field("max_preempted", _COUNT, "whole number", "Runs after a preemption; 1000."),
    Field("backoff", duration, "duration", "How long to wait before the next run; none."),
)

TASK_FIELDS: Table = table(
    Field("name", readers.name, "text", "The job's name; the file's name if left out."),
    Field("run", run, "script", "The commands, for `bash`; run on every node. Required."),
    Field("setup", readers.text, "script", "Commands to run before `run`, on every node."),
    Field(
        "workdir",
        workdir,
        "path",
        "The folder to run in, or a copy of it; relative ones start from the job file's folder.",
    ),
    Field(
        "num_nodes",
        nodes,
        "whole number or range",
        "Tasks of the gang; 1. `2..8`: it is elastic, starts with 2 and may have up to 8.",
    ),
    Field("resources", resources, "mapping", "What each node must have; see below."),
    Field(
        "envs",
        readers.variables,
        "mapping",
        "Environment variables, kept as written; null takes the submitter's value.",
    ),
    Field(
        "secrets",
        readers.variables,
        "mapping",
        "As `envs`, but never shown, logged or journalled.",
    ),
    Field(
        "file_mounts",
        file_mounts,
        "mapping",
        "Files for the job: `TARGET: SOURCE`, a path or a URL.",
    ),
    Field("labels", readers.labels, "mapping", "Texts to find the job by."),
    Field("queue", readers.identifier, "name", "The queue; `default`."),
    Field("tenant", readers.tenant, "name", "Whom it is billed to, as `lab/vision`; `default`."),
    Field(
        "priority",
        readers.whole(PRIORITY_MIN, PRIORITY_MAX),
        f"{PRIORITY_MIN} to {PRIORITY_MAX}",
        "Higher goes first; 0.",
    ),
    Field(
        "framework",
        readers.identifier,
        "name",
        "What the pool must offer, such as `cuda`, `rocm`, `cann` or `mindspore`.",
    ),
    Field(
        "reservation",
        readers.identifier,
        "name",
        "An operator's reservation: it runs on its nodes, within its window, and nowhere else.",
    ),
    Field("time_limit", positive_duration, "duration", "A run is ended after this long."),
    Field("time", positive_duration, "duration", "The same as `time_limit`."),
    Field(
        "expected",
        positive_duration,
        "duration",
        "How long it will probably run, for better placing.",
    ),
    Field(
        "deadline",
        readers.instant,
        "`2026-12-01T08:00+08:00` or `+6h`",
        "When it should have ended; orders a queue whose discipline is `edf`.",
    ),
    Field("after", after, "name, id or list", "Jobs that must have ended before; see below."),
    Field("retry", retry, "number or mapping", "When a run is tried again; see below."),
    Field(
        "checkpoint",
        checkpoint,
        "duration or mapping",
        "How it saves its work, for when it is preempted; see below.",
    ),
    Field(
        "array", array, "`0-9`, `1,3,5`, `0-20:5`", "One job for each index, in `SUAN_ARRAY_INDEX`."
    ),
    Field(
        "sweep",
        sweep,
        "mapping of lists",
        "One job for each point of the grid, its parameters in the environment.",
    ),
    Field(
        "max_hourly_cost",
        readers.of(quantities.parse_money),
        "number",
        "Pools that would cost more an hour (all nodes together) are refused.",
    ),
    Field(
        "budget",
        readers.of(quantities.parse_money),
        "number",
        "What the job may cost in all.",
        Effect.RECORDED,
        "use max_hourly_cost with time_limit for a bound that holds",
    ),
    Field(
        "flexible",
        duration,
        "duration",
        "How much later it may start where that costs less.",
        Effect.RECORDED,
    ),
    Field("latency", latency, "duration", "How far from its users it may be.", Effect.RECORDED),
    Field(
        "inputs",
        inputs,
        "list of paths and URLs",
        "What it reads: each is mounted at `inputs/NAME`, by its own name.",
    ),
    Field(
        "outputs",
        outputs,
        "list of paths",
        "Below the working directory: what to keep beside `SUAN_OUTPUT_DIR`, for `suan pull`.",
    ),
    ignored(
        "volumes", "mapping", "SkyPilot's volumes.", note="use file_mounts, or paths the pool has"
    ),
    ignored(
        "service", "mapping", "SkyPilot's replicated services.", note="it runs as one plain job"
    ),
    ignored("pool", "mapping", "SkyPilot's worker pools.", note="use infra to name a pool"),
    ignored("config", "mapping", "SkyPilot's settings for one task."),
    ignored(
        "event_callback", "script", "SkyPilot's script to call on changes.", note="watch events"
    ),
)


def task(reading: Reading, at: At, *, name: str) -> JobSpec | None:
    """The specification of one document; ``None`` if it has errors, which ``reading`` holds."""
    try:
        values = read_section(reading, at, TASK_FIELDS)
    except FieldError as error:
        reading.problems.error(at.spot, error.message, mend=error.mend)
        return None
    if "run" not in values:
        written = fields_of(at, Problems(""))  # its problems are told already
        if "run" not in written or written["run"][0].is_null:
            reading.problems.error(at.spot, "run is missing", mend="add run: with the commands")
        return None
    _merge_resources(values)
    try:
        return JobSpec(**{"name": name, **values})
    except ValueError as error:  # what only the whole can tell, such as array with sweep
        message, _, mend = str(error).partition("; ")
        reading.problems.error(at.spot, message, mend=mend)
        return None


def _merge_resources(values: dict[str, Any]) -> None:
    """Move what ``resources`` and aliases say to where ``JobSpec`` has it; the top level wins."""
    section: dict[str, Any] = values.pop("resources", {})
    if "options" in section:
        values["resources"] = section.pop("options")
        values["ordered"] = section.pop("ordered")
    recovery = section.pop("job_recovery", {})
    if recovery and "retry" not in values:
        values["retry"] = RetryPolicy(
            max_failures=recovery.get("max_restarts_on_errors", 1),
            on_exit_codes=recovery.get("recover_on_exit_codes", ()),
        )
    if "labels" in section:
        values["labels"] = {**section.pop("labels"), **values.get("labels", {})}
    for key, value in section.items():
        values.setdefault(key, value)
    if "inputs" in values:
        mounts = {f"inputs/{_name(each)}": each for each in values["inputs"]}
        values["file_mounts"] = mounts | values.get("file_mounts", {})
    if "num_nodes" in values:
        values["num_nodes"], values["max_nodes"] = values["num_nodes"]
    if "time" in values:
        values.setdefault("time_limit", values.pop("time"))
