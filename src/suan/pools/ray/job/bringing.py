"""What a job brings: from pieces in the cluster's store into a cache on this node, and from there
into the working directory.
"""

# A program that travels stays plain and quick to start.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os
from typing import Any

from suan.content import manifest
from suan.content.cache import Broken, Cache, Missing
from suan.pools.ray.job import places
from suan.pools.ray.job.letters import Letters

PIECE = 4 << 20  # bytes; what one entry of the store holds


class Gone(Exception):
    """It is not in the cluster's store any more, or not what it was."""


def piece_name(digest: str, number: int) -> str:
    """The entry of the store that holds one piece of a content."""
    return f"suan-content-{digest}.{number}"


def pieces(size: int) -> int:
    """How many pieces a content has; the empty one needs none."""
    return -(-size // PIECE)


def fetch(spec: dict[str, Any], logs: str, letters: Letters) -> None:
    """Bring what a launch needs into this node's cache.

    Raises:
        Gone: some of it is not there.
    """
    cache = _cache(logs)
    try:
        for digest, _, size in spec["parcels"]:
            _fetch(cache, digest, size, letters=letters)
            for each, its in manifest.files(cache.entries(digest)).items():
                _fetch(cache, each, its, letters=letters)
    except (Broken, Missing, LookupError) as error:
        raise Gone(f"what the job brings is gone from the cluster's store: {error}") from None


def lay_out(spec: dict[str, Any], workdir: str) -> None:
    """Make copies of it in the working directory.

    Raises:
        Gone: this node has lost it.
    """
    try:
        for digest, target, _ in spec["parcels"]:
            _cache(spec["logs"]).lay_out(digest, workdir, target)
    except (Broken, Missing) as error:
        raise Gone(str(error)) from None


def _cache(logs: str) -> Cache:
    return Cache(os.path.join(os.path.dirname(logs), "suan", places.CONTENT))


def _fetch(cache: Cache, digest: str, size: int, *, letters: Letters) -> None:
    missing = cache.missing([digest])
    if not missing:
        return
    if not size:
        cache.put(digest, 0, b"", size=0)
    for number in range(missing[digest] // PIECE, pieces(size)):
        data = letters.read(piece_name(digest, number))
        cache.put(digest, number * PIECE, data, size=size)
