"""One engine's two doors: reads on a few reader connections, writes through the one writer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from suan.model.errors import StoreUnavailable
from suan.store.commit import Work, Writer
from suan.store.errors import Place, translating

T = TypeVar("T")

READERS = 4


@dataclass(frozen=True, slots=True)
class Engines:
    """A writer's engine, whose transactions exclude other writers, and the readers' engine."""

    name: str  # "sqlite" or "postgresql"
    place: Place
    writer: Engine
    reader: Engine


class Database:
    """What the store's parts work on. ``read`` and ``write`` raise only suan's own errors."""

    def __init__(self, engines: Engines) -> None:
        self.name = engines.name
        self._engines = engines
        self._writer = Writer(engines.writer, engines.place)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="suan-store-reader")
        self._closed = False

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` on a reader's connection; it may run twice if the first one was dead."""
        if self._closed:
            raise StoreUnavailable("the store is closed", mend="open it again")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Work[T], *, kind: str = "other", rows: int = 1) -> T:
        """See ``Writer.write``."""
        return await self._writer.write(work, kind=kind, rows=rows)

    async def close(self) -> None:
        """Finish what is under way and let go of every connection. Again is harmless."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _read(self, work: Work[T]) -> T:
        with translating(self._engines.place):
            try:
                return self._read_once(work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._read_once(work)

    def _read_once(self, work: Work[T]) -> T:
        with self._engines.reader.connect() as connection:
            return work(connection)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._engines.reader.dispose()
        self._engines.writer.dispose()
