"""What a run has left on a disk: its output folder, and files that it names below another."""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH112, PTH116, PTH118, PTH123

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from suan.content import manifest

MOST_FILES = 100_000
_PIECE = 1 << 20


class NoSuch(Exception):
    """There is no such file among them."""


class Left:
    """``folder`` is the run's own for output; ``named`` are paths below ``workdir`` that count,
    too. Where both have a path, the folder's counts. Links that lead elsewhere do not."""

    def __init__(self, folder: str, workdir: str, named: "Sequence[str]") -> None:
        self._folder = os.path.realpath(folder)
        self._workdir = os.path.realpath(workdir)
        self._named = [each for each in map(_tidy, named) if manifest.is_plain(each)]

    def files(self) -> "list[tuple[str, int, str, bool]]":
        """Path, size, SHA-256 and whether it can be executed, of each regular file, by path."""
        found = {}  # type: dict[str, tuple[str, int, str, bool]]
        for path, file in self._all():
            if path not in found and len(found) < MOST_FILES:
                status = os.stat(file)
                executable = bool(status.st_mode & stat.S_IXUSR)
                found[path] = (path, *_hashed(file), executable)
        return [found[path] for path in sorted(found)]

    def read(self, path: str, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes of one from ``offset``.

        Raises:
            NoSuch: there is none.
        """
        file = self._file(path)
        if file is None:
            raise NoSuch(f"there is no output {path!r}")
        with open(file, "rb") as opened:
            opened.seek(offset)
            return opened.read(limit)

    def _file(self, path: str) -> "str | None":
        if not manifest.is_plain(path):
            return None
        inside = any(path == each or path.startswith(each + "/") for each in self._named)
        for top in (self._folder, self._workdir) if inside else (self._folder,):
            file = _regular(os.path.join(top, path), top)
            if file is not None:
                return file
        return None

    def _all(self) -> "Iterator[tuple[str, str]]":
        for path in _below(self._folder, ""):
            file = _regular(os.path.join(self._folder, path), self._folder)
            if file is not None:
                yield path, file
        for each in self._named:
            for path in _below(self._workdir, each):
                file = _regular(os.path.join(self._workdir, path), self._workdir)
                if file is not None:
                    yield path, file


def _tidy(path: str) -> str:
    return os.path.normpath(path)


def _below(top: str, start: str) -> "Iterable[str]":
    """Every path from ``start`` on, relative to ``top``; links to folders are not followed."""
    whole = os.path.join(top, start) if start else top
    if not os.path.isdir(whole):
        return [start] if start else []
    found = []
    for folder, _, names in os.walk(whole):
        found += [os.path.relpath(os.path.join(folder, name), top) for name in names]
    return found


def _regular(path: str, top: str) -> "str | None":
    """The real path of a regular file that is below ``top``."""
    real = os.path.realpath(path)
    if not real.startswith(top.rstrip("/") + "/"):
        return None
    try:
        return real if stat.S_ISREG(os.stat(real).st_mode) else None
    except OSError:
        return None


def _hashed(file: str) -> "tuple[int, str]":
    found, size = hashlib.sha256(), 0
    with open(file, "rb") as opened:
        while True:
            piece = opened.read(_PIECE)
            if not piece:
                return size, found.hexdigest()
            found.update(piece)
            size += len(piece)
