"""What jobs bring, into the store of a cluster's head; from there each run's program fetches it.

A content lies there in pieces. Ray drops what nobody has asked for ten minutes: so it is asked for
again at each delivery, and a launch is only good for a while after one.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from suan.content import manifest
from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.pool import Content, Launch, Parcel
from suan.pools.ray.job.bringing import PIECE, piece_name, pieces
from suan.pools.ray.rest import Rest
from suan.pools.sending import PIECE as SENT
from suan.pools.sending import send

_GOOD_FOR_S = 240.0  # of the 600 s for which Ray keeps what was asked for
_MOST_BYTES = 512 << 20  # the head keeps them in its memory
_AT_ONCE = 8

if SENT != PIECE:
    raise AssertionError("what is sent in one call must be what one entry of the store holds")


class Store:
    """One cluster's store. It is a ``suan.pools.sending.Keeper``."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._sizes: dict[str, int] = {}
        self._delivered: dict[str, tuple[str, float]] = {}  # session and time, by parcel

    async def deliver(
        self, parcel: Parcel, content: Content, moved: Callable[[int], None], *, session: str
    ) -> None:
        """Bring there what it lacks of a parcel.

        Raises:
            PoolRejected: it is no parcel, or too large for the head's memory.
        """
        listed = await content.read(parcel.digest, 0, manifest.MOST_BYTES)
        try:
            sizes = manifest.files(manifest.decode(listed))
        except ValueError as error:
            raise PoolRejected(f"the content {parcel.digest} is not whole: {error}") from error
        total = sum(sizes.values())
        if total > _MOST_BYTES:
            raise PoolRejected(
                f"the job brings {total >> 20:,} MiB, and Ray's head would keep it in its memory",
                mend=f"bring at most {_MOST_BYTES >> 20} MiB; put data where the nodes find it",
            )
        self._sizes.update(sizes)
        self._sizes[parcel.digest] = len(listed)
        began = time.monotonic()
        await send(parcel, content, self, moved=moved)
        self._delivered[parcel.digest] = session, began

    def sizes(self, launch: Launch, session: str) -> Mapping[str, int]:
        """The size of each manifest that a launch needs.

        Raises:
            PoolUnavailable: one was not delivered, or may be gone again.
        """
        good = time.monotonic() - _GOOD_FOR_S
        for parcel in launch.parcels:
            to, at = self._delivered.get(parcel.digest, ("", 0.0))
            if to != session or at < good:
                raise PoolUnavailable(f"the parcel {parcel.digest} has to be delivered first")
        return {parcel.digest: self._sizes[parcel.digest] for parcel in launch.parcels}

    async def missing(self, digests: Sequence[str]) -> Mapping[str, int]:
        """Which contents are not there whole, each with how many of its first bytes are."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def have(digest: str) -> int:
            async with limit:
                for number in range(pieces(self._sizes[digest])):
                    if not await self._rest.stored(piece_name(digest, number)):
                        return number
                return -1

        found = await asyncio.gather(*map(have, digests))
        return {
            digest: number * PIECE
            for digest, number in zip(digests, found, strict=True)
            if number >= 0
        }

    async def put(self, digest: str, offset: int, data: bytes, *, size: int) -> None:
        """Take a piece."""
        del size
        await self._rest.store(piece_name(digest, offset // PIECE), data)
