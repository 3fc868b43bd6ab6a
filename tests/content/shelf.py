"""Content on a shelf, for what delivers it: counts what is read, and can stop half way."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from suan.content import manifest
from suan.content.manifest import Entry
from suan.model.errors import PoolRejected
from suan.model.pool import Parcel


class Shelf:
    """Implements ``suan.model.pool.Content``. After ``stops_after`` bytes a read never returns."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.bytes_read = 0  # of files
        self.stops_after: int | None = None
        self.stopped = asyncio.Event()

    def put(self, data: bytes) -> str:
        digest = manifest.digest_of(data)
        self.contents[digest] = data
        return digest

    def parcel(self, files: Mapping[str, bytes | Path], target: str = "") -> Parcel:
        """Files by path; a ``Path`` is a link."""
        entries = [
            Entry(path, manifest.LINK, target=str(what))
            if isinstance(what, Path)
            else Entry(path, digest=self.put(what), size=len(what))
            for path, what in files.items()
        ]
        return Parcel(target, self.put(manifest.encode(entries)))

    async def size(self, digest: str) -> int:
        return len(await self.read(digest, 0, 1 << 40))

    async def read(self, digest: str, offset: int, limit: int) -> bytes:
        if digest not in self.contents:
            raise PoolRejected(f"the bytes {digest} are not here")
        data = self.contents[digest][offset : offset + limit]
        if not self.contents[digest].startswith(b'{"entries"'):
            if self.stops_after is not None and self.bytes_read >= self.stops_after:
                self.stopped.set()
                await asyncio.Event().wait()
            self.bytes_read += len(data)
        return data
