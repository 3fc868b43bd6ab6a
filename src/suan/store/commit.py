"""Group commit: many small writes, few fsyncs.

One thread writes. It takes the units of work that wait, runs each in one shared
transaction, commits once, and only then lets the callers know: acknowledged means durable. A unit
that fails gets its own error and takes back only its own writes. While one batch is being synced
the next one gathers by itself, so there is no timer to wait for.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from suan.killpoints import passing
from suan.model.errors import StoreUnavailable
from suan.store.errors import Place, translated

T = TypeVar("T")
Work = Callable[[Connection], T]

MAX_UNITS = 64  # in one transaction
MAX_ROWS = 1000  # about 30 ms of inserting: what a single submission may have to wait for

_BEFORE = {"submit": "submit.before_commit", "record": "record.before_commit"}
_AFTER = {
    "submit": "submit.after_commit",
    "record": "record.after_commit",
    "command": "command.after_commit",
}


@dataclass(slots=True)
class _Unit:
    work: Work[Any]
    kind: str
    rows: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None

    def deliver(self) -> None:
        if self.future.done():  # its caller was cancelled meanwhile
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


class _SpoiledError(Exception):
    """A unit's failure took the whole transaction with it: a full disk, a lost connection."""


class Writer:
    """The one writer of an engine. ``begin`` starts a transaction that excludes other writers."""

    def __init__(self, engine: Engine, place: Place) -> None:
        self._engine = engine
        self._place = place
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="suan-store-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Work[T], *, kind: str, rows: int = 1) -> T:
        """Run ``work`` in a transaction and return its value once that is durable.

        ``work`` may run more than once; only its last run counts. ``kind`` names the kill points
        passed around the commit.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed", mend="open it again")
        loop = asyncio.get_running_loop()
        unit = _Unit(work, kind, rows, loop, loop.create_future())
        self._queue.put(unit)
        value: T = await unit.future
        return value

    def close(self) -> None:
        """Finish what waits, then end the thread. Blocks until it has."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            batch, stopping = self._next_batch()
            if batch:
                self._settle(batch)
                _deliver(batch)

    def _next_batch(self) -> tuple[list[_Unit], bool]:
        batch: list[_Unit] = []
        rows = 0
        while len(batch) < MAX_UNITS and rows < MAX_ROWS:
            try:
                unit = self._queue.get(block=not batch)
            except queue.Empty:
                break
            if unit is None:
                return batch, True
            batch.append(unit)
            rows += unit.rows
        return batch, False

    def _settle(self, batch: list[_Unit]) -> None:
        """Give every unit of a batch its value or its error.

        All is well nearly always, so the first try does without savepoints, which would be a
        third of a small unit's statements. Only where a unit fails is the batch run again.
        """
        for savepoints in (False, True):
            for unit in batch:
                unit.value = unit.error = None
            try:
                self._transact(batch, savepoints=savepoints)
            except _SpoiledError as error:
                spoiled = error
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
                return self._fail(batch, error)
            else:
                return None
        return self._settle_apart(batch, spoiled)

    def _settle_apart(self, batch: list[_Unit], spoiled: _SpoiledError) -> None:
        """One unit spoiled the transaction of all: let each have its own."""
        if len(batch) == 1:
            self._fail(batch, spoiled.__cause__ or spoiled)
            return
        for at, unit in enumerate(batch):
            self._settle([unit])
            if isinstance(unit.error, StoreUnavailable):  # the next ones would only wait in turn
                self._fail(batch[at:], unit.error)
                return

    def _fail(self, batch: list[_Unit], error: BaseException) -> None:
        known = translated(error, self._place)
        for unit in batch:
            unit.error = known

    def _transact(self, batch: list[_Unit], *, savepoints: bool) -> None:
        with self._begin() as connection:  # leaving it rolls back what was not committed
            for unit in batch:
                self._run_unit(connection, unit, savepoint=savepoints, alone=len(batch) == 1)
            done = {unit.kind for unit in batch if unit.error is None}
            if done:
                _pass(_BEFORE, done)
                _commit(connection)
                _pass(_AFTER, done)

    def _begin(self) -> Connection:
        """A transaction has begun; a connection found dead is replaced once."""
        for last in (False, True):
            connection = self._engine.connect()
            try:
                connection.begin()
            except BaseException as error:
                connection.close()
                dead = isinstance(error, DBAPIError) and error.connection_invalidated
                if last or not dead:
                    raise
            else:
                return connection
        raise AssertionError("unreachable")

    def _run_unit(
        self, connection: Connection, unit: _Unit, *, savepoint: bool, alone: bool
    ) -> None:
        if savepoint:
            connection.exec_driver_sql("SAVEPOINT unit")
        try:
            unit.value = unit.work(connection)
            if savepoint:
                connection.exec_driver_sql("RELEASE SAVEPOINT unit")
        except Exception as error:
            if savepoint:
                _take_back(connection, error)
            elif not alone:
                raise _SpoiledError from error
            unit.error = translated(error, self._place)


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise StoreUnavailable(
            "the connection to the database broke during a commit: it may or may not be kept",
            mend="look whether it is there before trying again; a submission with an idempotency"
            " key can simply be repeated",
        ) from error


def _take_back(connection: Connection, error: BaseException) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
    except Exception:  # noqa: BLE001 - the transaction is gone; the unit's own error says why
        raise _SpoiledError from error


def _pass(points: dict[str, str], kinds: set[str]) -> None:
    for kind, point in points.items():
        if kind in kinds:
            passing(point)


def _deliver(batch: list[_Unit]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Unit]] = {}
    for unit in batch:
        by_loop.setdefault(unit.loop, []).append(unit)
    for loop, units in by_loop.items():
        try:
            loop.call_soon_threadsafe(_deliver_all, units)
        except RuntimeError:  # the loop was closed: nobody waits any more
            continue


def _deliver_all(units: list[_Unit]) -> None:
    for unit in units:
        unit.deliver()
