"""The ``resources`` section: its fields, and the options that its alternatives multiply to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from suan.jobfile import quantities, readers
from suan.jobfile.document import At, fields_of
from suan.jobfile.fields import Field, Reading, Table, ignored, read_item, read_section, table
from suan.jobfile.problems import FieldError
from suan.model.spec import (
    DEFAULT_CPU_MILLI,
    PRIORITY_MAX,
    PRIORITY_MIN,
    ResourceOption,
)

MAX_OPTIONS = 64
_CLOUDS = ("aws", "gcp", "azure", "oci", "lambda", "runpod", "nebius", "ibm", "vast", "do")
_POOLS_NOTE = "suan chooses among the pools you joined; use infra to name one"


@dataclass(frozen=True, slots=True)
class Accelerators:
    """Alternatives; ``ordered`` when the user's order is a preference."""

    alternatives: tuple[dict[str, int], ...]
    ordered: bool = False


def accelerators(reading: Reading, at: At) -> Accelerators:
    """``A100:2``, ``{A100: 2}``, a set or mapping (any of them) or a list (in that order)."""
    if at.is_list:
        alternatives = [read_item(reading, item, _accelerator) for item in at.items()]
    elif at.is_mapping:
        alternatives = [
            read_item(reading, count, _counted(model))
            for model, (count, _) in fields_of(at, reading.problems).items()
        ]
    else:
        alternatives = [_accelerator(reading, at)]
    if not alternatives:
        raise FieldError("is empty", mend="name an accelerator, or leave the field out")
    return Accelerators(tuple(alternatives), ordered=at.is_list and len(alternatives) > 1)


def _accelerator(reading: Reading, at: At) -> dict[str, int]:
    return dict([quantities.parse_accelerator(readers.text(reading, at))])


def _counted(model: str) -> Callable[[Reading, At], dict[str, int]]:
    """A reader of the count behind a model's name; none is one."""

    def read(reading: Reading, at: At) -> dict[str, int]:
        written = model if at.is_null else f"{model}:{readers.text(reading, at)}"
        return dict([quantities.parse_accelerator(written)])

    return read


def infra(reading: Reading, at: At) -> str | None:
    """A pool's name, ``kind``, ``kind/name`` or site; ``k8s`` is Kubernetes; ``*`` is anywhere."""
    written = quantities.parse_infra(readers.text(reading, at))
    kind = written.partition("/")[0]
    if kind.lower() in _CLOUDS:
        message = f"{kind!r} is a cloud that SkyPilot knows; kept as the name of a pool of yours"
        reading.problems.warn(at.spot, message, mend="the job waits until such a pool is joined")
    return None if written == "*" else written


def image(reading: Reading, at: At) -> str | None:
    """A container image; a cloud's machine image has no effect, and warns."""
    if at.is_mapping or not readers.text(reading, at).startswith("docker:"):
        message = "a cloud's machine image has no effect"
        reading.problems.warn(at.spot, message, mend="write docker:IMAGE for a container's")
        return None
    name = readers.text(reading, at).removeprefix("docker:")
    if not name or not name.isprintable() or " " in name:
        raise FieldError("is no container image", mend="write for example docker:python:3.12")
    return name


def cpus(_reading: Reading, at: At) -> int:
    """Thousandths of a processor per node."""
    amount = quantities.parse_cpus(readers.text(_reading, at))
    if not amount:
        raise FieldError("zero processors; a job needs a part of one", mend="write 1, or 0.1")
    return amount


def memory(reading: Reading, at: At) -> int:
    """MiB per node."""
    amount = quantities.parse_memory(readers.text(reading, at))
    if not amount:
        raise FieldError("zero memory; leave the field out for no limit", mend="write 1GB")
    return amount


def alternatives(reading: Reading, at: At) -> list[dict[str, Any]]:
    """The readings of a list of partial ``resources`` mappings."""
    if not at.is_list or not at.node.value:
        raise FieldError(f"must be a list of resources, not {at.kind}", mend="start each with '- '")
    return [read_section(reading, item, ALTERNATIVE_FIELDS) for item in at.items()]


def recovery(reading: Reading, at: At) -> dict[str, Any]:
    """SkyPilot's ``job_recovery``: its restart rules; a strategy's name alone changes nothing."""
    if at.is_mapping:
        return read_section(reading, at, RECOVERY_FIELDS)
    message = "a recovery strategy has no effect: a lost run always queues again"
    reading.problems.warn(at.spot, message, mend="use retry: for rules of your own")
    return {}


def recovery_codes(reading: Reading, at: At) -> tuple[int, ...]:
    """One exit code or a list of them."""
    items = at.items() if at.is_list else [at]
    return tuple(read_item(reading, item, readers.whole(0, 255)) for item in items)


RECOVERY_FIELDS: Table = table(
    Field(
        "max_restarts_on_errors",
        readers.whole(0, 1_000_000),
        "whole number",
        "As `retry.max_failures`.",
    ),
    Field("recover_on_exit_codes", recovery_codes, "list", "As `retry.on_exit_codes`."),
    ignored(
        "strategy", "text", "SkyPilot's recovery strategy.", note="a lost run always queues again"
    ),
)

_NEEDS = (
    Field(
        "accelerators",
        accelerators,
        "`A100:2`, `{A100: 2}`, a set or a list; `2` or `gpu:2` for any model",
        "Accelerators per node; fractions to a thousandth. Several are alternatives: a list is an "
        "order of preference, a set or mapping leaves the choice to cost.",
    ),
    Field("cpus", cpus, "`4`, `4+`, `0.5`", "Processors per node. `+` (at least) is implied."),
    Field(
        "memory",
        memory,
        "`16`, `16+`, `16GB`, `512MiB`",
        "Memory per node, GiB if bare; all units are binary. It is reserved, and is the limit. "
        "Left out, 1 GiB is reserved and no limit set.",
    ),
    Field(
        "infra",
        infra,
        "`NAME`, `KIND`, `KIND/NAME`, a site, `*`",
        "Where it may run: a pool's name, a kind of pool (`local`, `slurm`, `ray`, `k8s`), both, "
        "a site, or anywhere.",
    ),
    ignored("cloud", "text", "SkyPilot's choice of a cloud.", note=_POOLS_NOTE),
    ignored("region", "text", "SkyPilot's choice of a region.", note=_POOLS_NOTE),
    ignored("zone", "text", "SkyPilot's choice of a zone.", note=_POOLS_NOTE),
    ignored(
        "instance_type",
        "text",
        "A cloud's machine type.",
        note="say what is needed: cpus, memory, …",
    ),
    ignored("use_spot", "true or false", "Preemptible machines.", note="no pool has them yet"),
    ignored("accelerator_args", "mapping", "A cloud's accelerator options."),
    ignored("disk_size", "GB", "Size of a machine's disk.", note="a pool's disk is what it is"),
    ignored("disk_tier", "text", "A cloud's disk class."),
    ignored("network_tier", "text", "A cloud's network class."),
    ignored("local_disk", "text", "A cloud's local disk."),
    ignored("ports", "port or list", "Ports to open.", note="no port is opened or closed"),
    Field(
        "image_id",
        image,
        "`docker:IMAGE`",
        "The container image to run in, where the pool has containers (Kubernetes).",
    ),
    ignored("autostop", "any", "When to stop an idle cluster.", note="suan keeps no idle clusters"),
)

_SHARED = (
    Field(
        "priority",
        readers.whole(PRIORITY_MIN, PRIORITY_MAX),
        f"{PRIORITY_MIN} to {PRIORITY_MAX}",
        "As the job's own `priority`.",
    ),
    Field(
        "max_hourly_cost",
        readers.of(quantities.parse_money),
        "number",
        "Pools that would cost more an hour (all nodes together) are refused.",
    ),
    Field("labels", readers.labels, "mapping", "As the job's own `labels`."),
    Field("job_recovery", recovery, "mapping", "SkyPilot's restart rules; see `retry`."),
)

ALTERNATIVE_FIELDS: Table = table(*_NEEDS)

RESOURCE_FIELDS: Table = table(
    *_NEEDS,
    Field(
        "any_of",
        alternatives,
        "list of resources",
        "Alternatives, each added to the fields beside it; the cheapest that fits is taken.",
    ),
    Field(
        "ordered",
        alternatives,
        "list of resources",
        "Alternatives in order of preference; the first that fits is taken.",
    ),
    *_SHARED,
)


def resources(reading: Reading, at: At) -> dict[str, Any]:
    """The section's fields, with ``options`` and whether they are ``ordered``."""
    values = read_section(reading, at, RESOURCE_FIELDS)
    if "any_of" in values and "ordered" in values:
        raise FieldError("has both any_of and ordered", mend="keep one of them")
    in_order = "ordered" in values
    choices = values.pop("ordered", None) or values.pop("any_of", None) or [{}]
    needs = {key: values.pop(key) for key in tuple(values) if key in ALTERNATIVE_FIELDS}
    options: list[ResourceOption] = []
    for choice in choices:
        merged = {**needs, **choice}
        wanted: Accelerators = merged.get("accelerators", Accelerators(({},)))
        in_order = in_order or (wanted.ordered and len(choices) == 1)
        options.extend(_option(merged, alternative) for alternative in wanted.alternatives)
    if len(options) > MAX_OPTIONS:
        raise FieldError(f"has {len(options)} alternatives", mend=f"keep at most {MAX_OPTIONS}")
    return {**values, "options": tuple(options), "ordered": in_order}


def _option(needs: dict[str, Any], wanted: dict[str, int]) -> ResourceOption:
    return ResourceOption(
        cpu_milli=needs.get("cpus", DEFAULT_CPU_MILLI),
        memory_mib=needs.get("memory"),
        accelerators=wanted,
        infra=needs.get("infra"),
        image_id=needs.get("image_id"),
    )
