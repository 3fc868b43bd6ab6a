"""``server.json``: how a client on this machine finds the server that leads."""

import json
import os
from pathlib import Path

from suan import __version__


class Registration:
    """One server's claim on ``server.json`` in its home.

    Several servers may share a home (one leads, the others stand by): the file names the one that
    claimed it last, and only that one takes it away again.
    """

    def __init__(self, home: Path, url: str, started_at_us: int) -> None:
        self._path = home / "server.json"
        self._body = {
            "url": url,
            "pid": os.getpid(),
            "started_at_us": started_at_us,
            "version": __version__,
        }

    def claim(self, *, leading: bool) -> None:
        """Write the file: always as the leader, otherwise only where no live server is named."""
        current = self._read()
        if current == self._body:
            return
        if not leading and current is not None and _alive(current.get("pid")):
            return
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(self._body))
        draft.replace(self._path)

    def withdraw(self) -> None:
        """Take the file away if it still names this server."""
        if self._read() == self._body:
            self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, object] | None:
        try:
            body = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return None
        return body if isinstance(body, dict) else None


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the latter: a number that no process has
        return False
    except PermissionError:
        return True
    return True
