"""What runs leave: listed by each task as it ends, and fetched through Ray's log service."""

import hashlib
import json
from typing import Any

from suan.model.errors import PoolError, PoolRejected, PoolUnavailable
from suan.model.pool import OutputFile
from suan.pools.ray.keeping import Keeping
from suan.pools.ray.rest import Rest
from suan.pools.ray.watching import Entry


class Left:
    """What a pool's runs have left. Of a gang's files of one name, the lowest rank's counts."""

    def __init__(self, rest: Rest, keeping: Keeping) -> None:
        self._rest = rest
        self._keeping = keeping

    async def files(self, entry: Entry) -> tuple[OutputFile, ...]:
        """What a run has left; nothing before it has ended."""
        found = await self._listed(entry)
        return tuple(
            OutputFile(path, told["size"], told["digest"], told["executable"])
            for path, (_, told) in sorted(found.items())
        )

    async def read(self, entry: Entry, path: str, *, offset: int, limit: int) -> bytes:
        """Bytes of one of them.

        Raises:
            PoolRejected: there is no such file.
            PoolUnavailable: it is gone with its node.
        """
        rank, told = (await self._listed(entry)).get(path, (0, None))
        if told is None:
            raise PoolRejected(f"run {entry.run} has left no {path!r}")
        name = f"output-{told['digest']}"
        data = self._keeping.piece(entry.run, name)
        if data is None:
            at = f"suan/{entry.submission}/{told['at']}"
            data = await self._rest.log_file(entry.nodes[rank], at)
            if data is None or hashlib.sha256(data).hexdigest() != told["digest"]:
                raise PoolUnavailable(f"{path!r} of run {entry.run} is not there any more")
            self._keeping.keep_piece(entry.run, name, data)
        return data[offset : offset + limit]

    async def keep(self, entry: Entry) -> None:
        """Fetch the lists of a run that has ended, before its nodes are gone."""
        try:
            await self._listed(entry)
        except PoolError:
            return

    async def _listed(self, entry: Entry) -> dict[str, tuple[int, dict[str, Any]]]:
        found: dict[str, tuple[int, dict[str, Any]]] = {}
        if entry.end is None:
            return found
        for rank, node in enumerate(entry.nodes):
            name = f"outputs.{rank}.json"
            data = self._keeping.piece(entry.run, name)
            if data is None:
                data = await self._rest.log_file(node, f"suan/{entry.submission}/{name}")
            if data is None:
                continue
            self._keeping.keep_piece(entry.run, name, data)
            for told in json.loads(data):
                found.setdefault(told["path"], (rank, told))
        return found
