"""Files that are there whole or not at all, and errors that say what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from suan.model.errors import InputError

_MENDS = {
    errno.ENOSPC: "free some space there, or name another folder",
    errno.EDQUOT: "free some of your quota there, or name another folder",
    errno.EACCES: "name a folder that you may write to",
    errno.EROFS: "name a folder that can be written to",
    errno.EEXIST: "a part of the path is a file; name a folder",
    errno.ENOTDIR: "a part of the path is a file; name a folder",
}


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write to; what stands there is moved to ``path`` when all has gone well.

    Missing folders are made. If anything goes wrong, nothing is left behind, and what stood at
    ``path`` before still does. Whoever writes does so under ``telling``.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        with telling(path), part.open("rb+") as written:
            os.fsync(written.fileno())
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """A fault of the file system becomes an ``InputError`` that says why, and how to mend it."""
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from error


def write_text(path: Path, content: str) -> None:
    """Write a whole text file, in UTF-8."""
    with whole(path) as part, telling(path):
        part.write_text(content, encoding="utf-8", newline="\n")


def _unwritable(path: Path, error: OSError) -> InputError:
    why = (error.strerror or str(error)).lower()
    mend = _MENDS.get(error.errno or 0, "name another folder")
    return InputError(f"{path} cannot be written: {why}", where=str(path), mend=mend)
