"""Packing: from what is on this disk to a manifest and the bytes that it names."""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from suan.content import manifest
from suan.content.ignoring import Ignoring
from suan.content.manifest import FOLDER, LINK, Entry
from suan.model.errors import InputError

MOST_BYTES = 50 << 30  # more than that is taken for a mistake
_PIECE = 1 << 20


@dataclass(slots=True)
class Packed:
    """A manifest, and for each digest that it names a file with these bytes and their number.
    ``left_out`` says what could not be packed, and why."""

    digest: str
    manifest: bytes
    files: dict[str, tuple[Path, int]]
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all the files, each content once."""
        return sum(size for _, size in self.files.values())


@dataclass(slots=True)
class _Found:
    files: list[tuple[str, Path, os.stat_result]] = field(default_factory=list)
    others: list[Entry] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    size: int = 0


def pack(path: Path) -> Packed:
    """Pack a folder, less what its ignore file leaves out, or a single file.

    Raises:
        InputError: something cannot be read, or it is more than anybody would mean to send.
    """
    try:
        found = _found(path)
        entries, files = list(found.others), {}
        for name, file, status in found.files:
            digest, size = _hash(file)
            executable = bool(status.st_mode & stat.S_IXUSR)
            entries.append(Entry(name, digest=digest, size=size, executable=executable))
            files[digest] = file, size
        listed = manifest.encode(entries)
    except OSError as error:
        raise InputError(
            f"{error.filename or path} cannot be read: {error.strerror}",
            where=str(path),
            mend="make it readable, or leave it out by a line in .skyignore",
        ) from error
    except ValueError as error:
        raise InputError(
            str(error), where=str(path), mend="leave some out by .skyignore"
        ) from error
    return Packed(manifest.digest_of(listed), listed, files, tuple(found.left_out))


def _found(path: Path) -> _Found:
    found = _Found()
    if not path.is_dir():
        found.files.append(("", path, path.stat()))
        return found
    _walk(path, "", Ignoring(path), found=found)
    return found


def _walk(top: Path, folder: str, ignoring: Ignoring, *, found: _Found) -> None:
    kept = 0
    for name in sorted(each.name for each in (top / folder).iterdir()):
        path = f"{folder}/{name}" if folder else name
        status = (top / path).lstat()
        is_folder = stat.S_ISDIR(status.st_mode)
        if ignoring.ignores(path, folder=is_folder):
            continue
        kept += 1
        if is_folder:
            _walk(top, path, ignoring, found=found)
        else:
            _take(top, path, status, found=found)
    if folder and not kept:
        found.others.append(Entry(folder, FOLDER))


def _take(top: Path, path: str, status: os.stat_result, *, found: _Found) -> None:
    file = top / path
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(file)  # noqa: PTH115 - as it is written
        if manifest.leads_outside(path, target):
            found.left_out.append(f"{path} is a link that leads outside ({target})")
        else:
            found.others.append(Entry(path, LINK, target=target))
    elif stat.S_ISREG(status.st_mode):
        found.files.append((path, file, status))
        found.size += status.st_size
        _refuse_too_much(top, found)
    else:
        found.left_out.append(f"{path} is neither a file nor a folder")


def _refuse_too_much(top: Path, found: _Found) -> None:
    """Before any of it is read: a home directory is seldom meant."""
    if found.size > MOST_BYTES or len(found.files) > manifest.MOST_ENTRIES:
        raise InputError(
            f"{top} has more than {MOST_BYTES >> 30} GiB or {manifest.MOST_ENTRIES:,} files",
            where=str(top),
            mend="leave out what the job does not need by a .skyignore there, name a smaller folder"
            " by workdir, or submit with --in-place if the pool has the same path",
        )


def _hash(file: Path) -> tuple[str, int]:
    found, size = hashlib.sha256(), 0
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            found.update(piece)
            size += len(piece)
    return found.hexdigest(), size
