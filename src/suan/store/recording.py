"""Recording a cycle: fenced by the lease, applied whole or not at all."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from suan.model.job import Run
from suan.model.quota import Limits, Quota
from suan.model.store import Cycle, FeedEntry, JournalEntry, Lease
from suan.model.units import HOUR
from suan.store import schema
from suan.store.codec import encode_events, storable, to_json
from suan.store.leasing import check_held
from suan.store.part import Part
from suan.store.rows import Values, chunks, run_values, update_values


class StoredRecords(Part):
    """``record``."""

    async def record(self, cycle: Cycle, lease: Lease) -> None:
        """Record a cycle, durably.

        Only this writes the feed, and one writer is at work at a time: so entries appear in the
        order of their ids, and a reader that goes on after an id misses none.

        Raises:
            LeaseLost: the lease is no longer the newest; nothing was recorded.
        """
        with storable("a cycle"):
            entries = [_entry_values(entry) for entry in cycle.entries]
            runs = [run_values(run) for run in cycle.runs]
            usages = [{"key": run, "usage": to_json(each)} for run, each in cycle.usages.items()]
            jobs = [update_values(job) for job in cycle.jobs]
            feed = [_feed_values(entry) for entry in cycle.feed]

        def work(connection: Connection) -> None:
            check_held(connection, lease)
            _many(connection, _ADD_ENTRY, entries)
            _many(connection, _UPDATE_JOB, jobs)
            upsert(connection, schema.runs, runs)
            _many(connection, _SET_USAGE, usages)
            _charge(connection, cycle.runs)
            _many(connection, _ADD_FEED, feed)
            _many(connection, _TAKE_JOB, [{"key": job} for job in cycle.taken_jobs])
            _many(connection, _TAKE_COMMAND, [{"key": number} for number in cycle.taken_commands])
            _set_pools(connection, cycle.drained_pools)
            _set_queues(connection, cycle.queues)
            _set_or_drop(connection, schema.quotas, cycle.quotas, none=Quota())
            _set_or_drop(connection, schema.tenant_weights, cycle.tenant_weights, none=1)
            _set_or_drop(connection, schema.tenant_quotas, cycle.tenant_quotas, none=Quota())
            _set_or_drop(connection, schema.user_limits, cycle.limits, none=Limits())
            _set_or_drop(connection, schema.reservations, cycle.reservations, none=None)

        rows = len(jobs) + len(runs) + len(feed) + len(cycle.taken_jobs)
        await self._db.write(work, kind="record", rows=1 + rows)


_DIALECTS: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}
_USERS = select(schema.jobs.c.id, schema.jobs.c.user_name).where(
    schema.jobs.c.id.in_(bindparam("jobs", expanding=True))
)
_ADD_ENTRY, _ADD_FEED = insert(schema.journal), insert(schema.feed)
_UPDATE_JOB = update(schema.jobs).where(schema.jobs.c.id == schema.key)
_SET_USAGE = update(schema.runs).where(schema.runs.c.id == schema.key)
_TAKE_JOB = update(schema.jobs).where(schema.jobs.c.id == schema.key).values(taken=1)
_TAKE_COMMAND = update(schema.commands).where(schema.commands.c.number == schema.key)
_TAKE_COMMAND = _TAKE_COMMAND.values(taken=1)


def _entry_values(entry: JournalEntry) -> Values:
    return {
        "number": entry.number,
        "kind": entry.kind,
        "token": entry.token,
        "now": entry.now,
        "events": encode_events(entry.events),
        "decision_limit": entry.limit,
        "digest": entry.digest,
    }


def _feed_values(entry: FeedEntry) -> Values:
    return {
        "at": entry.at,
        "kind": entry.kind,
        "job": entry.job,
        "run": entry.run,
        "data": to_json(entry.data),
    }


def _many(connection: Connection, statement: Any, rows: list[Values]) -> None:
    if rows:
        connection.execute(statement, rows)


def upsert(connection: Connection, table: Any, rows: list[Values]) -> None:
    """Insert rows, or change those that are there, by the table's key."""
    if rows:
        connection.execute(_upserting(connection.dialect.name, table, tuple(rows[0])), rows)


@cache  # to build a statement takes longer than to execute it
def _upserting(engine: str, table: Any, names: tuple[str, ...]) -> Any:
    statement = _DIALECTS[engine].insert(table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


@cache
def _adding(engine: str) -> Any:
    statement, spent = _DIALECTS[engine].insert(schema.spent), schema.spent.c
    added = {name: spent[name] + statement.excluded[name] for name in ("device_ms", "money")}
    return statement.on_conflict_do_update(index_elements=["user_name", "at"], set_=added)


def _charge(connection: Connection, runs: Iterable[Run]) -> None:
    """Add what runs that have ended have used to what their users have."""
    ended = {run.id: run for run in runs if run.ended_at is not None and run.bill is not None}
    if not ended:
        return
    sums, users = dict[tuple[str, int], list[int]](), dict[str, str]()
    for piece in chunks([run.job for run in ended.values()]):
        users.update(map(tuple, connection.execute(_USERS, {"jobs": piece})))
    for run in ended.values():
        assert run.bill is not None
        assert run.ended_at is not None
        if run.job in users and (run.bill.device_ms or run.bill.money):
            used = sums.setdefault((users[run.job], run.ended_at // HOUR * HOUR), [0, 0])
            used[0] += run.bill.device_ms
            used[1] += run.bill.money
    rows = [
        {"user_name": user, "at": at, "device_ms": device_ms, "money": money}
        for (user, at), (device_ms, money) in sums.items()
    ]
    _many(connection, _adding(connection.dialect.name), rows)


def _set_pools(connection: Connection, drained: dict[str, bool]) -> None:
    pools = schema.drained_pools
    named = [{"key": pool} for pool in drained]
    _many(connection, delete(pools).where(pools.c.pool == schema.key), named)
    _many(connection, insert(pools), [{"pool": pool} for pool, on in drained.items() if on])


def _set_queues(connection: Connection, queues: dict[str, tuple[int, str, bool]]) -> None:
    rows = [
        {"name": name, "weight": weight, "discipline": discipline, "is_open": int(is_open)}
        for name, (weight, discipline, is_open) in queues.items()
    ]
    upsert(connection, schema.queues, rows)


def _set_or_drop(
    connection: Connection, table: Any, values: Mapping[str, object], *, none: object
) -> None:
    """Rows of a name and a body; those whose value is ``none`` go."""
    [name] = table.primary_key.columns
    gone = [{"key": each} for each, value in values.items() if value == none]
    rows = [
        {name.name: each, "body": to_json(value)} for each, value in values.items() if value != none
    ]
    _many(connection, delete(table).where(name == schema.key), gone)
    upsert(connection, table, rows)
