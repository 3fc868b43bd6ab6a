"""The journal, for replay: ``suan.model.store.Journal``."""

from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, text

from suan.model.store import JournalEntry
from suan.model.units import Instant
from suan.store import schema
from suan.store.codec import decode_events
from suan.store.part import Part

_journal = schema.journal
_TERM = text("kind = 'term'")


class StoredJournal(Part):
    """Reading the journal, and dropping what is too old. ``record`` writes it."""

    async def entries(self, after: int, limit: int) -> tuple[JournalEntry, ...]:
        """Entries numbered above ``after``, in order.

        Raises:
            StoreCorrupt: an entry cannot be read.
        """
        query = (
            select(_journal)
            .where(_journal.c.number > after)
            .order_by(_journal.c.number)
            .limit(limit)
        )

        def work(connection: Connection) -> tuple[JournalEntry, ...]:
            return tuple(_entry(row) for row in connection.execute(query))

        return await self._db.read(work)

    async def last(self) -> int:
        def work(connection: Connection) -> int:
            newest = connection.execute(select(func.max(_journal.c.number))).scalar_one()
            return int(newest or 0)

        return await self._db.read(work)

    async def prune(self, before: Instant) -> int:
        """Drop whole terms that ended before ``before``, the feed's entries of that time and its
        idempotency keys: such a request, repeated, is a new one.

        The newest term is always kept, and what is dropped is always the beginning: so what is
        left can be replayed.
        """
        return await self._db.write(lambda connection: _prune(connection, before), kind="prune")


def _prune(connection: Connection, before: Instant) -> int:
    number = _journal.c.number
    still_wanted = connection.execute(
        select(func.min(number)).where(_journal.c.now >= before)
    ).scalar_one()
    starts = select(func.max(number)).where(_TERM)
    if still_wanted is not None:
        starts = starts.where(number <= still_wanted)
    keep_from = connection.execute(starts).scalar_one()
    _prune_feed(connection, before)
    _prune_keys(connection, before)
    if keep_from is None:
        return 0
    return int(connection.execute(delete(_journal).where(number < keep_from)).rowcount)


def _prune_feed(connection: Connection, before: Instant) -> None:
    feed = schema.feed.c
    first = connection.execute(
        select(feed.id).where(feed.at >= before).order_by(feed.id).limit(1)
    ).scalar_one_or_none()
    if first is not None:  # else all are old: keep them, so that ids never seem to start anew
        connection.execute(delete(schema.feed).where(feed.id < first))


def _prune_keys(connection: Connection, before: Instant) -> None:
    keys = schema.submission_keys
    connection.execute(delete(keys).where(keys.c.submitted_at < before))


def _entry(row: Row[Any]) -> JournalEntry:
    return JournalEntry(
        number=row.number,
        kind=row.kind,
        token=row.token,
        now=row.now,
        events=decode_events(row.events, where=f"journal entry {row.number}"),
        limit=row.decision_limit,
        digest=row.digest,
    )
