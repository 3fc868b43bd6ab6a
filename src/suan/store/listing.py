"""Listing and counting jobs. Every page is found by an index, in the order it is shown.

A listing by state, queue, user or tenant asks each state's index for one page and merges them:
so it costs the same among a hundred jobs and a million, and needs no index for each order.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, union_all

from suan.model.errors import InputError
from suan.model.job import JobState
from suan.model.store import JobFilter, JobPage
from suan.store import schema
from suan.store.part import Part
from suan.store.rows import JOB_COLUMNS, read_jobs

_jobs = schema.jobs.c


class StoredListing(Part):
    """``list`` and ``counts``."""

    async def list(self, where: JobFilter, cursor: str | None, limit: int) -> JobPage:
        """A page of jobs, newest first.

        Raises:
            InputError: ``cursor`` is none that a page gave, or ``limit`` is below 1.
        """
        if limit < 1:
            raise InputError("a limit must be at least 1", where="limit")
        query = _page(where, _read_cursor(cursor), limit + 1)

        def work(connection: Connection) -> JobPage:
            rows = connection.execute(query).all()
            jobs = read_jobs(connection, rows[:limit], self._specs)
            return JobPage(jobs, _cursor(jobs[-1].seq) if len(rows) > limit else None)

        return await self._db.read(work)

    async def counts(self, where: JobFilter) -> Mapping[JobState, int]:
        """How many jobs stand in each state; every state is named."""
        query = (
            select(_jobs.state, func.count().label("jobs"))
            .where(*_conditions(where))
            .group_by(_jobs.state)
        )
        if where.states:
            query = query.where(_jobs.state.in_([state.value for state in where.states]))

        def work(connection: Connection) -> Mapping[JobState, int]:
            found = {str(row.state): int(row.jobs) for row in connection.execute(query)}
            return {state: found.get(state.value, 0) for state in JobState}

        return await self._db.read(work)


def _conditions(where: JobFilter) -> list[ColumnElement[bool]]:
    pairs: tuple[tuple[Any, object], ...] = (
        (_jobs.queue, where.queue),
        (_jobs.user_name, where.user),
        (_jobs.tenant, where.tenant),
        (_jobs.name, where.name),
        (_jobs.array_id, where.array_id),
    )
    conditions = [column == value for column, value in pairs if value is not None]
    if where.label is not None:
        labels = schema.spec_labels.c
        specs = select(labels.spec_id).where(
            labels.key == where.label[0], labels.value == where.label[1]
        )
        conditions.append(_jobs.spec_id.in_(specs))
    return conditions


def _page(where: JobFilter, below: int | None, limit: int) -> Select[Any]:
    conditions = _conditions(where)
    if below is not None:
        conditions.append(_jobs.seq < below)
    states = tuple(dict.fromkeys(where.states))
    narrow = where.name is not None or where.array_id is not None or where.label is not None
    if not narrow and (states or where.queue or where.user or where.tenant):
        conditions = [_jobs.seq.in_(_merged(states or tuple(JobState), conditions, limit))]
    elif states:
        conditions.append(_jobs.state.in_([state.value for state in states]))
    return select(*JOB_COLUMNS).where(*conditions).order_by(_jobs.seq.desc()).limit(limit)


def _merged(
    states: tuple[JobState, ...], conditions: list[ColumnElement[bool]], limit: int
) -> Select[Any]:
    """The newest ``limit`` of each state, each by its own index."""
    each = [
        select(_jobs.seq)
        .where(*conditions, _jobs.state == state.value)
        .order_by(_jobs.seq.desc())
        .limit(limit)
        .subquery()
        for state in states
    ]
    return select(union_all(*(select(part.c.seq) for part in each)).subquery().c.seq)


def _cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(f"j{seq}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        seq = int(text.decode("ascii").removeprefix("j"))
    except (binascii.Error, ValueError):
        seq = 0
    if seq < 1 or _cursor(seq) != cursor:
        raise InputError(
            f"{cursor[:40]!r} is not a page's cursor",
            where="cursor",
            mend="give the next_cursor of the page before, unchanged, or none for the first page",
        )
    return seq
