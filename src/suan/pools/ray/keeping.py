"""What the server keeps of its runs in a Ray cluster: that they were launched, how they ended, and
what was fetched of their output. Ray forgets, with its head, with a node, or when it is told to.

``RUN/launch.json`` is written before Ray hears of a run; ``RUN/end.json`` once its end is known.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

_LAUNCH, _END = "launch.json", "end.json"


class Keeping:
    """One pool's folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def launched(self, run: str, record: dict[str, Any]) -> None:
        """Note what Ray is about to be told."""
        (self._directory / run).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(run, _LAUNCH, json.dumps(record).encode())

    def ended(self, run: str, outcome: dict[str, Any]) -> None:
        """Note how a run ended."""
        if (self._directory / run).is_dir():
            self._write(run, _END, json.dumps(outcome).encode())

    def launch(self, run: str) -> dict[str, Any] | None:
        """What Ray was told of a run, or was about to be."""
        return self._read(run, _LAUNCH)

    def end(self, run: str) -> dict[str, Any] | None:
        """How a run ended, if that is known."""
        return self._read(run, _END)

    def runs(self) -> list[str]:
        """Every run of which something is kept."""
        return _names(self._directory)

    def piece(self, run: str, name: str) -> bytes | None:
        """A piece of output, if it was fetched."""
        try:
            return (self._directory / run / name).read_bytes()
        except OSError:
            return None

    def pieces(self, run: str) -> list[str]:
        """The pieces of output that were fetched of a run."""
        return _names(self._directory / run)

    def keep_piece(self, run: str, name: str, data: bytes) -> None:
        """Keep a piece of output."""
        if (self._directory / run).is_dir():
            self._write(run, name, data)

    def long_ended(self, keep_s: float) -> list[str]:
        """Runs that ended longer ago."""
        before = time.time() - keep_s
        found = []
        for run in self.runs():
            path = self._directory / run / _END
            if path.exists() and path.stat().st_mtime < before:
                found.append(run)
        return found

    def forget(self, run: str) -> None:
        """Drop what is kept of a run."""
        shutil.rmtree(self._directory / run, ignore_errors=True)

    def _write(self, run: str, name: str, data: bytes) -> None:
        draft = self._directory / run / f"{name}.new"
        draft.write_bytes(data)
        draft.replace(self._directory / run / name)

    def _read(self, run: str, name: str) -> dict[str, Any] | None:
        try:
            found = json.loads((self._directory / run / name).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
