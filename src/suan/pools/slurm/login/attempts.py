"""The files of one run, and the order that makes it start at most once.

``launch.K``  attempt K: what was launched, or that it was given up; made whole and once, by link
``job.K``     the Slurm job that was submitted for it
``turn.K``    who decided: made once (``O_EXCL``) by the keeper as it starts, or by who revokes it
``end.K``     the keeper's word on the end
``cancel.K``  that it was asked to end; ``over.K`` the end of what no keeper could tell

A keeper that finds ``turn.K`` taken does nothing. So an attempt is either started or revoked,
however many jobs were submitted for it and whenever they start; only then may attempt K + 1 be
made. Exclusive creation and links are atomic on NFS, too; no locks are needed.
"""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH103, PTH105, PTH108, PTH118, PTH123

import json
import os
from typing import Any

REVOKED = "revoked"


class Attempts:
    """One run's directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path(self, name: str, attempt: "int | None" = None) -> str:
        return os.path.join(self.directory, name if attempt is None else f"{name}.{attempt}")

    def newest(self) -> "tuple[int, dict[str, Any] | None]":
        """The last attempt and its record; ``(0, None)`` where there is none."""
        attempt, record = 0, None
        while True:
            following = self.json("launch", attempt + 1)
            if following is None:
                return attempt, record
            attempt, record = attempt + 1, following

    def make(self, attempt: int, record: "dict[str, Any]") -> bool:
        """Make an attempt, whole; ``False`` if another was quicker."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        return self.once(f"launch.{attempt}", json.dumps(record))

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
        return told(self.text("end", attempt))

    def job(self, attempt: int) -> "str | None":
        text = self.text("job", attempt)
        return text.strip() if text and text.endswith("\n") else None

    def json(self, name: str, attempt: int) -> "dict[str, Any] | None":
        """A record; ``None`` if there is none."""
        text = self.text(name, attempt)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except ValueError:
            value = {}
        return value if isinstance(value, dict) else {}

    def write(self, name: str, attempt: int, text: str) -> None:
        """Write a file, whole or not at all."""
        draft = self.path(f"{name}.{os.getpid()}.{id(text):x}.new")
        write(draft, text)
        os.replace(draft, self.path(name, attempt))

    def text(self, name: str, attempt: int) -> "str | None":
        try:
            with open(self.path(name, attempt), encoding="utf-8", errors="replace") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None


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


def write(path: str, text: str) -> None:
    """A private file with this content."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
