"""What runs have left: listed once they have ended, and read from the pod that keeps it."""

import msgspec

from suan.model.errors import PoolRejected
from suan.model.pool import OutputFile
from suan.model.units import RunId
from suan.pools.kubernetes.delivering import Files, Leaving
from suan.pools.kubernetes.records import Records
from suan.pools.kubernetes.runs import Entry, Runs


class Left:
    """What a pool's runs have left. Of a gang's files of one name, the lowest rank's counts."""

    def __init__(self, files: Files, records: Records, runs: Runs) -> None:
        self._files = files
        self._records = records
        self._runs = runs

    async def files(self, run: str) -> tuple[OutputFile, ...]:
        """What a run has left; nothing before it has ended."""
        return tuple(
            OutputFile(each.path, each.size, each.digest, each.executable)
            for each in await self._listed(run)
        )

    async def read(self, run: str, path: str, *, span: tuple[int, int]) -> bytes:
        """Bytes of one of them; ``span``: the offset and the most bytes.

        Raises:
            PoolRejected: there is no such file.
            PoolUnavailable: it is gone with what kept it.
        """
        for each in await self._listed(run):
            if each.path == path:
                return await self._files.read(run, each, span=span)
        raise PoolRejected(f"run {run} has left no {path!r}")

    async def keep(self, entry: Entry) -> None:
        """Note what a run has left, before it is put away.

        Raises:
            PoolError: it cannot be asked for at present.
        """
        if entry.asked.keeps and entry.pods:
            await self._listed(entry.run)

    async def _listed(self, run: str) -> list[Leaving]:
        path = self._records.left(run)
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=list[Leaving])
        entry = self._runs.entries.get(RunId(run))
        if entry is None or entry.outcome is None or not entry.asked.keeps:
            return []
        found = await self._files.left(run)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(found))
        draft.replace(path)
        return found
