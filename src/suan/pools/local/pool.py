"""``LocalPool``: the pool, its logs and its watch, over the run directories."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

from suan.content.cache import Broken, Full
from suan.content.outputs import NoSuch
from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.offer import NodeStatus, Offer
from suan.model.pool import (
    Content,
    Launch,
    LogChunk,
    Observation,
    OutputFile,
    Parcel,
    RunReport,
)
from suan.model.units import Duration, RunId
from suan.pools.local import logs, reports
from suan.pools.local.runs import RunStore
from suan.pools.local.watch import FileWatch
from suan.pools.sending import send

_LAUNCHING_THREADS, _OTHER_THREADS = 16, 8
_LOOK_FOR_DEAD_S = 1.0
_T = TypeVar("_T")


class LocalPool:
    """This machine, or a part of it declared as a pool. Made by ``kind.LocalKind.open``."""

    kind: ClassVar[str] = "local"

    def __init__(self, offer: Offer, nodes: tuple[NodeStatus, ...], runs: RunStore) -> None:
        self._offer = offer
        self._nodes = {node.name: node for node in nodes}
        self._runs = runs
        self._launching = ThreadPoolExecutor(_LAUNCHING_THREADS, f"launch-{offer.pool}")
        self._threads = ThreadPoolExecutor(_OTHER_THREADS, f"pool-{offer.pool}")
        self._watch: FileWatch | None = None
        self._looked_at = time.monotonic()
        self._read_to = 0

    @property
    def offer(self) -> Offer:
        """What is true of the pool as a whole."""
        return self._offer

    async def observe(self, cursor: str | None) -> Observation:
        """Runs since ``cursor``; the nodes too, and every run there is, for ``None``."""
        return await self._in_thread(self._observe, cursor)

    async def launch(self, launch: Launch) -> str:
        """Start a run; see ``runs.RunStore``."""
        unknown = sorted(set(launch.nodes) - set(self._nodes))
        if unknown or not launch.nodes:
            raise PoolRejected(f"pool {self._offer.pool} has no node {', '.join(unknown)}")
        ticket = next(self._runs.tickets)
        return await self._in_thread(self._runs.launch, launch, ticket, threads=self._launching)

    async def find(self, run: RunId) -> str | None:
        """The reference of a run that started here, or ``None``: then it never will unasked."""
        return await self._in_thread(self._runs.find, run)

    async def cancel(self, ref: str, grace: Duration) -> None:
        """SIGTERM to the whole tree now, SIGKILL after ``grace``."""
        await self._in_thread(self._runs.cancel, ref, grace)

    async def preempt(self, ref: str, *, signal: str, grace: Duration) -> None:
        """The same, with a signal of the job's own."""
        await self._in_thread(self._runs.cancel, ref, grace, signal)

    async def read_log(
        self, ref: str, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """A piece of a task's output, of any bytes."""

        def read() -> LogChunk:
            path = self._runs.path(ref)
            return logs.read_log(path, task=task, stream=stream, offset=offset, limit=limit)

        return await self._in_thread(read)

    async def deliver(self, parcel: Parcel, content: Content, moved: Callable[[int], None]) -> None:
        """Copy what a parcel needs and is not here; most often the server keeps it right here."""
        await send(parcel, content, self, moved=moved)

    async def missing(self, digests: Sequence[str]) -> Mapping[str, int]:
        """Which contents are not here whole, each with how many of its first bytes are."""
        return await self._in_thread(self._runs.cache.missing, digests)

    async def put(self, digest: str, offset: int, data: bytes, *, size: int) -> None:
        """Take a piece of a content."""

        def work() -> None:
            try:
                self._runs.cache.put(digest, offset, data, size=size)
            except (Full, Broken) as error:
                raise PoolUnavailable(f"pool {self._offer.pool}: {error}") from error

        await self._in_thread(work)

    async def list_outputs(self, ref: str) -> tuple[OutputFile, ...]:
        """What a run has left so far."""

        def work() -> tuple[OutputFile, ...]:
            return tuple(OutputFile(*each) for each in self._runs.left(ref).files())

        return await self._in_thread(work)

    async def read_output(self, ref: str, path: str, *, offset: int, limit: int) -> bytes:
        """Bytes of one of them."""

        def work() -> bytes:
            try:
                return self._runs.left(ref).read(path, offset, limit)
            except NoSuch as error:
                raise PoolRejected(str(error)) from error

        return await self._in_thread(work)

    async def changed(self) -> None:
        """Return as soon as a run has started or ended since the last ``observe``."""
        if self._watch is None:
            self._watch = FileWatch(self._runs.events)
        while not await self._watch.beyond(self._read_to, _LOOK_FOR_DEAD_S):
            if self._runs.live:
                await self._in_thread(self._runs.dead)  # which writes an event of any it finds

    async def close(self) -> None:
        """Let go of threads and descriptors. Runs go on."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        for threads in (self._launching, self._threads):
            await asyncio.to_thread(threads.shutdown)
        self._runs.launcher.close()

    async def _in_thread(
        self,
        work: Callable[..., _T],
        *arguments: Any,
        threads: ThreadPoolExecutor | None = None,
    ) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(threads or self._threads, work, *arguments)
        except OSError as error:
            raise PoolUnavailable(f"pool {self._offer.pool}: {error}") from error

    def _observe(self, cursor: str | None) -> Observation:
        inode, size = self._end_of_events()
        place, _, offset = (cursor or "").partition(":")
        if place != str(inode) or not offset.isdigit() or int(offset) > size:
            return self._observe_all(inode, size)
        found, read_to = self._news(int(offset))
        if time.monotonic() - self._looked_at >= _LOOK_FOR_DEAD_S:
            self._looked_at = time.monotonic()
            found |= {report.run: report for report in self._runs.dead()}
        self._read_to = read_to
        return Observation(f"{inode}:{read_to}", reports=tuple(found.values()))

    def _observe_all(self, inode: int, size: int) -> Observation:
        self._runs.prune()
        found = self._runs.look_at_all()
        self._read_to = size
        return Observation(
            cursor=f"{inode}:{size}",
            nodes=tuple(self._nodes.values()),
            reports=tuple(found),
        )

    def _end_of_events(self) -> tuple[int, int]:
        status = self._runs.events.stat()
        return status.st_ino, status.st_size

    def _news(self, offset: int) -> tuple[dict[RunId, RunReport], int]:
        """The newest report of each run that whole lines after ``offset`` tell of."""
        with self._runs.events.open("rb") as file:
            file.seek(offset)
            data = file.read()
        whole, _, _ = data.rpartition(b"\n")
        found: dict[RunId, RunReport] = {}
        for line in whole.splitlines():
            try:
                status = json.loads(line)
            except ValueError:
                continue  # cut short by a full disk; the status will tell
            run = status.pop("run")
            self._runs.settle(run, status)
            found[run] = reports.report(run, status)
        return found, offset + len(whole) + (1 if whole else 0)
