"""Microsoft's Philly, in two published forms; each job is bound to its virtual cluster's pool.

``timestamp,duration,num_gpus,gpu_time,cluster`` has moments in UTC; ``jobname,vc,submit,duration,
gpu_num`` counts seconds, and its rows keep the order of HeliosArtifact.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from suan.model.units import SECOND, Instant, TenantName
from suan.sim.traces.gangs import Gangs
from suan.sim.traces.job import DEFAULT_QUEUE, TraceJob, job_id
from suan.sim.traces.tally import Tally
from suan.sim.traces.text import Table, microseconds, starts_with


def sniff(head: str) -> bool:
    """By its header."""
    return starts_with(head, ("timestamp", "duration", "num_gpus", "cluster")) or starts_with(
        head, ("vc", "submit", "duration", "gpu_num")
    )


def moment(text: str) -> Instant:
    """From ``2017-10-09 07:01:55``, in UTC unless it says otherwise.

    Raises:
        ValueError: it is no such time.
    """
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp()) * SECOND


def read(path: Path, tally: Tally, origin: Instant) -> Iterator[TraceJob]:
    """Jobs in the file's order."""
    table = Table(path, tally)
    stamped = table.find("timestamp") is not None
    when: Callable[[str], Instant] = moment if stamped else microseconds
    submit_at = table.column("timestamp" if stamped else "submit")
    length_at = table.column("duration")
    size_at = table.column("num_gpus", "gpu_num")
    pool_at = table.column("cluster", "vc")
    name_at = table.find("jobname")
    gangs, tenants = Gangs(), dict[str, TenantName]()
    for number, row in table.rows():
        try:
            submit, runtime = when(row[submit_at]), microseconds(row[length_at])
            size = float(row[size_at])
            whole = size == int(size)
        except (ValueError, OverflowError):
            tally.note("not_a_number", number)
            continue
        if submit < 0 or runtime <= 0 or size < 1 or not whole:
            cause = "no_submit" if submit < 0 else "zero_length" if runtime <= 0 else "no_size"
            tally.note(cause, number)
            continue
        pool = row[pool_at]
        demand, split = gangs.of(row[size_at], pool)
        if split:
            tally.note("split", number)
        yield TraceJob(
            job_id(number),
            number,
            submit - origin,
            runtime,
            demand,
            tenant=tenants.setdefault(pool, TenantName(pool)),
            queue=DEFAULT_QUEUE,
            name="" if name_at is None else row[name_at],
        )
