"""The fork server: a small process that forks a runner for each launch, in about a millisecond.

Started as ``python -m suan.pools.local.forkserver USERS_LOCK`` with a listening Unix socket as its
standard input. Each connection is one launch: the client writes a request and closes its side, the
runner answers and closes the other. Requests carry secrets, so they go through the socket and stay
in memory. Runners are independent of this process: it may die at any time and be started again.

It ends by itself when nothing was asked of it for a while and no pool holds the users' lock.
"""

import errno
import fcntl
import gc
import os
import select
import signal
import socket
import struct
import sys
import time

from suan.pools.local import processes, runner

_IDLE_S = float(os.environ.get("SUAN_FORKSERVER_IDLE_S", "60"))
_STANDARD_INPUT = 0


def main() -> None:
    """Leave the terminal and the starter behind, and serve."""
    listener = socket.socket(fileno=os.dup(_STANDARD_INPUT))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, _STANDARD_INPUT)
    os.close(null)
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    processes.adopt_orphans()
    gc.collect()
    gc.freeze()
    Forkserver(listener, sys.argv[1]).serve()


class Forkserver:
    """Accepts, forks, and reaps."""

    def __init__(self, listener: socket.socket, users: str) -> None:
        self._listener = listener
        self._users = users
        self._runners: set[int] = set()
        self._last_asked = time.monotonic()
        listener.setblocking(False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Until idle."""
        while True:
            watched = [self._listener.fileno(), self._woken]
            ready, _, _ = select.select(watched, [], [], _IDLE_S)
            if self._woken in ready:
                _drain(self._woken)
            self._reap()
            if self._listener.fileno() in ready:
                self._accept()
            elif time.monotonic() - self._last_asked >= _IDLE_S and self._unused():
                return

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self._last_asked = time.monotonic()
        with connection:
            connection.setblocking(True)
            if not _same_user(connection):
                return
            try:
                pid = os.fork()
            except OSError as error:
                connection.sendall(runner.answer("failed", f"cannot fork: {error}"))
                return
            if pid == 0:
                self._become_runner(connection)
            self._runners.add(pid)

    def _become_runner(self, connection: socket.socket) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._woken)
        self._listener.close()
        runner.main(connection)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._runners:
                self._runners.discard(pid)
                if status != 0:
                    self._kill_orphans()

    def _kill_orphans(self) -> None:
        """A runner was killed, or failed: what it left is ours now, and must not survive it."""
        for pid in set(processes.children(os.getpid())) - self._runners:
            processes.signal_all([pid], signal.SIGSTOP)
            processes.kill_descendants(pid)
            processes.signal_all([pid], signal.SIGKILL)

    def _unused(self) -> bool:
        try:
            descriptor = os.open(self._users, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            return False
        finally:
            os.close(descriptor)
        return True


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        return


def _same_user(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


if __name__ == "__main__":
    main()
