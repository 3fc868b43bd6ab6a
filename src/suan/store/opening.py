"""Opening a store: which engine, how its connections are set up, and its schema.

On both engines one writer is at work at a time: SQLite's ``BEGIN IMMEDIATE`` takes the file's
write lock, and on PostgreSQL each writing transaction first takes an advisory lock. So numbers
given in a transaction appear in the order of their commits, and nothing can deadlock.
"""

import asyncio
import os
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from suan.model.errors import InputError, StoreUnavailable
from suan.store.database import READERS, Database, Engines
from suan.store.errors import Place, translating
from suan.store.migrate import migrate
from suan.store.sql import SqlStore

LOCK_S = 5.0  # how long a writer waits for another process's lock; `?timeout=S` overrides it
WRITER_LOCK = 0x5355414E  # "SUAN": the advisory lock's number, within one database

_MEND_URL = "write sqlite:////an/absolute/path.db or postgresql://user@host/database"


async def open_sql_store(url: str, *, create: bool) -> SqlStore:
    """See ``suan.store.open_store``."""
    engines = _engines(_parse(url))
    try:
        await asyncio.to_thread(_prepare, engines, create=create)
    except BaseException:
        engines.reader.dispose()
        engines.writer.dispose()
        raise
    return SqlStore(Database(engines))


def _parse(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise InputError("this is not a store's URL", where="store", mend=_MEND_URL) from error
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername != "sqlite":
        raise InputError(
            f"a store cannot be kept in {url.drivername!r}", where="store", mend=_MEND_URL
        )
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise InputError("a SQLite store needs a file's path", where="store", mend=_MEND_URL)
    return url


def _timeout(url: URL) -> tuple[URL, float]:
    """A URL without its ``timeout``, and that."""
    text = str(url.query.get("timeout", LOCK_S))
    try:
        return url.difference_update_query(["timeout"]), float(text)
    except ValueError as error:
        raise InputError(
            f"the timeout {text!r} is not a number of seconds", where="store", mend=_MEND_URL
        ) from error


def _engines(url: URL) -> Engines:
    return _sqlite(url) if url.get_backend_name() == "sqlite" else _postgres(url)


def _prepare(engines: Engines, *, create: bool) -> None:
    with translating(engines.place):
        file = engines.place.file
        if file is not None:
            _make_file(file, create=create)
        migrate(engines.writer, engines.place, create=create)


# --- SQLite ---


def _sqlite(url: URL) -> Engines:
    assert url.database is not None
    plain, timeout = _timeout(url)
    place = Place(str(plain), Path(url.database).absolute())
    settings: dict[str, Any] = {"connect_args": {"timeout": timeout, "check_same_thread": False}}
    writer = create_engine(plain, pool_size=1, max_overflow=0, **settings)
    reader = create_engine(plain, pool_size=READERS, max_overflow=0, **settings)
    event.listen(writer, "connect", _set_up_sqlite_writer)
    event.listen(writer, "begin", _begin_immediate)
    event.listen(reader, "connect", _set_up_sqlite_reader)
    return Engines("sqlite", place, writer, reader)


def _set_up_sqlite_writer(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver starts no transaction of its own
    # FULL syncs the log at every commit; in WAL mode a lesser setting may lose the last ones.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("PRAGMA journal_size_limit=67108864")


def _set_up_sqlite_reader(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _make_file(file: Path, *, create: bool) -> None:
    """Make the file, for its owner alone: it will hold secrets. SQLite's own files follow it."""
    if file.exists():
        return
    if not create:
        raise StoreUnavailable(
            f"there is no store at {file}", mend="start a server first (suan up), or mend the path"
        )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))


# --- PostgreSQL ---


def _postgres(url: URL) -> Engines:
    url, timeout = _timeout(url)
    place = Place(url.render_as_string(hide_password=True).replace("+psycopg", "", 1))
    settings: dict[str, Any] = {"connect_args": {"connect_timeout": 5, "application_name": "suan"}}
    writer = create_engine(url, pool_size=1, max_overflow=0, **settings)
    reader = create_engine(
        url, pool_size=READERS, max_overflow=0, isolation_level="AUTOCOMMIT", **settings
    )
    event.listen(writer, "connect", partial(_set_up_postgres_writer, timeout))
    event.listen(writer, "begin", _take_writer_lock)
    return Engines("postgresql", place, writer, reader)


def _set_up_postgres_writer(timeout: float, connection: Any, _record: object) -> None:
    """Make a commit mean durable whatever the server's default, and let no writer block others:
    one that hangs in a transaction is thrown out after five seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
        cursor.execute("SET idle_in_transaction_session_timeout = '5s'")
        cursor.execute(f"SET lock_timeout = {int(timeout * 1000)}")
    connection.commit()


def _take_writer_lock(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
