"""What any process may do with jobs: ``suan.model.store.Jobs`` but for ``submit`` and ``list``."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from suan.model.errors import InputError
from suan.model.job import Job, Run
from suan.model.spec import CONTENT
from suan.model.store import Command, FeedEntry
from suan.model.units import Instant, JobId, RunId
from suan.store import schema
from suan.store.codec import json_reader, storable, to_json
from suan.store.part import Part
from suan.store.rows import JOB_COLUMNS, chunks, read_jobs, read_run

_read_strings = json_reader(dict[str, str])
_CONTENTS = re.compile(f'"{CONTENT}([0-9a-f]{{64}})"')


class StoredJobs(Part):
    """Jobs, their runs and secrets, requests to the leader, and the feed."""

    async def get(self, job: JobId) -> Job | None:
        def work(connection: Connection) -> Job | None:
            query = select(*JOB_COLUMNS).where(schema.jobs.c.id == job)
            found = read_jobs(connection, connection.execute(query).all(), self._specs)
            return found[0] if found else None

        return await self._db.read(work)

    async def runs(self, jobs: Sequence[JobId]) -> tuple[Run, ...]:
        def work(connection: Connection) -> tuple[Run, ...]:
            runs = schema.runs.c
            found = [
                read_run(row)
                for piece in chunks(jobs)
                for row in connection.execute(select(schema.runs).where(runs.job.in_(piece)))
            ]
            return tuple(sorted(found, key=lambda run: (run.job, run.attempt)))

        return await self._db.read(work)

    async def run(self, run: RunId) -> Run | None:
        def work(connection: Connection) -> Run | None:
            query = select(schema.runs).where(schema.runs.c.id == run)
            row = connection.execute(query).one_or_none()
            return read_run(row) if row else None

        return await self._db.read(work)

    async def secrets(self, job: Job) -> Mapping[str, str]:
        if not job.spec.secrets:
            return {}

        def work(connection: Connection) -> Mapping[str, str]:
            secrets, jobs = schema.spec_secrets.c, schema.jobs.c
            query = select(secrets.body).where(
                jobs.id == job.id,
                jobs.spec_id == secrets.spec_id,
            )
            body = connection.execute(query).scalar_one_or_none()
            return _read_strings(body) if body else {}

        return await self._db.read(work)

    async def contents_needed(self) -> frozenset[str]:
        def work(connection: Connection) -> frozenset[str]:
            specs, jobs = schema.specs.c, schema.jobs.c
            unfinished = select(jobs.spec_id).where(schema.unfinished)
            query = select(specs.body).where(
                specs.id.in_(unfinished), specs.body.like(f'%"{CONTENT}%')
            )
            bodies = connection.execute(query).scalars()
            return frozenset(digest for body in bodies for digest in _CONTENTS.findall(body))

        return await self._db.read(work)

    async def request(self, command: Command, now: Instant) -> int:
        """Leave a command for the leader; returns its number.

        A ``cancel`` also marks an unfinished job, so that a leader that gathers the job only
        after the command still learns of it (``Job.cancel_requested``).
        """
        return await self._db.write(
            lambda connection: ask_leader(connection, command, now), kind="command"
        )

    async def request_all(self, commands: Sequence[Command], now: Instant) -> None:
        """Leave several commands in one transaction: see ``request``."""
        if not commands:
            return
        values = [_command_values(command, now) for command in commands]
        cancelled = [{"key": each.target} for each in commands if each.kind == "cancel"]

        def work(connection: Connection) -> None:
            if cancelled:
                connection.execute(_MARK_CANCELLED, cancelled)
            connection.execute(insert(schema.commands), values)

        await self._db.write(work, kind="command")

    async def feed(self, after: int, limit: int) -> tuple[FeedEntry, ...]:
        if limit < 1:
            raise InputError("a limit must be at least 1", where="limit")
        feed = schema.feed
        query = select(feed).limit(limit)
        if after == -1:
            query = query.order_by(feed.c.id.desc())
        else:
            query = query.where(feed.c.id > after).order_by(feed.c.id)

        def work(connection: Connection) -> tuple[FeedEntry, ...]:
            entries = [_entry(row) for row in connection.execute(query)]
            return tuple(sorted(entries, key=lambda entry: entry.id))

        return await self._db.read(work)


def ask_leader(connection: Connection, command: Command, now: Instant) -> int:
    """Leave a command in a transaction; returns its number. See ``request``."""
    values = _command_values(command, now)
    if command.kind == "cancel":
        connection.execute(_MARK_CANCELLED, {"key": command.target})
    done = connection.execute(insert(schema.commands), values)
    assert done.inserted_primary_key is not None
    return int(done.inserted_primary_key[0])


def _entry(row: Row[Any]) -> FeedEntry:
    return FeedEntry(
        id=row.id,
        at=row.at,
        kind=row.kind,
        job=row.job,
        run=row.run,
        data=_read_strings(row.data),
    )


_MARK_CANCELLED = (
    update(schema.jobs)
    .where(schema.jobs.c.id == schema.key, schema.unfinished)
    .values(cancel_requested=1)
)


def _command_values(command: Command, now: Instant) -> dict[str, Any]:
    with storable("a command"):
        return {
            "at": now,
            "kind": command.kind,
            "target": command.target,
            "asked_by": command.by,
            "args": to_json(command.args),
        }
