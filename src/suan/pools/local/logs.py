"""Reading what a run's tasks wrote, from any offset, at the cost of what is read."""

import os
from pathlib import Path

from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.pool import LogChunk
from suan.pools.local import records

STREAMS = ("stdout", "stderr")


def read_log(directory: Path, *, task: int, stream: str, offset: int, limit: int) -> LogChunk:
    """At most ``limit`` bytes of a task's stream.

    Raises:
        PoolRejected: there is no such run, task or stream.
        PoolUnavailable: the file cannot be read.
    """
    launch = records.read_json(str(directory / records.LAUNCH))
    if launch is None or "nodes" not in launch:
        raise PoolRejected(f"run {directory.name} has no logs here", mend="it was never launched")
    if stream not in STREAMS or not 0 <= task < len(launch["nodes"]):
        raise PoolRejected(f"run {directory.name} has no {stream!r} of task {task}")
    status = records.read_status(str(directory))  # before reading: nothing follows an end
    ended = status is not None and status["state"] == records.ENDED
    if stream == "stderr" and launch["stderr"] and launch["stderr"] == launch["stdout"]:
        return LogChunk(b"", max(offset, 0), ended)  # both go to one file, told as stdout
    path = directory / f"task-{task}.{stream}"
    try:
        return _read(str(path), offset, limit, ended=ended)
    except FileNotFoundError:
        return LogChunk(b"", max(offset, 0), ended)
    except OSError as error:
        raise PoolUnavailable(f"the log {str(path)!r} cannot be read: {error.strerror}") from error


def _read(path: str, offset: int, limit: int, *, ended: bool) -> LogChunk:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        size = os.fstat(descriptor).st_size
        start = max(0, size + offset) if offset < 0 else offset
        data = os.pread(descriptor, max(0, limit), start) if start < size else b""
    finally:
        os.close(descriptor)
    following = start + len(data)
    return LogChunk(data, following, ended and following >= size)
