"""The files of a run, and the pool's log of events.

``runs/RUN/launch.json``   who may start it (a nonce) and what it was given; never a secret
``runs/RUN/status.json``   the truth: absent (nothing has started), ``started``, ``ended``
``runs/RUN/run.lock``      locked by the runner for its whole life, by others for a moment
``runs/RUN/cancel.json``   that it was asked to end, by which signal, with how much grace
``events.log``             one line for each change of any run's status: news, not truth

A status, once written, is only ever replaced by the holder of the lock.
"""

# Plain paths, not pathlib: a runner must start in a millisecond and stay small.
# ruff: noqa: PTH105, PTH108, PTH110, PTH118, PTH120, PTH123

import errno
import fcntl
import json
import os
from typing import Any

LAUNCH, STATUS, LOCK, CANCEL, EVENTS = (
    "launch.json",
    "status.json",
    "run.lock",
    "cancel.json",
    "events.log",
)
STARTED, ENDED = "started", "ended"
_STATUS_BYTES = 4096  # each status owns a whole block, so that its end can be told on a full disk
_DETAIL_CHARACTERS = 800


def replace_file(path: str, data: bytes, *, durable: bool) -> None:
    """Write a file, whole or not at all; private to its owner."""
    draft = f"{path}.{os.getpid()}.new"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(draft, path)
    except OSError:
        if os.path.lexists(draft):
            os.unlink(draft)
        raise
    if durable:
        sync_directory(os.path.dirname(path))


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: str) -> dict[str, Any] | None:
    """A record, ``None`` if there is none, ``{}`` if it is damaged."""
    try:
        with open(path, "rb") as file:
            value = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def read_status(directory: str) -> dict[str, Any] | None:
    """A run's status; a damaged one reads as started, for nobody knows how it ended."""
    status = read_json(os.path.join(directory, STATUS))
    return {"state": STARTED} if status == {} else status


def write_status(directory: str, status: dict[str, Any]) -> None:
    """Make a run's status durable. On a full disk the block of the earlier status is reused.

    Only the holder of the run's lock may call this.
    """
    outcome = status.get("outcome")
    if outcome and len(outcome["detail"]) > _DETAIL_CHARACTERS:
        outcome["detail"] = outcome["detail"][:_DETAIL_CHARACTERS] + "…"
    path = os.path.join(directory, STATUS)
    data = json.dumps(status).encode().ljust(_STATUS_BYTES)
    try:
        replace_file(path, data, durable=True)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not os.path.exists(path):
            raise
        _overwrite(path, data)


def _overwrite(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_event(pool_directory: str, run: str, status: dict[str, Any]) -> None:
    """Tell whoever watches. News only: on a full disk it is dropped, the status stays true."""
    line = json.dumps({"run": run, **status}).encode() + b"\n"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(os.path.join(pool_directory, EVENTS), flags, 0o600)
    except OSError:
        return
    try:
        os.write(descriptor, line)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def try_lock(directory: str) -> int | None:
    """Take a run's lock: the descriptor that holds it until it is closed, or ``None``.

    Raises:
        FileNotFoundError: there is no such run directory.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(os.path.join(directory, LOCK), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return None
    return descriptor
