"""The output of runs: read in pieces through Ray's log service, and kept here as far as it was."""

from suan.model.errors import PoolError, PoolRejected, PoolUnavailable
from suan.model.pool import LogChunk
from suan.pools.ray.job.output import PIECE, piece_name
from suan.pools.ray.keeping import Keeping
from suan.pools.ray.rest import Rest
from suan.pools.ray.watching import Entry

_STREAMS = ("stdout", "stderr")
_PART = ".part"  # of what was fetched while the run may still have been writing
_KEPT_PIECES = 64  # of each stream, fetched when its run has ended: the last 16 MiB


class Output:
    """What the tasks of a pool's runs have written."""

    def __init__(self, rest: Rest, keeping: Keeping) -> None:
        self._rest = rest
        self._keeping = keeping

    async def read(
        self, entry: Entry, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """At most ``limit`` bytes from ``offset``, or from that far before the end.

        Raises:
            PoolRejected: there is no such task or stream.
            PoolUnavailable: nobody can give it any more.
        """
        if stream not in _STREAMS or not 0 <= task < len(entry.nodes):
            raise PoolRejected(f"run {entry.run} has no {stream!r} of task {task}")
        ended = entry.end is not None  # before reading: nothing follows an end
        if stream == "stderr" and entry.record.get("together"):
            return LogChunk(b"", max(offset, 0), ended)
        if offset < 0:
            offset = max(0, await self._size(entry, task, stream) + offset)
        number, begin = divmod(offset, PIECE)
        piece = await self._piece(entry, task, stream, number=number)
        if piece is None:
            return LogChunk(b"", offset, ended)
        data = piece[begin : begin + limit]
        following = offset + len(data)
        last = len(piece) < PIECE and following >= number * PIECE + len(piece)
        return LogChunk(data, following, ended and last)

    async def keep(self, entry: Entry) -> None:
        """Fetch the end of what an ended run has written, before its nodes are gone."""
        try:
            for task in range(len(entry.nodes)):
                for stream in _STREAMS[: 1 if entry.record.get("together") else 2]:
                    count = await self._count(entry, task, stream)
                    for number in range(max(0, count - _KEPT_PIECES), count):
                        await self._piece(entry, task, stream, number=number)
        except PoolError:
            return  # it can still be read as long as Ray has it

    async def _size(self, entry: Entry, task: int, stream: str) -> int:
        count = await self._count(entry, task, stream)
        if not count:
            return 0
        last = await self._piece(entry, task, stream, number=count - 1)
        return (count - 1) * PIECE + len(last or b"")

    async def _count(self, entry: Entry, task: int, stream: str) -> int:
        """How many pieces there are of a stream."""
        prefix = piece_name(task, stream, 0).rpartition(".")[0] + "."
        try:
            names = await self._rest.log_files(entry.nodes[task], f"{_folder(entry)}/{prefix}*")
        except PoolUnavailable:
            names = self._keeping.pieces(entry.run)
            if not names:
                raise
        numbers = [
            int(base.removeprefix(prefix))
            for name in names
            if (base := name.rpartition("/")[2].removesuffix(_PART)).startswith(prefix)
        ]
        return max(numbers, default=-1) + 1

    async def _piece(self, entry: Entry, task: int, stream: str, *, number: int) -> bytes | None:
        """One piece; ``None`` if there is none.

        Raises:
            PoolUnavailable: there was, and it is gone; or Ray does not answer.
        """
        name = piece_name(task, stream, number)
        kept = self._keeping.piece(entry.run, name)
        ended = entry.end is not None
        if kept is not None and (ended or len(kept) == PIECE):
            return kept
        part = self._keeping.piece(entry.run, name + _PART)
        try:
            piece = await self._rest.log_file(entry.nodes[task], f"{_folder(entry)}/{name}")
        except PoolUnavailable:
            if part is None:
                raise
            return part
        if part is not None and len(piece or b"") < len(part):
            return part  # what is written only grows: Ray has lost it
        if piece is None and ended and number == 0 and entry.began:
            raise PoolUnavailable(f"the output of run {entry.run} is gone with its node")
        if piece is not None:
            entry.heard = True
            whole = ended or len(piece) == PIECE
            self._keeping.keep_piece(entry.run, name if whole else name + _PART, piece)
        return piece


def _folder(entry: Entry) -> str:
    return f"suan/{entry.submission}"
