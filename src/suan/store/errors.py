"""What drivers and the operating system raise, turned into the tree of ``StoreError``, here only.

Sources: SQLite's result codes (sqlite.org/rescode.html) and PostgreSQL's SQLSTATEs (its manual's
appendix A). Every message says what happened, where, and how to mend it.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from suan.model.errors import (
    InputError,
    StoreConflict,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    SuanError,
)

_MENDS: dict[type[StoreError], str] = {
    StoreFull: "free some space there; nothing that was acknowledged is lost",
    StoreReadOnly: "make it writable for this user; nothing that was acknowledged is lost",
    StoreUnavailable: "try again; if it lasts, see that the store is up and no one else holds it",
    StoreCorrupt: "stop suan and restore the store from a backup, or name another one",
    StoreConflict: "read again what is there and decide anew",
    StoreError: "see the message; `suan doctor` looks at the store",
}

_SQLITE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (StoreFull, "no space is left for the store"),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "the store cannot be written"),
    sqlite3.SQLITE_PERM: (StoreReadOnly, "the store may not be written"),
    sqlite3.SQLITE_BUSY: (StoreUnavailable, "the store is locked by another process"),
    sqlite3.SQLITE_LOCKED: (StoreUnavailable, "the store is locked"),
    sqlite3.SQLITE_IOERR: (StoreUnavailable, "the store's file could not be read or written"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailable, "the store's file cannot be opened"),
    sqlite3.SQLITE_NOMEM: (StoreUnavailable, "no memory is left for the store"),
    sqlite3.SQLITE_PROTOCOL: (StoreUnavailable, "the store is locked by another process"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "the store's file is damaged"),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "this file is not a database"),
    sqlite3.SQLITE_CONSTRAINT: (StoreConflict, "an id or key is already taken"),
}

# By SQLSTATE, then by its class (the first two characters).
_POSTGRES: dict[str, tuple[type[StoreError], str]] = {
    "53100": (StoreFull, "no space is left where the database lives"),
    "25006": (StoreReadOnly, "the database is read-only"),
    "42501": (StoreReadOnly, "the database's role may not write here"),
    "23505": (StoreConflict, "an id or key is already taken"),
    "42P01": (StoreCorrupt, "a table of the store is missing"),
    "42703": (StoreCorrupt, "a column of the store is missing"),
    "3D000": (StoreUnavailable, "the database does not exist"),
    "08": (StoreUnavailable, "the connection to the database failed"),
    "23": (StoreConflict, "a rule of the store was broken"),
    "28": (StoreUnavailable, "the database did not accept the name or password"),
    "40": (StoreUnavailable, "the database broke off a transaction"),
    "53": (StoreUnavailable, "the database is short of resources"),
    "55": (StoreUnavailable, "the store is locked by another server"),
    "57": (StoreUnavailable, "the database is shutting down or broke off a statement"),
    "25": (StoreUnavailable, "the database broke off a transaction"),
    "58": (StoreUnavailable, "the database met an error of its system"),
    "XX": (StoreCorrupt, "the database reports damage"),
}

_OS: dict[int, type[StoreError]] = {
    errno.ENOSPC: StoreFull,
    errno.EDQUOT: StoreFull,
    errno.EROFS: StoreReadOnly,
    errno.EACCES: StoreReadOnly,
    errno.EPERM: StoreReadOnly,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store lives, for messages: its URL without a password, and its file if it has one."""

    name: str
    file: Path | None = None


@contextmanager
def translating(place: Place) -> Iterator[None]:
    """Let nothing but suan's own errors out."""
    try:
        yield
    except SuanError:
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError, UnicodeEncodeError, OverflowError) as error:
        raise translated(error, place) from error


def translated(error: BaseException, place: Place) -> SuanError:
    """The error of suan's own that says the same; anything unknown is a plain ``StoreError``."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(cause, SuanError):
        return cause
    if isinstance(cause, UnicodeEncodeError | OverflowError) or _not_text(cause):
        return InputError(
            f"a value cannot be stored: {_first_line(cause)}",
            mend="use text without NUL or lone surrogates, and numbers of at most 64 bits",
        )
    kind, what = _known(cause, place)
    return kind(f"{what}: {place.name} ({_first_line(cause)})", mend=_mend(kind, cause))


def _known(cause: BaseException, place: Place) -> tuple[type[StoreError], str]:
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause, place)
    if isinstance(cause, PoolTimeout):
        return StoreUnavailable, "too many reads of the store are under way"
    if isinstance(cause, OSError):
        kind = _OS.get(cause.errno or 0, StoreUnavailable)
        return kind, "the store cannot be reached"
    return _of_postgres(cause)


def _of_sqlite(cause: sqlite3.Error, place: Place) -> tuple[type[StoreError], str]:
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:  # raised by Python's own module, not by SQLite
        if "decode to UTF-8" in str(cause):
            return _SQLITE[sqlite3.SQLITE_CORRUPT]
        return StoreError, "the store could not do this"
    code &= 0xFF
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and place.file is not None:
        # These two say only that a system call failed; the file system knows why.
        code = _why_not(place.file.parent) or code
    if code == sqlite3.SQLITE_ERROR and "no such" in str(cause):
        return StoreCorrupt, "a table or column of the store is missing"
    return _SQLITE.get(code, (StoreError, "the store could not do this"))


def _why_not(directory: Path) -> int | None:
    try:
        state = os.statvfs(directory)
    except OSError:
        return None
    if state.f_flag & os.ST_RDONLY or not os.access(directory, os.W_OK):
        return sqlite3.SQLITE_READONLY
    return sqlite3.SQLITE_FULL if state.f_bavail == 0 else None


def _of_postgres(cause: BaseException) -> tuple[type[StoreError], str]:
    state = getattr(cause, "sqlstate", None) or ""
    if not state and "FATAL" in str(cause):  # a refused connection carries its reason as text
        return _refused(str(cause))
    if not state and type(cause).__name__ == "OperationalError":
        return StoreUnavailable, "the database cannot be reached"
    unknown = StoreError, "the store could not do this"
    return _POSTGRES.get(state) or _POSTGRES.get(state[:2], unknown)


def _refused(text: str) -> tuple[type[StoreError], str]:
    if "does not exist" in text and "database" in text:
        return _POSTGRES["3D000"]
    if "authentication" in text or "password" in text or "role" in text or "pg_hba" in text:
        return _POSTGRES["28"]
    return StoreUnavailable, "the database refused the connection"


def _mend(kind: type[StoreError], cause: BaseException) -> str:
    text = str(cause)
    if kind is StoreUnavailable and ("authentication" in text or "password" in text):
        return "put the right name and password into the store's URL"
    if kind is StoreUnavailable and "does not exist" in text:
        return "create it first (createdb), or mend the store's URL"
    return _MENDS[kind]


def _not_text(cause: BaseException) -> bool:
    return "NUL (0x00)" in str(cause) or getattr(cause, "sqlstate", "") in ("22021", "22003")


def _first_line(cause: BaseException) -> str:
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
