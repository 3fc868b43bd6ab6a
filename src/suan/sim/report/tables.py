"""What is written to files: tables with typed columns, the same for CSV and Parquet.

``docs/reference/simulation-results.md`` defines every column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from suan.model.units import SECOND
from suan.sim.report.comparison import DIMENSIONS, Dimension, groups_of
from suan.sim.report.figures import FIGURES
from suan.sim.report.wording import device_hours
from suan.sim.results import Bucket, Ended, Group, Result, Timeline

Kind: TypeAlias = Literal["text", "integer", "number"]
Value: TypeAlias = str | int | float | None
Column: TypeAlias = tuple[str, Kind]

INTEGERS = frozenset(
    {
        "deadlines_missed",
        "preemptions",
        "jobs",
        "succeeded",
        "failed",
        "cancelled",
        "skipped",
        "never_ran",
    }
)
JOB_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("job", "name", "user", "tenant", "queue", "pool", "state"), "text")
}
INSTANTS = frozenset({"submitted", "started", "ended", "served", "lost", "deadline"})
JOB_COLUMNS: tuple[Column, ...] = (
    *(
        (f"{name}_us" if name in INSTANTS else name, JOB_KINDS.get(name, "integer"))
        for name in Ended._fields
    ),
    ("waiting_us", "integer"),
)

_GROUP: tuple[tuple[str, Callable[[Group], float]], ...] = (
    ("wait_mean_s", lambda group: group.mean_wait / SECOND),
    ("wait_p50_s", lambda group: group.wait.quantile(0.5) / SECOND),
    ("wait_p95_s", lambda group: group.wait.quantile(0.95) / SECOND),
    ("wait_p99_s", lambda group: group.wait.quantile(0.99) / SECOND),
    ("wait_max_s", lambda group: group.wait.maximum / SECOND),
    ("completion_mean_s", lambda group: group.mean_completion / SECOND),
    ("slowdown_mean", lambda group: group.mean_slowdown),
    ("accelerator_hours", lambda group: device_hours(group.accelerator_time)),
    ("cpu_hours", lambda group: device_hours(group.cpu_time)),
    ("lost_accelerator_hours", lambda group: device_hours(group.lost_accelerator_time)),
    ("lost_cpu_hours", lambda group: device_hours(group.lost_cpu_time)),
)

_SERIES: tuple[tuple[str, Callable[[Timeline, Bucket], float]], ...] = (
    ("start_s", lambda timeline, bucket: (bucket.start - timeline.start) / SECOND),
    ("span_s", lambda _, bucket: bucket.span / SECOND),
    ("pending_mean", lambda _, bucket: bucket.mean(bucket.pending)),
    ("pending_max", lambda _, bucket: bucket.most_pending),
    ("running_mean", lambda _, bucket: bucket.mean(bucket.running)),
    ("running_max", lambda _, bucket: bucket.most_running),
    ("cpus_mean", lambda _, bucket: bucket.mean(bucket.cpu) / 1000),
    ("accelerators_mean", lambda _, bucket: bucket.mean(bucket.accelerators) / 1000),
    ("utilisation", lambda timeline, bucket: timeline.share(bucket)),
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table to be written. Each row has a value for each column."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]


def tables(results: Sequence[Result]) -> tuple[Table, ...]:
    """The summary, each way to group jobs, and the series."""
    return (
        _summary(results),
        *(_groups(results, dimension) for dimension in DIMENSIONS),
        _series(results),
    )


def job_row(job: Ended) -> tuple[Value, ...]:
    """The row of one job, after ``JOB_COLUMNS``."""
    return (*job, job.waiting)


def _summary(results: Sequence[Result]) -> Table:
    figures = {figure.column: figure for figure in FIGURES}
    columns: list[Column] = [
        (name, "integer" if name in INTEGERS else "number") for name in figures
    ]
    rows: list[tuple[Value, ...]] = [
        (result.policy, *(figure.value(result) for figure in figures.values()))
        for result in results
    ]
    return Table("summary", (("policy", "text"), *columns), tuple(rows))


def _groups(results: Sequence[Result], dimension: Dimension) -> Table:
    columns: list[Column] = [(name, "number") for name, _ in _GROUP]
    rows: list[tuple[Value, ...]] = [
        (result.policy, group.name, group.jobs, *(float(value(group)) for _, value in _GROUP))
        for result in results
        for group in groups_of(result, dimension)
    ]
    fixed: tuple[Column, ...] = (
        ("policy", "text"),
        (DIMENSIONS[dimension], "text"),
        ("jobs", "integer"),
    )
    return Table(dimension, (*fixed, *columns), tuple(rows))


def _series(results: Sequence[Result]) -> Table:
    columns: list[Column] = [(name, "number") for name, _ in _SERIES]
    rows: list[tuple[Value, ...]] = [
        (result.policy, *(float(value(result.timeline, bucket)) for _, value in _SERIES))
        for result in results
        for bucket in result.timeline.buckets
    ]
    return Table("series", (("policy", "text"), *columns), tuple(rows))
