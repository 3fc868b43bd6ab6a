"""Listing and counting jobs. Every page is found by an index, in the order it is shown.

A listing by state, queue, user or tenant asks each state's index for one page and merges them:
so it costs the same among a hundred jobs and a million, and needs no index for each order.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select, union_all

from suan.model.errors import InputError
from suan.model.job import JobState
from suan.model.store import JobFilter, JobPage
from suan.store import schema
from suan.store.part import Part
from suan.store.rows import JOB_COLUMNS, read_jobs

RECENT = 5000

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
        below = _read_cursor(cursor)
        queries = [_page(where, below, limit + 1)]
        if where.label is not None:
            queries.insert(0, _recent(where, where.label, below, limit=limit + 1))

        def work(connection: Connection) -> JobPage:
            rows: Sequence[Row[Any]] = ()
            for query in queries:
                rows = connection.execute(query).all()
                if len(rows) > limit:
                    break
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
        conditions.append(_jobs.spec_id.in_(_labelled(where.label)))
    return conditions


def _labelled(label: tuple[str, str]) -> Select[Any]:
    labels = schema.spec_labels.c
    return select(labels.spec_id).where(labels.key == label[0], labels.value == label[1])


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


def _recent(
    where: JobFilter, label: tuple[str, str], below: int | None, *, limit: int
) -> Select[Any]:
    """A page of a label, if the newest ``RECENT`` jobs fill it.

    A label that many jobs bear would otherwise have all of them sorted for one page.
    """
    newest = select(func.max(_jobs.seq)).scalar_subquery() if below is None else literal(below - 1)
    conditions = [
        *_conditions(replace(where, label=None)),
        _jobs.seq.between(newest - RECENT, newest),
    ]
    if where.states:
        conditions.append(_jobs.state.in_([state.value for state in where.states]))
    conditions.append(
        _labelled(label)
        .where(schema.spec_labels.c.spec_id == _jobs.spec_id)
        .correlate(schema.jobs)
        .exists()
    )
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
