"""Bringing back what a run has left: what is not here yet, on from where it broke off.

Without I/O of the network, as ``bringing``.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from suan.client import calls
from suan.client.bringing import Asking
from suan.client.errors import BadReply
from suan.content.manifest import is_plain
from suan.model.errors import InputError, NotFound
from suan.model.views import OutputView

PIECE = 4 << 20  # bytes in one request


@dataclass(frozen=True, slots=True)
class Pulled:
    """A file that is here now. ``fresh`` says that it was fetched: it was not here before."""

    path: Path
    size: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files of which run, and where to put them; ``paths`` empty are all, a folder's path
    all that is below it. ``moved`` is told the bytes that are here, and those in all."""

    job: str
    paths: Sequence[str] = ()
    folder: Path = Path()
    attempt: int | None = None
    moved: Callable[[int, int], None] = lambda _done, _size: None


def pulled(wanted: Wanted) -> Asking[tuple[Pulled, ...]]:
    """Fetch them, each whole or not at all.

    Raises:
        NotFound: the run has left nothing at one of the paths.
        InputError: a file cannot be written.
        BadReply: what came is not what was told.
    """
    view = yield calls.outputs(wanted.job, wanted.attempt)
    files = _chosen(view.files, wanted)
    size, done = sum(each.size for each in files), 0
    found = []
    for each in files:
        if not is_plain(each.path):
            raise BadReply(f"{each.path!r} is no file's path", code="bad_reply", status=200)
        target = wanted.folder / each.path
        try:
            if _is_there(target, each):
                found.append(Pulled(target, each.size, fresh=False))
            else:
                yield from _fetched(wanted, each, target, done=done, size=size)
                found.append(Pulled(target, each.size, fresh=True))
        except OSError as error:
            raise InputError(
                f"{error.filename or target} cannot be written: {error.strerror}",
                where="--output",
                mend="name a folder that you may write to, with room for it",
            ) from error
        done += each.size
        wanted.moved(done, size)
    return tuple(found)


def _chosen(files: Sequence[OutputView], wanted: Wanted) -> list[OutputView]:
    if not wanted.paths:
        return list(files)
    chosen: dict[str, OutputView] = {}
    for path in (each.removeprefix("./").rstrip("/") for each in wanted.paths):
        below = {f.path: f for f in files if f.path == path or f.path.startswith(path + "/")}
        if not below:
            raise NotFound(
                f"job {wanted.job} has left nothing at {path!r}",
                where="PATH",
                mend=f"`suan pull {wanted.job} --list` shows what there is",
            )
        chosen |= below
    return list(chosen.values())


def _fetched(
    wanted: Wanted, file: OutputView, target: Path, *, done: int, size: int
) -> Asking[None]:
    """A part bears the digest of the whole in its name, so that it is only gone on with if the
    file is still the same."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name[:100]}.{file.digest[:16]}.part")
    with part.open("ab") as opened:
        offset = opened.tell()
        while offset < file.size:
            data = yield calls.output(
                wanted.job, file.path, attempt=wanted.attempt, offset=offset, limit=PIECE
            )
            if not data:
                break
            opened.write(data)
            offset += len(data)
            wanted.moved(done + offset, size)
    if _hash(part) != file.digest:
        part.unlink()
        raise BadReply(
            f"{file.path} changed while it was fetched",
            code="bad_reply",
            status=200,
            mend="try again; while the run goes on its files may change",
        )
    part.chmod(0o755 if file.executable else 0o644)
    part.replace(target)


def _is_there(target: Path, file: OutputView) -> bool:
    return target.is_file() and target.stat().st_size == file.size and _hash(target) == file.digest


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
