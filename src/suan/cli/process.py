"""The server's process on this machine: which it is, whether it lives."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from suan.client.discovery import home, read_record


@dataclass(frozen=True, slots=True)
class Registered:
    """The server that ``server.json`` names."""

    url: str
    pid: int
    version: str

    @property
    def alive(self) -> bool:
        """Whether its process runs, and is suan's: a pid may have been given to another."""
        if not _runs(self.pid):
            return False
        command = _command(self.pid)
        return not command or "suan" in command

    def end(self, within_s: float) -> bool:
        """Ask the process to end; whether it has within ``within_s`` seconds.

        Raises:
            PermissionError: it belongs to someone else.
        """
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            return True
        until = time.monotonic() + within_s
        while _runs(self.pid):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


def record_path() -> Path:
    """Where a server on this machine writes what it is."""
    return home() / "server.json"


def registered() -> Registered | None:
    """The server that was last started here, whether it lives or not.

    Raises:
        InputError: its record is damaged.
    """
    record = read_record(record_path())
    pid = record.get("pid") if record else None
    if record is None or not isinstance(pid, int):
        return None
    return Registered(str(record["url"]), pid, str(record.get("version", "")))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A process that has ended stays until its parent takes note of it.
    return ") Z " not in _read(f"/proc/{pid}/stat")


def _command(pid: int) -> str:
    return _read(f"/proc/{pid}/cmdline").replace("\0", " ")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
