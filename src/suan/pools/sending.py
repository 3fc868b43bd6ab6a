"""Sending a parcel to where bytes are kept by digest: what is missing, from where it broke off."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from suan.content import manifest
from suan.model.errors import PoolRejected
from suan.model.pool import Content, Parcel

PIECE = 4 << 20  # bytes in one call
_ASKED_AT_ONCE = 10_000  # digests


class Keeper(Protocol):
    """Who keeps bytes at the other end: ``suan.content.cache.Cache``, reached somehow."""

    async def missing(self, digests: Sequence[str]) -> Mapping[str, int]:
        """Which are not there whole, each with how many of its first bytes are."""
        ...

    async def put(self, digest: str, offset: int, data: bytes, *, size: int) -> None:
        """Take a piece of the ``size`` bytes."""
        ...


async def send(
    parcel: Parcel, content: Content, keeper: Keeper, *, moved: Callable[[int], None]
) -> None:
    """Bring a parcel's manifest and files to a keeper.

    Raises:
        PoolRejected: it is no parcel.
        PoolError: as the keeper says.
    """
    listed = await content.read(parcel.digest, 0, manifest.MOST_BYTES)
    try:
        sizes = manifest.files(manifest.decode(listed))
    except ValueError as error:
        raise PoolRejected(f"the content {parcel.digest} is not whole: {error}") from error
    digests = sorted(sizes)
    for at in range(0, len(digests), _ASKED_AT_ONCE):
        asked = digests[at : at + _ASKED_AT_ONCE]
        missing = await keeper.missing(asked)
        moved(sum(missing.get(each, sizes[each]) for each in asked))
        for each in asked:
            if each in missing:
                await _send(each, content, keeper, span=(missing[each], sizes[each]), moved=moved)
    if await keeper.missing([parcel.digest]):  # last: who has it had all of its files
        await _send(parcel.digest, content, keeper, span=(0, len(listed)), moved=lambda _: None)


async def _send(
    digest: str,
    content: Content,
    keeper: Keeper,
    *,
    span: tuple[int, int],
    moved: Callable[[int], None],
) -> None:
    offset, size = span
    while True:
        data = await content.read(digest, offset, PIECE)
        if not data and offset < size:
            raise PoolRejected(f"the content {digest} has {offset:,} bytes, not {size:,}")
        await keeper.put(digest, offset, data, size=size)
        offset += len(data)
        moved(len(data))
        if offset >= size:
            return
