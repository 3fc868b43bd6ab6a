"""A YAML job file: one job for each document, tied together by ``after:``."""

import dataclasses
import graphlib
import re
from collections import Counter

from suan.jobfile.document import At, compose
from suan.jobfile.fields import Field, Reading, Table, ignored, read_section, table
from suan.jobfile.parsed import Parsed
from suan.jobfile.problems import Spot, nearest
from suan.jobfile.readers import identifier
from suan.jobfile.readers import name as read_name
from suan.jobfile.task import task
from suan.model.spec import After, JobSpec

_JOB_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{12}(?:-[0-9]+)?", re.ASCII | re.IGNORECASE)

# SkyPilot's pipelines: a first document that names the whole; its tasks then run one by one.
HEADER_FIELDS: Table = table(
    Field("name", read_name, "text", "The pipeline's name, kept as the label `pipeline`."),
    Field(
        "execution",
        identifier,
        "`serial` or `parallel`",
        "Whether each task waits for the one before it; `serial`.",
    ),
    ignored("primary_tasks", "list", "SkyPilot's choice of the tasks that end a group."),
    ignored("termination_delay", "duration", "SkyPilot's grace for a group's other tasks."),
)


def parse_document_stream(text: str, reading: Reading, *, default_name: str) -> Parsed:
    """The jobs of YAML text within limits (see ``document``).

    Raises:
        JobFileError: with every problem of the file.
    """
    documents = compose(text, reading.problems)
    if not documents:
        reading.problems.error(Spot(1, 1), "the job file is empty", mend="write run: echo hello")
        reading.problems.raise_errors()
    header = _header(documents)
    tasks = documents[1:] if header else documents
    names = [
        f"{default_name}-{i}" if len(tasks) > 1 else default_name for i in range(1, len(tasks) + 1)
    ]
    read = [task(reading, at, name=given) for at, given in zip(tasks, names, strict=True)]
    specs = [spec for spec in read if spec is not None]
    if len(specs) == len(tasks):
        specs = _as_pipeline(reading, header, specs) if header else specs
        _check_names(reading, tasks, specs)
        _check_dependencies(reading, tasks, specs)
    reading.problems.raise_errors()
    return Parsed(tuple(specs), reading.problems.warnings())


def _header(documents: list[At]) -> At | None:
    first = documents[0]
    is_header = len(documents) > 1 and first.names and first.names <= set(HEADER_FIELDS)
    return first if is_header else None


def _as_pipeline(reading: Reading, header: At, specs: list[JobSpec]) -> list[JobSpec]:
    values = read_section(reading, header, HEADER_FIELDS)
    execution = values.get("execution", "serial")
    if execution not in ("serial", "parallel"):
        reading.problems.error(
            header.spot, f"execution must be serial or parallel, not {execution!r}"
        )
    labels = {"pipeline": values["name"]} if "name" in values else {}
    made: list[JobSpec] = []
    for spec in specs:
        chained = execution == "serial" and made and not spec.after
        after = (After(made[-1].name),) if chained else spec.after
        made.append(dataclasses.replace(spec, after=after, labels={**labels, **spec.labels}))
    return made


def _check_names(reading: Reading, tasks: list[At], specs: list[JobSpec]) -> None:
    counts = Counter(spec.name for spec in specs)
    needed = {item.job for spec in specs for item in spec.after}
    for at, spec in zip(tasks, specs, strict=True):
        if counts[spec.name] > 1 and spec.name in needed:
            message = f"{counts[spec.name]} jobs are named {spec.name!r}, which after: refers to"
            reading.problems.error(_spot(at, "name"), message, mend="give each its own name")


def _check_dependencies(reading: Reading, tasks: list[At], specs: list[JobSpec]) -> None:
    names = {spec.name for spec in specs}
    graph: dict[str, set[str]] = {}
    for at, spec in zip(tasks, specs, strict=True):
        graph.setdefault(spec.name, set()).update(item.job for item in spec.after)
        for item in spec.after:
            if item.job not in names and not _JOB_ID.fullmatch(item.job):
                close = nearest(item.job, names - {spec.name})
                mend = (
                    f"did you mean {close}?" if close else "it must be submitted together with it"
                )
                message = f"no job of this file is named {item.job!r}"
                reading.problems.warn(_spot(at, "after"), message, mend=mend)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle = " -> ".join(error.args[1])
        first = _spot(tasks[0], "after")
        reading.problems.error(
            first, f"jobs wait for each other: {circle}", mend="break the circle"
        )


def _spot(at: At, field: str) -> Spot:
    """Where a field of a task is written; the task itself if it is not."""
    for key, value in at.node.value:
        if key.value == field:
            return At(value, field).spot
    return dataclasses.replace(at.spot, field=field)
