"""Starting one task: a process in its own session, with its own output, environment and limits."""

# Plain paths, not pathlib: a runner must start in a millisecond and stay small.
# ruff: noqa: PTH118

import os
import signal
from collections.abc import Callable
from typing import Any

from suan.pools.local import processes

_CANNOT_EXECUTE = 126


class Outputs:
    """Where a run's tasks write: for each task and stream a file of its own.

    A run whose streams are to be copied to one file has them in one from the start, in order.
    """

    def __init__(self, directory: str, *, together: bool) -> None:
        self._directory = directory
        self._together = together

    def path(self, rank: int, stream: str) -> str:
        """The file of a task's stream."""
        return os.path.join(
            self._directory, f"task-{rank}.{'stdout' if self._together else stream}"
        )

    def open(self, rank: int, stream: str) -> int:
        """A descriptor to append to."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self.path(rank, stream), flags, 0o644)


def start(
    request: dict[str, Any], rank: int, outputs: Outputs, *, limit: Callable[[], None]
) -> int:
    """Fork and execute one task; returns its process id, which is also its session.

    Raises:
        OSError: no process could be made, or its output could not be opened.
    """
    stdout = outputs.open(rank, "stdout")
    stderr = outputs.open(rank, "stderr")
    runner = os.getpid()
    try:
        pid = os.fork()
        if pid == 0:
            _become_task(request, rank, (stdout, stderr), limit=limit, runner=runner)
    finally:
        os.close(stdout)
        os.close(stderr)
    return pid


def _become_task(
    request: dict[str, Any],
    rank: int,
    outputs: tuple[int, int],
    *,
    limit: Callable[[], None],
    runner: int,
) -> None:
    try:
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
        os.setsid()
        processes.die_with_parent(runner)
        for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        limit()
        os.chdir(request["workdir"])
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        command = request["command"]
        environment = request["env"] | request["tasks"][rank]
        os.execve(command[0], command, environment)  # noqa: S606 - the point of it all
    except (OSError, ValueError) as error:
        os.write(2, f"suan: cannot start the task: {error}\n".encode())
    finally:
        os._exit(_CANNOT_EXECUTE)
