"""Bringing files with jobs: packed, sent as far as the server lacks them, named by digest.

Written without I/O of the network: generators that give calls and are sent their answers, for the
blocking client and the one for an event loop alike.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from suan.client import calls
from suan.client.wire import Call
from suan.model.errors import InputError
from suan.model.spec import CONTENT, JobSpec, content_of

T = TypeVar("T")
Asking: TypeAlias = Generator[Call[Any], Any, T]
Moved: TypeAlias = Callable[[int, int], None]  # bytes that are there, and bytes in all

PIECE = 4 << 20  # bytes in one request
_ASKED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Bringing:
    """How files are brought. ``copy`` of ``None``: unless the server sees the same files. ``note``
    is told what was left out; ``moved``, how far it is."""

    copy: bool | None = None
    note: Callable[[str], None] = lambda _: None
    moved: Moved = lambda _done, _size: None


AS_NEEDED = Bringing()


def brought(
    specs: Sequence[JobSpec], how: Bringing, *, started_here: bool
) -> Asking[tuple[JobSpec, ...]]:
    """The jobs with digests in place of the paths that were copied.

    Raises:
        InputError: a path is not there, or changes while it is sent.
    """
    urls = list(dict.fromkeys(url for spec in specs for url in _urls(spec)))
    paths = list(dict.fromkeys(path for spec in specs for path in _paths(spec, how.copy)))
    if urls and how.copy is False:
        raise InputError(
            f"what {urls[0]} stands for cannot be laid out in a folder that is used in place",
            where="--in-place",
            mend="submit it with --copy",
        )
    if not (paths or urls) or how.copy is False:
        return tuple(specs)
    if not urls and how.copy is None and (started_here or (yield from _same_files())):
        return tuple(specs)
    fetched = {}
    for url in urls:
        fetched[url] = yield from _fetched(url, how.moved)
    from suan.content.packing import Packed, pack

    packed: dict[str, Packed] = {}
    for path in paths:
        packed[path] = pack(Path(path).expanduser())
        for each in packed[path].left_out:
            how.note(f"{path}: left out: {each}")
    yield from _sent(list(packed.values()), how.moved)
    digests = {path: CONTENT + each.digest for path, each in packed.items()} | fetched
    return tuple(_replaced(spec, digests) for spec in specs)


def _paths(spec: JobSpec, copy: bool | None) -> Iterator[str]:
    """What a job names by a path of this machine. One that is not here may be meant for the pool,
    unless copies were asked for."""
    for source in (spec.workdir, *spec.file_mounts.values()):
        if source is None or content_of(source) or "://" in source:
            continue
        if copy or Path(source).expanduser().exists():
            yield source


def _same_files() -> Asking[bool]:
    from suan.content.place import here

    view = yield calls.server()
    return bool(view.place) and view.place == here()


def _urls(spec: JobSpec) -> Iterator[str]:
    """What a job names by URL."""
    yield from (each for each in spec.file_mounts.values() if "://" in each)


def _fetched(url: str, moved: Moved) -> Asking[str]:
    """Have the server fetch it; it answers within a second, so this asks again at once."""
    while True:
        view = yield calls.fetch(url)
        moved(view.done, view.size or view.done)
        if view.digest:
            return CONTENT + str(view.digest)


def _replaced(spec: JobSpec, digests: Mapping[str, str]) -> JobSpec:
    mounts = {target: digests.get(source, source) for target, source in spec.file_mounts.items()}
    workdir = spec.workdir if spec.workdir is None else digests.get(spec.workdir, spec.workdir)
    return replace(spec, workdir=workdir, file_mounts=mounts)


def _sent(packed: Sequence[Any], moved: Moved) -> Asking[None]:
    """Send what the server lacks: files first, so that a manifest that is there has all of them."""
    files: dict[str, tuple[Path, int]] = {}
    for each in packed:
        files |= each.files
    missing: dict[str, int] = {}
    digests = sorted(files)
    for at in range(0, len(digests), _ASKED_AT_ONCE):
        view = yield calls.missing(digests[at : at + _ASKED_AT_ONCE])
        missing |= view.missing
    size = sum(files[digest][1] for digest in missing)
    done = sum(missing.values())
    moved(done, size)
    for body, carried in _bodies(files, missing):
        yield calls.put_content(body)
        done += carried
        moved(done, size)
    listed = {each.digest: each.manifest for each in packed}
    view = yield calls.missing(sorted(listed))
    for digest, at_ in view.missing.items():
        for body, _ in _pieces(digest, listed[digest], at_):
            yield calls.put_content(body)


def _pieces(digest: str, data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
    from suan.content.frames import Piece, encode

    while True:
        piece = data[offset : offset + PIECE]
        yield encode(Piece(digest, offset, piece, len(data))), len(piece)
        offset += len(piece)
        if offset >= len(data):
            return


def _bodies(
    files: Mapping[str, tuple[Path, int]], missing: Mapping[str, int]
) -> Iterator[tuple[bytes, int]]:
    """Bodies of about ``PIECE`` bytes, each with how many bytes of files are in it: small files
    together, large ones in pieces."""
    from suan.content.frames import Piece, encode

    gathered: list[bytes] = []
    carried = 0
    for digest, start in missing.items():
        file, size = files[digest]
        offset = start
        while True:
            data = _read(file, offset, min(PIECE - carried, size - offset))
            gathered.append(encode(Piece(digest, offset, data, size)))
            carried += len(data)
            offset += len(data)
            if carried >= PIECE:
                yield b"".join(gathered), carried
                gathered, carried = [], 0
            if offset >= size:
                break
    if gathered:
        yield b"".join(gathered), carried


def _read(file: Path, offset: int, length: int) -> bytes:
    try:
        with file.open("rb") as opened:
            opened.seek(offset)
            data = opened.read(length)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", where=str(file)) from error
    if len(data) != length:
        raise InputError(
            f"{file} became shorter while it was sent", where=str(file), mend="submit again"
        )
    return data
