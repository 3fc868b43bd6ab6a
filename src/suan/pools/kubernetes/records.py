"""What is kept of ended runs on the server's own disk: how they ended, and what they wrote."""

import contextlib
import json
import shutil
from pathlib import Path

import msgspec

from suan.model.job import Outcome
from suan.model.pool import RunReport, Usage
from suan.model.units import RunId
from suan.pools.kubernetes.marks import base_name

_RECORD = "ended.json"


class Record(msgspec.Struct):
    """An ended run."""

    run: str
    tasks: int
    started_at: int | None
    ended_at: int | None
    outcome: Outcome
    usage: Usage | None

    def report(self) -> RunReport:
        run = RunId(self.run)
        return RunReport(run, run, self.started_at, self.ended_at, self.outcome, self.usage)


class Records:
    """A directory for each run, under ``directory``; those that ended before ``keep_us`` go."""

    def __init__(self, directory: Path, keep_us: int) -> None:
        self._directory = directory
        self._keep_us = keep_us
        self.ended: dict[RunId, Record] = {}

    def load(self) -> None:
        """Read what is there."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._directory.glob(f"*/{_RECORD}"):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                record = msgspec.json.decode(path.read_bytes(), type=Record)
                self.ended[RunId(record.run)] = record

    def put(self, record: Record) -> None:
        """Keep an ended run."""
        path = self.folder(record.run) / _RECORD
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(path)
        self.ended[RunId(record.run)] = record

    def prune(self, now_us: int) -> None:
        """Forget what ended long ago."""
        for run, record in tuple(self.ended.items()):
            if (record.ended_at or 0) < now_us - self._keep_us:
                shutil.rmtree(self.folder(run), ignore_errors=True)
                del self.ended[run]

    def folder(self, run: str) -> Path:
        return self._directory / base_name(run)

    def log(self, run: str, task: int, stream: str) -> Path:
        return self.folder(run) / f"task-{task}.{stream}"

    def left(self, run: str) -> Path:
        """Where it is noted what a run has left."""
        return self.folder(run) / "left.json"

    def place(self, run: str, task: int) -> Path:
        """Where it is noted how far a task's log was read."""
        return self.folder(run) / f"task-{task}.read"


def read(path: Path, offset: int, limit: int) -> tuple[bytes, int, int]:
    """A piece of a file, where the next begins, and the file's size."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size + offset) if offset < 0 else offset
            file.seek(start)
            data = file.read(max(0, limit)) if start < size else b""
    except FileNotFoundError:
        return b"", max(offset, 0), 0
    return data, start + len(data), size


def noted(path: Path) -> dict[str, int | str | bool]:
    """A note; empty if there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note(path: Path, text: str) -> None:
    """Write a note, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
