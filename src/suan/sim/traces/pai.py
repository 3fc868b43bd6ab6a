"""Jobs of Alibaba PAI as GAIA samples them: ``arrival_time,length,cpus``.

GAIA's program reads seconds; the year-long sample of 100,000 jobs is in hours (it spans 8,760, and
every time is a whole number of seconds if read so). The header is the same, so these are two
formats, told apart by whether the first times are whole seconds.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from suan.model.demand import Demand, Option
from suan.model.resources import Resources
from suan.model.units import HOUR, SECOND, Duration, Instant
from suan.sim.traces.job import TraceJob, job_id
from suan.sim.traces.tally import Tally
from suan.sim.traces.text import Table, scaled, starts_with

_COLUMNS = ("arrival_time", "length", "cpus")
_NEAR = 1e-6


def sniff_seconds(head: str) -> bool:
    """By its header, and times that are not hours."""
    return starts_with(head, _COLUMNS) and not _in_hours(head)


def sniff_hours(head: str) -> bool:
    """By its header, and times with fractions that are whole seconds if read as hours."""
    return starts_with(head, _COLUMNS) and _in_hours(head)


def _in_hours(head: str) -> bool:
    times = []
    for line in head.splitlines()[1:-1]:  # the last may be cut
        try:
            times += [float(each) for each in line.split(",")[:2]]
        except ValueError:
            continue
    whole = all(abs(each - round(each)) < _NEAR for each in times)
    return not whole and all(abs(each * 3600 - round(each * 3600)) < _NEAR for each in times)


def _read(path: Path, tally: Tally, origin: Instant, *, unit: Duration) -> Iterator[TraceJob]:
    """Jobs in the file's order."""
    table = Table(path, tally)
    submit_at, length_at, size_at = (table.column(each) for each in _COLUMNS)
    sizes: dict[str, Demand] = {}
    for number, row in table.rows():
        try:
            submit, runtime = scaled(row[submit_at], unit), scaled(row[length_at], unit)
            processors = round(float(row[size_at]) * 1000)
        except (ValueError, OverflowError):
            tally.note("not_a_number", number)
            continue
        if submit < 0 or runtime <= 0 or processors <= 0:
            cause = "no_submit" if submit < 0 else "zero_length" if runtime <= 0 else "no_size"
            tally.note(cause, number)
            continue
        demand = sizes.get(row[size_at])
        if demand is None:
            demand = sizes[row[size_at]] = Demand(1, (Option(Resources(processors)),))
        yield TraceJob(job_id(number), number, submit - origin, runtime, demand)


read_seconds = partial(_read, unit=SECOND)
read_hours = partial(_read, unit=HOUR)
