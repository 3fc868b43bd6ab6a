"""What the leader reads: ``suan.model.store.Ledger`` but for ``record``."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    delete,
    or_,
    select,
    text,
    tuple_,
)

from suan.model.job import Job, JobState, Run
from suan.model.quota import Amounts, Limits, Quota, Spent, Tenant, lineage
from suan.model.reservation import Reservation
from suan.model.store import Command, EndedRun, Gathered
from suan.model.units import HOUR, Instant, JobId, RunId
from suan.store import schema
from suan.store.codec import json_reader
from suan.store.part import Part
from suan.store.rows import (
    ENDED_RUN_COLUMNS,
    JOB_COLUMNS,
    chunks,
    read_ended_runs,
    read_held,
    read_jobs,
    read_run,
)

_read_args = json_reader(dict[str, str])
_read_quota = json_reader(Quota)
_read_weight = json_reader(int)
_read_limits = json_reader(Limits)
_read_reservation = json_reader(Reservation)


_UNTAKEN, _MOST = text(schema.UNTAKEN), bindparam("most", type_=Integer)
_NEW_COMMANDS = (
    select(schema.commands).where(_UNTAKEN).order_by(schema.commands.c.number).limit(_MOST)
)
_NEW_JOBS = select(*JOB_COLUMNS).where(_UNTAKEN).order_by(schema.jobs.c.seq).limit(_MOST)


def _past(since: Instant) -> tuple[ColumnElement[bool], ...]:
    """The words of the index ``ix_runs_past``, each with its table: jobs have such columns too."""
    runs = schema.runs.c
    return runs.started_at.is_not(None), runs.ended_at.is_not(None), runs.ended_at > since


def _ended_runs(since: Instant, after: tuple[Instant, RunId] | None) -> Select[Any]:
    runs, jobs = schema.runs.c, schema.jobs.c
    query = (
        select(*(runs[name] for name in ENDED_RUN_COLUMNS), jobs.spec_id, jobs.user_name)
        .join(schema.jobs, jobs.id == runs.job)
        .where(*_past(since))
        .where(or_(jobs.state != JobState.RUNNING.value, runs.attempt < jobs.attempts))
        .order_by(runs.ended_at, runs.id)
    )
    return query if after is None else query.where(tuple_(runs.ended_at, runs.id) > after)


def _spent(
    connection: Connection, users: Sequence[str], since: Instant
) -> Mapping[str, tuple[Spent, ...]]:
    spent = schema.spent.c
    query = select(schema.spent).where(spent.at > since - HOUR).order_by(spent.at)
    found: dict[str, list[Spent]] = {}
    for piece in chunks(sorted(set(users))):
        for row in connection.execute(query.where(spent.user_name.in_(piece))):
            each = Spent(row.at, row.device_ms, row.money)
            found.setdefault(row.user_name, []).append(each)
    return {user: tuple(each) for user, each in sorted(found.items())}


class StoredLedger(Part):
    """What is new, and what a new leader needs to know."""

    async def gather(self, limit: int) -> Gathered:
        """The oldest jobs and commands (``limit`` of each) that no recorded cycle has taken.

        A ``cancel`` may come before the job it names, when many jobs wait to be gathered: that
        job then comes with ``cancel_requested``.
        """

        def work(connection: Connection) -> Gathered:
            most = {"most": limit}
            # Commands first: a job that is read after them already bears their mark.
            found = connection.execute(_NEW_COMMANDS, most).all()
            limited = [row.target for row in found if row.kind == "set_limits"]
            return Gathered(
                jobs=read_jobs(connection, connection.execute(_NEW_JOBS, most).all(), self._specs),
                commands=tuple(
                    (row.number, Command(row.kind, row.target, row.asked_by, _read_args(row.args)))
                    for row in found
                ),
                spent=_spent(connection, limited, 0),
            )

        return await self._db.read(work)

    async def unfinished_jobs(self, after_seq: int, limit: int) -> tuple[Job, ...]:
        jobs = schema.jobs.c
        query = (
            select(*JOB_COLUMNS)
            .where(schema.unfinished, jobs.seq > after_seq, jobs.taken == 1)
            .order_by(jobs.seq)
            .limit(limit)
        )

        def work(connection: Connection) -> tuple[Job, ...]:
            return read_jobs(connection, connection.execute(query).all(), self._specs)

        return await self._db.read(work)

    async def open_runs(self) -> tuple[Run, ...]:
        runs = schema.runs
        query = select(runs).where(text(schema.UNENDED)).order_by(runs.c.placed_at, runs.c.id)

        def work(connection: Connection) -> tuple[Run, ...]:
            found = [read_run(row) for row in connection.execute(query)]
            # Again here: engines differ in how they order text.
            return tuple(sorted(found, key=lambda run: (run.placed_at, run.id)))

        return await self._db.read(work)

    async def ended_cutoff(self, most: int, since: Instant) -> Instant:
        runs = schema.runs.c
        newest = (
            select(runs.ended_at)
            .where(*_past(since))
            .order_by(runs.ended_at.desc())
            .offset(most)
            .limit(1)
        )

        def work(connection: Connection) -> Instant:
            found = connection.execute(newest).scalar_one_or_none()
            return since if found is None else int(found)

        return await self._db.read(work)

    async def ended_runs(
        self, since: Instant, after: tuple[Instant, RunId] | None, limit: int
    ) -> tuple[EndedRun, ...]:
        query = _ended_runs(since, after).limit(limit)

        def work(connection: Connection) -> tuple[EndedRun, ...]:
            rows = connection.execute(query).all()
            return read_ended_runs(connection, rows, self._specs)

        return await self._db.read(work)

    async def drained_pools(self) -> tuple[str, ...]:
        def work(connection: Connection) -> tuple[str, ...]:
            return tuple(sorted(connection.execute(select(schema.drained_pools.c.pool)).scalars()))

        return await self._db.read(work)

    async def queues(self) -> Mapping[str, tuple[int, str, bool]]:
        def work(connection: Connection) -> Mapping[str, tuple[int, str, bool]]:
            rows = connection.execute(select(schema.queues)).all()
            return {
                row.name: (row.weight, row.discipline, bool(row.is_open))
                for row in sorted(rows, key=lambda row: str(row.name))
            }

        return await self._db.read(work)

    async def quotas(self) -> Mapping[str, Quota]:
        def work(connection: Connection) -> Mapping[str, Quota]:
            rows = connection.execute(select(schema.quotas)).all()
            return {queue: _read_quota(body) for queue, body in sorted(map(tuple, rows))}

        return await self._db.read(work)

    async def tenants(self) -> Mapping[str, Tenant]:
        def work(connection: Connection) -> Mapping[str, Tenant]:
            found = {
                tenant: Tenant(quota=_read_quota(body))
                for tenant, body in map(tuple, connection.execute(select(schema.tenant_quotas)))
            }
            for tenant, body in map(tuple, connection.execute(select(schema.tenant_weights))):
                quota = found.get(tenant, Tenant()).quota
                found[tenant] = Tenant(_read_weight(body), quota)
            return dict(sorted(found.items()))

        return await self._db.read(work)

    async def reservations(self) -> Mapping[str, Reservation]:
        def work(connection: Connection) -> Mapping[str, Reservation]:
            rows = connection.execute(select(schema.reservations)).all()
            return {name: _read_reservation(body) for name, body in sorted(map(tuple, rows))}

        return await self._db.read(work)

    async def limits(self) -> Mapping[str, Limits]:
        def work(connection: Connection) -> Mapping[str, Limits]:
            rows = connection.execute(select(schema.user_limits)).all()
            return {user: _read_limits(body) for user, body in sorted(map(tuple, rows))}

        return await self._db.read(work)

    async def spent(self, users: Sequence[str], since: Instant) -> Mapping[str, tuple[Spent, ...]]:
        return await self._db.read(lambda connection: _spent(connection, users, since))

    async def forget_spent(self, before: Instant) -> None:
        gone = delete(schema.spent).where(schema.spent.c.at <= before - HOUR)
        await self._db.write(lambda connection: connection.execute(gone), kind="prune", rows=1)

    async def held(self, queues: Sequence[str]) -> Mapping[str, Amounts]:
        runs, jobs = schema.runs.c, schema.jobs.c
        query: Select[Any] = (
            select(jobs.queue, runs.nodes, runs.per_task)
            .join(schema.jobs, jobs.id == runs.job)
            .where(text(f"runs.{schema.UNENDED}"))
        )

        def work(connection: Connection) -> Mapping[str, Amounts]:
            sums: dict[str, Counter[str]] = {}
            for piece in chunks(queues):
                for row in connection.execute(query.where(jobs.queue.in_(piece))):
                    sums.setdefault(row.queue, Counter()).update(read_held(row))
            return {queue: tuple(sorted(held.items())) for queue, held in sorted(sums.items())}

        return await self._db.read(work)

    async def held_by_tenants(self, tenants: Sequence[str]) -> Mapping[str, tuple[int, Amounts]]:
        runs, jobs = schema.runs.c, schema.jobs.c
        query: Select[Any] = (
            select(jobs.tenant, runs.nodes, runs.per_task)
            .join(schema.jobs, jobs.id == runs.job)
            .where(text(f"runs.{schema.UNENDED}"))
        )

        def work(connection: Connection) -> Mapping[str, tuple[int, Amounts]]:
            counts: Counter[str] = Counter()
            sums: dict[str, Counter[str]] = {tenant: Counter() for tenant in sorted(set(tenants))}
            for row in connection.execute(query):
                for tenant in sums.keys() & set(lineage(row.tenant)):
                    counts[tenant] += 1
                    sums[tenant].update(read_held(row))
            return {
                each: (counts[each], tuple(sorted(held.items()))) for each, held in sums.items()
            }

        return await self._db.read(work)

    async def job_states(self, jobs: Sequence[JobId]) -> Mapping[JobId, JobState]:
        """The states of those of ``jobs`` that exist."""

        def work(connection: Connection) -> Mapping[JobId, JobState]:
            columns = schema.jobs.c
            return {
                JobId(job): JobState(state)
                for piece in chunks(jobs)
                for job, state in connection.execute(
                    select(columns.id, columns.state).where(columns.id.in_(piece))
                )
            }

        return await self._db.read(work)
