"""Asking the fork server for a runner, starting it first where none listens."""

import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from suan.model.errors import PoolOutcomeUnknown, PoolUnavailable

_ATTEMPTS = 3
_ANSWER_TIMEOUT_S = 60.0
_BACKLOG = 4096


class Launcher:
    """The client side of one home's fork server. Safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        generation = _generation()
        self._users = str(directory / f"forkserver.users.{generation}")
        self._log = directory / "forkserver.log"
        self._directory = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # by way of /proc, for a socket's path may have 107 bytes at most
        self._address = f"/proc/self/fd/{self._directory}/forkserver.socket.{generation}"
        self._using = os.open(self._users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._using, fcntl.LOCK_SH)

    def close(self) -> None:
        """Stop being a user of the fork server, so that it may end when nobody is."""
        for descriptor in (self._using, self._directory):
            os.close(descriptor)

    def ask(self, request: dict[str, Any]) -> dict[str, str]:
        """Have a runner forked, and return its answer. Asking again for one run is harmless.

        Raises:
            PoolUnavailable: no fork server can be started; nothing happened.
            PoolOutcomeUnknown: no answer came.
        """
        data = json.dumps(request).encode()
        for _ in range(_ATTEMPTS):
            try:
                reply = self._exchange(data)
            except (ConnectionRefusedError, FileNotFoundError):
                self._start()
                continue
            except OSError as error:
                raise PoolOutcomeUnknown(f"the fork server did not answer: {error}") from error
            if reply:
                answer: dict[str, str] = json.loads(reply)
                return answer
        raise PoolOutcomeUnknown(f"the fork server gave no answer; see {self._log}")

    def _exchange(self, data: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_TIMEOUT_S)
            connection.connect(self._address)
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                return _read_all(connection)
            except (BrokenPipeError, ConnectionResetError):
                return b""  # the fork server ended between two launches: ask the next one

    def _start(self) -> None:
        try:
            with self._starting():
                if not self._listens():
                    self._start_server()
        except (OSError, subprocess.SubprocessError) as error:
            raise PoolUnavailable(f"the fork server cannot be started: {error}") from error

    @contextmanager
    def _starting(self) -> Iterator[None]:
        path = f"/proc/self/fd/{self._directory}/forkserver.starting"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.connect(self._address)
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            return True

    def _start_server(self) -> None:
        """The socket listens before the server does, so no launch has to wait or try again."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            Path(self._address).unlink(missing_ok=True)
            listener.bind(self._address)
            listener.listen(_BACKLOG)
            package = str(Path(__file__).resolve().parents[3])  # what holds suan
            with self._log.open("ab") as log:
                subprocess.run(
                    [sys.executable, "-S", "-m", "suan.pools.local.forkserver", self._users],
                    stdin=listener.fileno(),
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env={**os.environ, "PYTHONPATH": package, "SUAN_KILL_AT": ""},
                    check=True,
                    timeout=_ANSWER_TIMEOUT_S,
                )


def _generation() -> str:
    """The code that runners are made of: after an upgrade a fork server of before is not asked."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    stamps = [(source.name, source.stat().st_mtime_ns) for source in sources]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()[:8]


def _read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)
