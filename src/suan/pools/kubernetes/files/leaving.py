"""What runs have left, as their keepers send it: a tar of each task's, kept below a folder."""

# The oldest Python of an image sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH101, PTH103, PTH104, PTH112, PTH113, PTH114, PTH116, PTH118, PTH120
# ruff: noqa: PTH123, PTH208, PTH211

import json
import os
import re
import shutil
import tarfile
import tempfile
from typing import Any

from suan.content import manifest
from suan.content.outputs import Left, NoSuch

OUTPUT, WORK, LISTED = "output", "work", "listed.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class Wrong(Exception):
    """A request that cannot be met: no such run, or no such file."""


class Leavings:
    """Folders by run and rank."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def take(self, of: "tuple[str, int, str]", data: Any, *, named: "list[str]") -> None:
        """Keep a tar of a run's task (``of``: run and rank), of its ``output`` folder or of what it
        has ``named`` below its ``work``. Again replaces it.

        Raises:
            Wrong: it is none.
        """
        run, rank, part = of
        if part not in (OUTPUT, WORK):
            raise Wrong(f"{part!r} is no part of what a task leaves")
        place = os.path.join(self._of(run), str(rank))
        for each in (OUTPUT, WORK):
            os.makedirs(os.path.join(place, each), exist_ok=True)
        draft = tempfile.mkdtemp(dir=place)
        try:
            with tarfile.open(fileobj=data, mode="r|") as archive:
                for member in archive:
                    _take(archive, member, draft)
        except tarfile.TarError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise Wrong(f"no tar: {error}") from None
        kept = os.path.join(place, part)
        shutil.rmtree(kept)
        os.rename(os.path.join(draft, OUTPUT) if part == OUTPUT else draft, kept)
        listed = self._left(place, named).files()
        with open(os.path.join(place, LISTED), "w") as file:
            json.dump({"named": named, "files": listed}, file)

    def listed(self, run: str) -> "list[tuple[int, str, int, str, bool]]":
        """Rank, path, size, SHA-256 and whether it can be executed; of a path in several ranks the
        lowest."""
        found = {}  # type: dict[str, tuple[int, str, int, str, bool]]
        for rank in sorted(map(int, filter(str.isdigit, self._ranks(run)))):
            for path, size, digest, executable in self._told(run, rank)["files"]:
                found.setdefault(path, (rank, path, size, digest, executable))
        return [found[path] for path in sorted(found)]

    def read(self, run: str, rank: int, path: str, *, span: "tuple[int, int]") -> bytes:
        """Bytes of one file; ``span``: the offset and the most bytes.

        Raises:
            Wrong: there is no such file.
        """
        place = os.path.join(self._of(run), str(rank))
        try:
            return self._left(place, self._told(run, rank)["named"]).read(path, *span)
        except NoSuch as error:
            raise Wrong(str(error)) from None

    def sweep(self, before: float) -> None:
        """Forget what was left before a time (seconds since 1970)."""
        for run in os.listdir(self._directory) if os.path.isdir(self._directory) else ():
            place = os.path.join(self._directory, run)
            if os.stat(place).st_mtime < before:
                shutil.rmtree(place, ignore_errors=True)

    def _of(self, run: str) -> str:
        if not _NAME.fullmatch(run):
            raise Wrong(f"{run!r} is no run")
        return os.path.join(self._directory, run)

    def _ranks(self, run: str) -> "list[str]":
        place = self._of(run)
        return os.listdir(place) if os.path.isdir(place) else []

    def _told(self, run: str, rank: int) -> "dict[str, Any]":
        try:
            with open(os.path.join(self._of(run), str(rank), LISTED)) as file:
                return dict(json.load(file))
        except OSError:
            raise Wrong(f"task {rank} of {run!r} has left nothing") from None

    def _left(self, place: str, named: "list[str]") -> Left:
        return Left(os.path.join(place, OUTPUT), os.path.join(place, WORK), named)


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: str) -> None:
    """Unpack one member, if it is below the folder: links as links, and no devices."""
    name = os.path.normpath(member.name)
    if not manifest.is_plain(name):
        return
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    inside = os.path.realpath(os.path.dirname(path)) + "/"
    if not inside.startswith(os.path.realpath(folder) + "/") or os.path.islink(path):
        return
    if member.isdir():
        os.makedirs(path, exist_ok=True)
    elif member.issym():
        os.symlink(member.linkname, path)
    elif member.islnk():
        first = os.path.join(folder, os.path.normpath(member.linkname))
        if manifest.is_plain(os.path.normpath(member.linkname)) and os.path.isfile(first):
            os.link(first, path)
    elif member.isfile():
        source = archive.extractfile(member)
        assert source is not None
        with open(path, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)
