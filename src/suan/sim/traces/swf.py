"""The Standard Workload Format of the Parallel Workloads Archive, 18 fields a row.

Normalised as simulators of this format commonly do: processors are those allocated (field 5), else
requested (8); the requested time is field 9 where positive, else the run time (4); the run time
is cut to the requested. User (12) is user and tenant, queue (15) the queue; -1 is unknown.
"""

from collections.abc import Iterator
from pathlib import Path

from suan.model.demand import Demand, Option
from suan.model.resources import Resources
from suan.model.units import Instant, QueueName, TenantName
from suan.sim.traces.job import DEFAULT_QUEUE, DEFAULT_TENANT, TraceJob, job_id
from suan.sim.traces.tally import Tally
from suan.sim.traces.text import lines, microseconds

FIELDS = 18


def sniff(head: str) -> bool:
    """Comments begin with a semicolon; rows are eighteen numbers."""
    for line in head.splitlines():
        if line.startswith(";") or not line.strip():
            continue
        return len(line.split()) == FIELDS
    return head.startswith(";")


def read(path: Path, tally: Tally, origin: Instant) -> Iterator[TraceJob]:
    """Jobs in the file's order."""
    sizes: dict[str, Demand] = {}
    for number, line in enumerate(lines(path, tally), 1):
        fields = line.split()
        if not fields or fields[0].startswith(";"):
            continue
        if len(fields) != FIELDS:
            tally.note("columns", number)
            continue
        try:
            job = _job(fields, number, origin, sizes=sizes, tally=tally)
        except ValueError:
            tally.note("not_a_number", number)
            continue
        if job is not None:
            yield job


def _job(
    fields: list[str], number: int, origin: Instant, *, sizes: dict[str, Demand], tally: Tally
) -> TraceJob | None:
    submit, runtime = microseconds(fields[1]), microseconds(fields[3])
    requested = microseconds(fields[8])
    size = fields[4] if int(fields[4]) > 0 else fields[7]
    demand = sizes.get(size) or _demand(size, sizes)
    if submit < 0 or runtime <= 0 or demand is None:
        cause = "no_submit" if submit < 0 else "zero_length" if runtime <= 0 else "no_size"
        tally.note(cause, number)
        return None
    if requested <= 0:
        requested = runtime
    elif runtime > requested:
        tally.note("over_limit", number)
        runtime = requested
    user, queue = fields[11], fields[14]
    return TraceJob(
        job_id(number),
        number,
        submit - origin,
        runtime,
        demand,
        requested,
        "" if user == "-1" else f"user-{user}",
        DEFAULT_TENANT if user == "-1" else TenantName(f"user-{user}"),
        DEFAULT_QUEUE if queue == "-1" else QueueName(f"queue-{queue}"),
    )


def _demand(size: str, sizes: dict[str, Demand]) -> Demand | None:
    processors = int(size)
    if processors <= 0:
        return None
    demand = sizes[size] = Demand(1, (Option(Resources(cpu_milli=processors * 1000)),))
    return demand
