"""Fetching: what a URL stands for becomes content here, and is not fetched again while it stays."""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from suan.content import manifest
from suan.content.cache import Cache, Full
from suan.content.manifest import Entry
from suan.content.sources import Remote, Source, source_of
from suan.model.errors import InputError

AT_ONCE = 4
TOLD_FOR_S = 60.0  # how long the end of a fetch is told for the same; then it is looked at anew


@dataclass(slots=True)
class Fetch:
    """One URL's. ``digest`` is that of its manifest once it is all here; ``size`` is ``None`` while
    nobody can tell."""

    url: str
    done: int = 0
    size: int | None = None
    digest: str = ""
    ended_at: float = 0.0
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Fetcher:
    """Fetches in the background, each URL once however many ask. ``allowed`` are the beginnings of
    URLs that it fetches at all: it sees what only this machine may see."""

    def __init__(self, cache: Cache, allowed: Sequence[str]) -> None:
        self._cache = cache
        self._allowed = tuple(allowed)
        self._fetches: dict[str, Fetch] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def ask(self, url: str) -> Fetch:
        """Begin to fetch, or tell how far it is.

        Raises:
            InputError: it cannot be, or may not be.
            Full: there is no room.
        """
        self._check(url)
        now = time.monotonic()
        for each in list(self._fetches.values()):
            if each.ended_at and now - each.ended_at > TOLD_FOR_S:
                del self._fetches[each.url]
        fetch = self._fetches.get(url)
        if fetch is None:
            fetch = self._fetches[url] = Fetch(url)
            fetch.task = asyncio.create_task(self._fetch(fetch))
        assert fetch.task is not None
        await asyncio.wait({fetch.task}, timeout=1.0)
        if fetch.task.done():
            try:
                fetch.task.result()
            except (InputError, Full):
                del self._fetches[url]
                raise
        return fetch

    def _check(self, url: str) -> None:
        if not url.startswith(self._allowed):
            known = ", ".join(self._allowed) or "nowhere"
            raise InputError(
                f"this server does not fetch {url[:200]}",
                where="url",
                mend=f"it fetches from {known}; an operator can add to SUAN_FETCH",
            )

    async def _fetch(self, fetch: Fetch) -> None:
        try:
            async with self._turns:
                fetch.digest = await asyncio.to_thread(self._fetched, fetch)
        finally:
            fetch.ended_at = time.monotonic()

    def _fetched(self, fetch: Fetch) -> str:
        try:
            with closing(source_of(fetch.url, self._check)) as source:
                files = source.files()
                sizes = [each.size for each in files]
                fetch.size = None if None in sizes else sum(each or 0 for each in sizes)
                entries = [self._entry(fetch, source, each) for each in files]
            listed = manifest.encode(entries)
        except (InputError, Full):
            raise
        except Exception as error:  # whatever a driver raises: it is told to who asked
            raise InputError(
                f"it cannot be fetched: {type(error).__name__}: {error}",
                where=fetch.url,
                mend="check the URL, and that the server has the credentials for it",
            ) from error
        digest = manifest.digest_of(listed)
        self._cache.put(digest, 0, listed, size=len(listed))
        return digest

    def _entry(self, fetch: Fetch, source: Source, file: Remote) -> Entry:
        key = manifest.digest_of(f"{fetch.url}\0{file.path}\0{file.version}".encode())
        known = self._known(key) if file.version else None
        if known is not None:
            fetch.done += known[1]
            return Entry(file.path, digest=known[0], size=known[1])

        def moved(more: int) -> None:
            fetch.done += more

        digest, size = self._download(source, file, key, moved=moved)
        if file.version:
            self._remember(key, digest, size)
        return Entry(file.path, digest=digest, size=size)

    def _known(self, key: str) -> tuple[str, int] | None:
        """What was fetched before and is still here."""
        try:
            digest, size = self._file("index", key).read_text().split()
        except (OSError, ValueError):
            return None
        if self._cache.missing([digest]):
            return None
        os.utime(self._file("index", key))
        return digest, int(size)

    def _remember(self, key: str, digest: str, size: int) -> None:
        path = self._file("index", key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(f"{digest} {size}\n")

    def _download(
        self, source: Source, file: Remote, key: str, *, moved: Callable[[int], None]
    ) -> tuple[str, int]:
        """Its digest and size, once it is kept; on from where an earlier try broke off."""
        part = self._file("fetch", key)
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = hashlib.sha256()
        with part.open("a+b") as opened:
            opened.seek(0)
            if not file.version:
                opened.truncate()
            while piece := opened.read(1 << 20):
                found.update(piece)
            size = opened.tell()
            moved(size)
            for piece in source.read(file, size):
                if not piece:  # it begins anew
                    moved(-size)
                    found, size = hashlib.sha256(), 0
                    opened.truncate(0)
                opened.write(piece)
                found.update(piece)
                size += len(piece)
                moved(len(piece))
        if file.size is not None and size != file.size:
            part.unlink()
            raise InputError(f"{size:,} bytes came, not {file.size:,}", where=file.path or "url")
        self._cache.adopt(str(part), found.hexdigest())
        return found.hexdigest(), size

    def _file(self, kind: str, key: str) -> Path:
        return Path(self._cache.directory) / kind / key
