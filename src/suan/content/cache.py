"""A directory of bytes by their digest, and folders laid out from it. Blocking; safe for several
threads and processes at once.

``AB/ABCD…``       bytes, whole; their time is that of their last use
``AB/ABCD….part``  the beginning of some, which the next piece goes on from
"""

# The oldest Python of a login node sets the style: plain paths, no later conveniences.
# ruff: noqa: PTH100, PTH103, PTH104, PTH108, PTH110, PTH111, PTH112, PTH114, PTH116, PTH118
# ruff: noqa: PTH119, PTH120, PTH123, PTH211

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable

from suan.content import manifest
from suan.content.manifest import Entry

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PART = ".part"
_PIECE = 1 << 20
_CLONE = 0x40049409  # FICLONE: the copy shares the original's blocks until either is changed
_FRESH_S = 3600.0  # what was used within it is kept, however full it is


class Missing(Exception):
    """Bytes that are not here."""


class Full(Exception):
    """No room is left for more."""


class Broken(Exception):
    """Bytes that are not what their digest says, or a piece that does not fit."""


class Cache:
    """Bytes by digest, below a directory that is made on first use. ``limit`` is how many bytes it
    may hold; without one, as many as the disk has room for."""

    def __init__(self, directory: str, limit: "int | None" = None) -> None:
        self.directory = os.path.abspath(os.path.expanduser(directory))
        self._limit = limit
        self._used = None  # type: int | None

    def path(self, digest: str) -> str:
        """Where bytes lie, or would.

        Raises:
            Broken: it is no digest.
        """
        if not manifest.is_digest(digest):
            raise Broken(f"{digest!r} is not a SHA-256")
        return os.path.join(self.directory, digest[:2], digest)

    def missing(self, digests: "Iterable[str]") -> "dict[str, int]":
        """Which are not here whole, each with how many of its first bytes are. The others count as
        used just now."""
        found = {}
        for digest in digests:
            path = self.path(digest)
            try:
                os.utime(path)
            except FileNotFoundError:
                found[digest] = _size(path + _PART)
        return found

    def size(self, digest: str) -> int:
        """Raises ``Missing``."""
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError:
            raise Missing(f"the bytes {digest} are not here") from None

    def read(self, digest: str, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes from ``offset``. Raises ``Missing``."""
        try:
            with open(self.path(digest), "rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            raise Missing(f"the bytes {digest} are not here") from None

    def entries(self, digest: str) -> "list[Entry]":
        """What a manifest lists.

        Raises:
            Missing: it is not here.
            Broken: it is no manifest.
        """
        if self.size(digest) > manifest.MOST_BYTES:
            raise Broken(f"{digest} is too large for a manifest")
        try:
            return manifest.decode(self.read(digest, 0, manifest.MOST_BYTES))
        except ValueError as error:
            raise Broken(f"{digest}: {error}") from None

    # Filling

    def put(self, digest: str, offset: int, data: bytes, *, size: int) -> None:
        """Take a piece of the ``size`` bytes; the last one makes them whole. Again is harmless.

        Raises:
            Broken: it begins beyond what is here, or the whole is not what the digest says; then
                nothing of it is kept.
            Full: there is no room.
        """
        path = self.path(digest)
        if os.path.exists(path):
            return
        if offset < 0 or offset + len(data) > size:
            _unlink(path + _PART)  # whoever wrote it meant something else
            raise Broken(f"a piece of {digest} goes beyond its {size:,} bytes")
        self._make_room(len(data))
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        try:
            if len(data) == size:
                self._put_whole(path, digest, data)
            else:
                self._put_piece(path, digest, data, span=(offset, size))
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise Full(f"{self.directory}: {error.strerror}") from None
        if self._used is not None:
            self._used += len(data)

    def adopt(self, path: str, digest: str) -> None:
        """Take a file in this directory over, whose digest somebody has just worked out."""
        self._make_room(_size(path))
        target = self.path(digest)
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        os.rename(path, target)

    def _put_whole(self, path: str, digest: str, data: bytes) -> None:
        if manifest.digest_of(data) != digest:
            raise Broken(f"what came as {digest} is something else")
        descriptor, draft = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".new")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.rename(draft, path)
        except OSError:
            os.unlink(draft)
            raise

    def _put_piece(self, path: str, digest: str, data: bytes, *, span: "tuple[int, int]") -> None:
        """Whoever writes the same piece at the same time writes the same bytes."""
        offset, size = span
        part = path + _PART
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            have = os.fstat(descriptor).st_size
            if offset > have:
                raise Broken(
                    f"a piece of {digest} begins at {offset:,}, but only {have:,} are here"
                )
            rest = memoryview(data)
            while rest:
                written = os.pwrite(descriptor, rest, offset)
                rest, offset = rest[written:], offset + written
            if offset < size:
                return
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if _hash(part) == digest and _size(part) == size:
            os.rename(part, path)
        elif not os.path.exists(path):
            _unlink(part)
            raise Broken(f"what came as {digest} is something else")

    # Laying out

    def lay_out(self, digest: str, folder: str, name: str = "") -> None:
        """Make what a manifest lists in ``folder``, at ``name`` below it, for its owner to change;
        what is there by the same names is replaced.

        Raises:
            Missing: some of it is not here.
            Broken: it is no manifest, the name leads elsewhere, or something is in the way.
        """
        if name and not manifest.is_plain(name):
            raise Broken(f"{name!r} is no path below the folder")
        made = set()  # type: set[str]
        for entry in self.entries(digest):
            path = os.path.join(folder, *filter(None, (name, entry.path)))
            above = path if entry.kind == manifest.FOLDER else os.path.dirname(path)
            if above not in made:
                _make_folder(above, folder)
                made.add(above)
            if entry.kind == manifest.LINK:
                _clear(path)
                os.symlink(entry.target, path)
            elif entry.kind == manifest.FILE:
                _clear(path)
                self._copy(entry, path)
        if not made:
            _make_folder(os.path.join(folder, name), folder)

    def _copy(self, entry: Entry, path: str) -> None:
        if self.size(entry.digest) != entry.size:
            raise Missing(f"the bytes {entry.digest} are not here whole")
        mode = 0o777 if entry.executable else 0o666
        with open(self.path(entry.digest), "rb") as source:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as copy:
                try:
                    fcntl.ioctl(copy.fileno(), _CLONE, source.fileno())
                except OSError:
                    shutil.copyfileobj(source, copy, _PIECE)

    # Making room

    def used(self) -> int:
        """How many bytes are here."""
        return sum(size for _, size, _ in self._all())

    def sweep(self, needed: "Collection[str]", before: float) -> int:
        """Drop what was last used before a time (seconds since 1970) and is not ``needed``; gives
        the number of bytes dropped. Digests of manifests stand for their files, too."""
        kept = set(needed)
        for digest in needed:
            try:
                kept.update(manifest.files(self.entries(digest)))
            except (Missing, Broken):
                continue
        dropped, left = 0, 0
        for path, size, used_at in self._all():
            if used_at < before and os.path.basename(path) not in kept:
                _unlink(path)
                dropped += size
            else:
                left += size
        self._used = left
        return dropped

    def _make_room(self, more: int) -> None:
        if self._limit is None:
            return
        if self._used is None:
            self._used = self.used()
        if self._used + more > self._limit:
            said = f"{self.directory} holds {self._used:,} bytes and may hold {self._limit:,}"
            raise Full(said)

    def _all(self) -> "Iterable[tuple[str, int, float]]":
        """Every file with its size and the time of its last use."""
        for folder, _, names in os.walk(self.directory):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    found = os.stat(path)
                except FileNotFoundError:
                    continue
                yield path, found.st_size, found.st_mtime


def _make_folder(path: str, top: str) -> None:
    """Make a folder, below ``top`` and through no link that leads out of it."""
    try:
        os.makedirs(path, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise Broken(f"a file is in the way of the folder {path}") from None
    inside, whole = os.path.realpath(path), os.path.realpath(top)
    if inside != whole and not inside.startswith(whole.rstrip("/") + "/"):
        raise Broken(f"{path} leads out of {top}")


def _clear(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        raise Broken(f"the folder {path} is in the way of a file")
    _unlink(path)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _hash(path: str) -> str:
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while True:
                piece = file.read(_PIECE)
                if not piece:
                    return found.hexdigest()
                found.update(piece)
    except FileNotFoundError:
        return ""


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def long_ago(seconds: float) -> float:
    """The time so long before now, for ``sweep``."""
    return time.time() - max(seconds, _FRESH_S)
