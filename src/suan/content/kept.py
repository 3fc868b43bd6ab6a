"""A cache for an event loop: what a server keeps of what jobs bring."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

from suan.content.cache import Broken, Cache, Missing
from suan.content.frames import Piece
from suan.content.manifest import Entry
from suan.model.errors import PoolRejected

_MEND = "submit the job again; servers of one store must share SUAN_CONTENT"


class Kept:
    """A cache whose calls run in threads. It is a ``suan.model.pool.Content``, too."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    @property
    def cache(self) -> Cache:
        """The cache itself."""
        return self._cache

    async def missing(self, digests: Sequence[str]) -> Mapping[str, int]:
        """Which are not here whole, each with how many of its first bytes are."""
        return await asyncio.to_thread(self._cache.missing, digests)

    async def put(self, pieces: Iterable[Piece]) -> None:
        """Take pieces, in order. Raises as ``Cache.put`` does."""
        await asyncio.to_thread(self._put, pieces)

    async def entries(self, digest: str) -> list[Entry]:
        """What a manifest lists. Raises as ``Cache.entries`` does."""
        return await asyncio.to_thread(self._cache.entries, digest)

    async def sweep(self, needed: Collection[str], before: float) -> int:
        """Drop what was not used for long and is not needed; see ``Cache.sweep``."""
        return await asyncio.to_thread(self._cache.sweep, needed, before)

    async def size(self, digest: str) -> int:
        """How many bytes they are; ``PoolRejected`` if they are not here."""
        try:
            return await asyncio.to_thread(self._cache.size, digest)
        except (Missing, Broken) as error:
            raise PoolRejected(str(error), mend=_MEND) from error

    async def read(self, digest: str, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes from ``offset``; ``PoolRejected`` if they are not here."""
        try:
            return await asyncio.to_thread(self._cache.read, digest, offset, limit)
        except (Missing, Broken) as error:
            raise PoolRejected(str(error), mend=_MEND) from error

    def _put(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self._cache.put(piece.digest, piece.offset, piece.data, size=piece.size)
