"""Reads a run's log: ranges, the last lines, and following it until the run has ended.

Memory does not depend on the log's length: one chunk is read, masked and sent at a time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from suan.api.masking import Masker
from suan.model.errors import PoolUnavailable
from suan.model.job import Run
from suan.model.live import Live
from suan.model.pool import LogChunk

CHUNK = 256 << 10
POLL_MIN_S, POLL_MAX_S = 0.02, 0.15
PATIENCE_S = 60.0  # with a pool that stops answering while its log is followed


class Pulse:
    """Waits a little longer each time nothing happens."""

    def __init__(self) -> None:
        self._delay = POLL_MIN_S

    async def wait(self) -> None:
        await asyncio.sleep(self._delay)
        self._delay = min(self._delay * 1.5, POLL_MAX_S)

    def reset(self) -> None:
        self._delay = POLL_MIN_S


@dataclass(frozen=True, slots=True)
class Log:
    """One stream of one task of a run."""

    live: Live
    run: Run
    task: int
    stream: str
    secrets: Sequence[bytes] = ()

    async def read(self, offset: int, limit: int) -> LogChunk:
        """At most ``limit`` bytes, as the pool has them: not masked."""
        return await self.live.read_log(
            self.run, task=self.task, stream=self.stream, offset=offset, limit=limit
        )

    async def size(self) -> int:
        """How many bytes there are now."""
        return (await self.read(-1, 1)).next_offset

    async def start_of_last(self, lines: int, size: int) -> int:
        """Where the last ``lines`` lines begin. A line break at the end closes the last line."""
        if lines == 0:
            return size
        end, wanted = size, lines
        while end > 0:
            start = max(0, end - CHUNK)
            data = (await self.read(start, end - start)).data[: end - start]
            if end == size and data.endswith(b"\n"):
                wanted += 1
            at = _nth_break_from_end(data, wanted)
            if at is not None:
                return start + at + 1
            wanted -= data.count(b"\n")
            end = start
        return 0

    async def range(self, first: int, last: int) -> AsyncIterator[bytes]:
        """What stands from ``first`` to before ``last``, masked."""
        masker, position = self._masker(first, last)
        end = last + masker.overlap
        while position < end:
            chunk = await self.read(position, min(CHUNK, end - position))
            if not chunk.data:
                break
            position += len(chunk.data)
            if shown := masker.feed(chunk.data):
                yield shown
        if shown := masker.finish():
            yield shown

    async def follow(self, first: int) -> AsyncIterator[bytes]:
        """Everything from ``first`` until the run has ended and all was given, masked."""
        masker, position = self._masker(first, None)
        pulse = Pulse()
        while True:
            chunk = await self._patiently(position, pulse)
            position += len(chunk.data)
            if shown := masker.feed(chunk.data):
                yield shown
            if chunk.data:
                pulse.reset()
            if chunk.end and len(chunk.data) < CHUNK:
                break
            if not chunk.data:
                await pulse.wait()
        if shown := masker.finish():
            yield shown

    def _masker(self, first: int, last: int | None) -> tuple[Masker, int]:
        overlap = Masker(self.secrets).overlap
        position = max(0, first - overlap)
        return Masker(self.secrets, position=position, first=first, last=last), position

    async def _patiently(self, position: int, pulse: Pulse) -> LogChunk:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self.read(position, CHUNK)
            except PoolUnavailable:
                if time.monotonic() >= deadline:
                    raise
                await pulse.wait()


def _nth_break_from_end(data: bytes, count: int) -> int | None:
    at = len(data)
    for _ in range(count):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            return None
    return at


async def first_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, the first of them read already: its errors come before any header."""
    first = await anext(pieces, None)

    async def all_of_them() -> AsyncIterator[bytes]:
        if first is not None:
            yield first
            async for piece in pieces:
                yield piece

    return all_of_them()
