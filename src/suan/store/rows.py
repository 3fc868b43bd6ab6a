"""Rows as model values, and model values as rows."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Row, select

from suan.model.bill import Bill
from suan.model.errors import StoreCorrupt
from suan.model.job import Job, JobState, Outcome, Run, RunState, Stopping
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.store import EndedRun, JobUpdate, NewJob
from suan.model.units import Instant, JobId, NodeName, PoolName, RunId
from suan.store import schema
from suan.store.codec import check_size, json_reader, storable, to_json

Values = dict[str, Any]

CHUNK = 500  # names in one IN (…): SQLite takes at most 32,766 parameters

_read_spec = json_reader(JobSpec)
_read_params = json_reader(dict[str, str])
_read_after = json_reader(tuple[tuple[JobId, str], ...])
_read_names = json_reader(tuple[NodeName, ...])
_read_reasons = json_reader(tuple[str, ...])
_read_resources = json_reader(Resources)
_read_outcome = json_reader(Outcome)
_read_stopping = json_reader(Stopping)
_read_bill = json_reader(Bill)

ENDED_RUN_COLUMNS = ("id", "nodes", "per_task", "started_at", "ended_at", "outcome")
JOB_COLUMNS = tuple(column for column in schema.jobs.c if column.name != "taken")


def chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    """``names`` in pieces that fit one statement."""
    return (names[at : at + CHUNK] for at in range(0, len(names), CHUNK))


class SpecCache:
    """Decoded specs, so that the 100,000 members of an array share one. Safe between threads.

    Bounded by the bytes of the encoded specs; a spec never changes once it is stored.
    """

    LIMIT = 2 * 1024 * 1024

    def __init__(self) -> None:
        self._specs: OrderedDict[int, tuple[JobSpec, int]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def load(self, connection: Connection, ids: set[int]) -> dict[int, JobSpec]:
        """The specs of ``ids``, from here or from the store."""
        with self._lock:
            found = {i: self._specs[i][0] for i in ids if i in self._specs}
        missing = sorted(ids - found.keys())
        for at in range(0, len(missing), CHUNK):
            piece = missing[at : at + CHUNK]
            query = select(schema.specs).where(schema.specs.c.id.in_(piece))
            for spec_id, body in connection.execute(query):
                found[spec_id] = _read_spec(body)
                self._keep(spec_id, found[spec_id], len(body))
        if len(found) < len(ids):
            raise StoreCorrupt(
                f"the specification {min(ids - found.keys())} of a stored job is missing",
                mend="restore the store from a backup",
            )
        return found

    def _keep(self, spec_id: int, spec: JobSpec, size: int) -> None:
        with self._lock:
            if spec_id not in self._specs:
                self._specs[spec_id] = (spec, size)
                self._size += size
            while self._size > self.LIMIT and len(self._specs) > 1:
                _, (_, gone) = self._specs.popitem(last=False)
                self._size -= gone


def read_jobs(
    connection: Connection, rows: Sequence[Row[Any]], specs: SpecCache
) -> tuple[Job, ...]:
    """Rows of ``JOB_COLUMNS`` as jobs."""
    known = specs.load(connection, {row.spec_id for row in rows})
    return tuple(_job(row, known[row.spec_id]) for row in rows)


def _job(row: Row[Any], spec: JobSpec) -> Job:
    return Job(
        id=row.id,
        seq=row.seq,
        spec=spec,
        user=row.user_name,
        state=JobState(row.state),
        submitted_at=row.submitted_at,
        array_id=row.array_id,
        array_index=row.array_index,
        params=_read_params(row.params) if row.params else {},
        after=_read_after(row.after_jobs) if row.after_jobs else (),
        attempts=row.attempts,
        cancel_requested=bool(row.cancel_requested),
        started_at=row.started_at,
        ended_at=row.ended_at,
        pool=row.pool,
        nodes=row.nodes,
        exit_code=row.exit_code,
        detail=row.detail,
    )


def job_values(new: NewJob, spec_id: int, *, user: str, now: Instant) -> Values:
    """The row of a job that is added now."""
    return {
        "id": new.id,
        "spec_id": spec_id,
        "user_name": user,
        "tenant": new.spec.tenant,
        "queue": new.spec.queue,
        "name": new.spec.name,
        "state": JobState.PENDING.value,
        "submitted_at": now,
        "array_id": new.array_id,
        "array_index": new.array_index,
        "params": to_json(new.params) if new.params else None,
        "after_jobs": to_json(new.after) if new.after else None,
    }


def spec_text(spec: JobSpec) -> str:
    """A spec as stored: of its secrets, only what they are called.

    Raises:
        InputError: it holds a value that cannot be written.
    """
    with storable(f"the job {spec.name!r}"):
        check_size(spec)
        named = replace(spec, secrets=dict.fromkeys(spec.secrets, "")) if spec.secrets else spec
        return to_json(named)


def update_values(update: JobUpdate) -> Values:
    """A job's mutable part; ``key`` is its id."""
    return {
        "key": update.id,
        "state": update.state.value,
        "attempts": update.attempts,
        "started_at": update.started_at,
        "ended_at": update.ended_at,
        "pool": update.pool,
        "nodes": update.nodes,
        "exit_code": update.exit_code,
        "detail": _storable(update.detail),
    }


def read_run(row: Row[Any]) -> Run:
    """A row of ``runs`` as a run."""
    return Run(
        id=RunId(row.id),
        job=JobId(row.job),
        attempt=row.attempt,
        pool=PoolName(row.pool),
        nodes=_read_names(row.nodes),
        per_task=_read_resources(row.per_task),
        state=RunState(row.state),
        placed_at=row.placed_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ref=row.ref,
        outcome=_read_outcome(row.outcome) if row.outcome else None,
        option=row.option,
        reasons=_read_reasons(row.reasons),
        bill=_read_bill(row.bill) if row.bill else None,
        stop=_read_stopping(row.stop) if row.stop else None,
        hurries=bool(row.hurries),
    )


def read_ended_runs(
    connection: Connection, rows: Sequence[Row[Any]], specs: SpecCache
) -> tuple[EndedRun, ...]:
    """Rows of ``ENDED_RUN_COLUMNS`` with their jobs' ``spec_id`` and ``user_name``."""
    known = specs.load(connection, {row.spec_id for row in rows})
    return tuple(
        EndedRun(
            run=RunId(row.id),
            spec=known[row.spec_id],
            user=row.user_name,
            tasks=len(_read_names(row.nodes)),
            per_task=_read_resources(row.per_task),
            started_at=row.started_at,
            ended_at=row.ended_at,
            cause=_read_outcome(row.outcome).cause,
        )
        for row in rows
    )


def read_held(row: Row[Any]) -> dict[str, int]:
    """What a run of ``nodes`` and ``per_task`` holds, by kind."""
    tasks, each = len(_read_names(row.nodes)), _read_resources(row.per_task)
    held = {"cpu": each.cpu_milli, "memory": each.memory_mib, **dict(each.accelerators)}
    return {kind: tasks * amount for kind, amount in held.items()}


def run_values(run: Run) -> Values:
    """A run as a row of ``runs``."""
    return {
        "id": run.id,
        "job": run.job,
        "attempt": run.attempt,
        "pool": run.pool,
        "nodes": to_json(run.nodes),
        "per_task": to_json(run.per_task),
        "state": run.state.value,
        "placed_at": run.placed_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "ref": run.ref,
        "outcome": to_json(run.outcome) if run.outcome else None,
        "option": run.option,
        "reasons": to_json(run.reasons),
        "bill": to_json(run.bill) if run.bill else None,
        "stop": to_json(run.stop) if run.stop else None,
        "hurries": int(run.hurries),
    }


def _storable(text: str) -> str:
    """What a pool or a process said, with what no text column takes made visible."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text
