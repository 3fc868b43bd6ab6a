"""Files that are there whole or not at all, and errors that say what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

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


class Streamed:
    """A file that is written bit by bit. A context manager: the file appears when it closes.

    If what writes it fails, no file is left, and an older one of that name stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()

    def _open(self, part: Path, stack: ExitStack) -> None:
        """Begin to write ``part``; what must be closed goes on the stack."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            part = stack.enter_context(whole(self._path))
            with telling(self._path):
                self._open(part, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with telling(self._path):
            self._stack.__exit__(kind, error, trace)
