"""Slurm's accounting, as ``sacct --parsable2`` prints it; whatever fields are there are used.

Needed: ``JobID``, ``Submit``, and ``ElapsedRaw``, ``Elapsed`` or ``Start`` with ``End``. Steps
(``123.batch``) belong to their job. Times without a zone count as UTC. An account is a tenant, a
partition a queue. See docs/reference/traces.md for every field.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from suan.jobfile.quantities import parse_slurm_time
from suan.model.spec import PRIORITY_MAX, PRIORITY_MIN
from suan.model.units import MINUTE, SECOND, Duration, Instant, QueueName, TenantName
from suan.sim.traces.job import DEFAULT_QUEUE, DEFAULT_TENANT, TraceJob, job_id
from suan.sim.traces.tally import Tally
from suan.sim.traces.text import Table, starts_with
from suan.sim.traces.tres import Sizes

UNSET = frozenset({"", "unknown", "none", "n/a", "invalid", "partition_limit", "unlimited"})


def sniff(head: str) -> bool:
    """By its header."""
    return starts_with(head, ("jobid", "submit"), "|")


def read(path: Path, tally: Tally, origin: Instant) -> Iterator[TraceJob]:
    """Jobs in the file's order."""
    table = Table(path, tally, delimiter="|")
    table.column("JobID")
    table.column("Submit")
    if table.find("ElapsedRaw", "Elapsed") is None:
        table.column("Start")
        table.column("End")
    names = [each.casefold() for each in table.columns]
    sizes = Sizes()
    for number, row in table.rows():
        fields = dict(zip(names, row, strict=True))
        if "." in fields["jobid"]:
            tally.note("step", number)
            continue
        try:
            job = _job(fields, number, origin, sizes=sizes, tally=tally)
        except (ValueError, OverflowError):
            tally.note("not_a_number", number)
            continue
        if job is not None:
            yield job


def _job(
    fields: dict[str, str], number: int, origin: Instant, *, sizes: Sizes, tally: Tally
) -> TraceJob | None:
    submit, runtime = _moment(fields["submit"]), _runtime(fields)
    demand, rounded = sizes.of(fields)
    if submit is None or submit < 0 or not runtime or runtime < 0 or demand is None:
        tally.note(_cause(fields, submit, runtime), number)
        return None
    requested = _limit(fields)
    if requested is not None and runtime > requested:
        tally.note("over_limit", number)
        runtime = requested
    if rounded:
        tally.note("rounded", number)
    account, partition = fields.get("account", ""), fields.get("partition", "")
    return TraceJob(
        job_id(number),
        number,
        submit - origin,
        runtime,
        demand,
        requested,
        fields.get("user", ""),
        TenantName(account) if account else DEFAULT_TENANT,
        QueueName(partition) if partition else DEFAULT_QUEUE,
        fields.get("jobname", ""),
        _priority(fields, number, tally),
    )


def _cause(fields: dict[str, str], submit: Instant | None, runtime: Duration | None) -> str:
    if submit is None or submit < 0:
        return "no_submit"
    if not runtime or runtime < 0:
        started = fields.get("start", "0").casefold() not in UNSET
        return "zero_length" if started else "never_ran"
    return "no_size"


def _moment(text: str) -> Instant | None:
    if text.casefold() in UNSET:
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp()) * SECOND


def _runtime(fields: dict[str, str]) -> Duration | None:
    raw = fields.get("elapsedraw", "")
    if raw.casefold() not in UNSET:
        return int(raw) * SECOND
    elapsed = fields.get("elapsed", "")
    if elapsed.casefold() not in UNSET:
        return parse_slurm_time(elapsed)
    start, end = _moment(fields.get("start", "")), _moment(fields.get("end", ""))
    return None if start is None or end is None else max(0, end - start)


def _limit(fields: dict[str, str]) -> Duration | None:
    """``TimelimitRaw`` is in minutes; ``Timelimit`` as ``sbatch --time`` takes it."""
    raw = fields.get("timelimitraw", "")
    if raw.casefold() not in UNSET:
        return int(raw) * MINUTE or None
    limit = fields.get("timelimit", "")
    return None if limit.casefold() in UNSET else parse_slurm_time(limit) or None


def _priority(fields: dict[str, str], number: int, tally: Tally) -> int:
    """Slurm's number is mostly a score of the moment, which suan reckons itself."""
    text = fields.get("priority", "")
    if text.casefold() in UNSET:
        return 0
    priority = int(text)
    if PRIORITY_MIN <= priority <= PRIORITY_MAX:
        return priority
    tally.note("priority", number)
    return 0
