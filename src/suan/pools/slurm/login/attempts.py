"""The files of one run, and the order that makes it start at most once.

``launch.K``  attempt K: what was launched, or that it was given up; made whole and once, by link.
              The job that Slurm made of it is a second line, added later
``turn.K``    who decided: made once (``O_EXCL``) by the keeper as it starts, or by who revokes it
``end.K``     the keeper's word on the end
``cancel.K``  that it was asked to end; ``over.K`` the end of what no keeper could tell

A keeper that finds ``turn.K`` taken does nothing. So an attempt is either started or revoked,
however many jobs were submitted for it and whenever they start; only then may attempt K + 1 be
made. Exclusive creation and links are atomic on NFS, too; no locks are needed.

What begins and what ends is told in one directory for all runs, and moved from there: Slurm makes
``news/RUN.out``, into which it writes what goes wrong, as a job starts, and the keeper writes its
word on the end as ``news/RUN.end``. At most one attempt of a run ever starts, so neither needs K.
A file is made for each only once, and none is deleted: that is what costs most of a short job.
"""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH103, PTH104, PTH105, PTH108, PTH110, PTH118, PTH120, PTH123

import json
import os
from typing import Any

REVOKED = "revoked"
OUT, END = "out", "end"  # kinds of news
_LAST = 4096  # bytes of what may be long


class Attempts:
    """One run's directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        above, self.run = os.path.split(directory)
        self._news = os.path.join(os.path.dirname(above), "news", self.run)

    def path(self, name: str, attempt: "int | None" = None) -> str:
        return os.path.join(self.directory, name if attempt is None else f"{name}.{attempt}")

    def newest(self) -> "tuple[int, dict[str, Any] | None]":
        """The last attempt and its record; ``(0, None)`` where there is none."""
        attempt, record = 0, None
        while True:
            following = self.launch(attempt + 1)
            if following is None:
                return attempt, record
            attempt, record = attempt + 1, following

    def make(self, attempt: int, record: "dict[str, Any]") -> bool:
        """Make an attempt, whole; ``False`` if another was quicker."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        return self.once(f"launch.{attempt}", json.dumps(record) + "\n")

    def launch(self, attempt: int) -> "dict[str, Any] | None":
        """An attempt's record; ``None`` if there is none."""
        text = self.text("launch", attempt)
        return None if text is None else _object(text.partition("\n")[0])

    def submitted(self, attempt: int, job: str) -> None:
        """Record the job that was submitted for an attempt."""
        descriptor = os.open(self.path("launch", attempt), os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, (job + "\n").encode())
        finally:
            os.close(descriptor)

    def job(self, attempt: int) -> "str | None":
        """The last job that was submitted for an attempt, if any is known."""
        jobs = (self.text("launch", attempt) or "").split("\n")[1:-1]
        return jobs[-1] if jobs else None

    def once(self, name: str, text: str) -> bool:
        """Make a file with its content, unless it is there."""
        draft = self.path(f"{name}.{os.getpid()}.{id(text):x}.new")
        write(draft, text)
        try:
            os.link(draft, self.path(name))
        except FileExistsError:
            return False
        finally:
            os.unlink(draft)
        return True

    def revoke(self, attempt: int) -> bool:
        """See to it that an attempt never starts; ``False`` if it has started."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            descriptor = os.open(self.path("turn", attempt), flags, 0o600)
        except FileExistsError:
            return self.turn(attempt) == [REVOKED]
        os.write(descriptor, (REVOKED + "\n").encode())
        os.close(descriptor)
        return True

    def turn(self, attempt: int) -> "list[str] | None":
        """``[REVOKED]``, or the keeper's job, time and node; ``None`` while nothing is decided."""
        text = self.text("turn", attempt)
        return None if text is None else text.split()

    def end(self, attempt: int) -> "list[str] | None":
        """The keeper's word on the end; see ``told``."""
        text = _read(self.news(END))  # first: it may be moved while one looks
        return told(self.text("end", attempt) if text is None else text)

    def output(self) -> str:
        """What Slurm wrote of the jobs themselves, or the end of it."""
        text = _read(self.news(OUT), _LAST)
        return (_read(self.path("slurm.out"), _LAST) if text is None else text) or ""

    def news(self, kind: str) -> str:
        """Where news of the run are told."""
        return f"{self._news}.{kind}"

    def keep(self, kind: str, attempt: int) -> None:
        """Move news to where they stay."""
        at = self.path("slurm.out") if kind == OUT else self.path("end", attempt)
        try:
            if os.path.exists(at):  # an attempt that was revoked: its job started, and did nothing
                os.unlink(self.news(kind))
            else:
                os.rename(self.news(kind), at)
        except FileNotFoundError:
            return  # another did

    def json(self, name: str, attempt: int) -> "dict[str, Any] | None":
        """A record; ``None`` if there is none."""
        text = self.text(name, attempt)
        return None if text is None else _object(text)

    def write(self, name: str, attempt: int, text: str) -> None:
        """Write a file, whole or not at all."""
        draft = self.path(f"{name}.{os.getpid()}.{id(text):x}.new")
        write(draft, text)
        os.replace(draft, self.path(name, attempt))

    def text(self, name: str, attempt: int) -> "str | None":
        return _read(self.path(name, attempt))


def told(text: "str | None") -> "list[str] | None":
    """The parts of a keeper's record of an end, if it is whole: the exit code, the time, the signal
    by which somebody had asked for it (or ``-``), and the processor time as bash's ``times`` has it
    """
    if not text or not text.endswith("\n"):
        return None
    lines = text.splitlines()
    words = lines[-1].split()
    if len(words) != 4 or words[0] != "end":
        return None
    return [words[1], words[2].replace(",", "."), words[3], lines[1] if len(lines) > 2 else ""]


def _object(text: str) -> "dict[str, Any]":
    try:
        value = json.loads(text)
    except ValueError:
        value = {}
    return value if isinstance(value, dict) else {}


def _read(path: str, last: "int | None" = None) -> "str | None":
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if last is not None and size > last:
                file.seek(size - last)
            return file.read().decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path: str, text: str) -> None:
    """A private file with this content."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
