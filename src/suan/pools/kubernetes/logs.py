"""What tasks write, brought from their nodes and kept after their pods are gone.

A log is read on from the last line that is kept (``parting``). That an answer ends says nothing: a
runtime may still be writing, and an API server ends it the same way when it loses the node. A log
is whole once it has its keeper's marks; one whose keeper was killed, once it grows no more.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec

from suan.model.errors import PoolError, PoolRejected
from suan.model.pool import LogChunk
from suan.pools.kubernetes import marks, outcomes, records
from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.manifest import CONTAINER
from suan.pools.kubernetes.objects import Pod
from suan.pools.kubernetes.parting import STREAMS, Kept, Parting
from suan.pools.kubernetes.records import Records
from suan.pools.kubernetes.runs import Entry

log = logging.getLogger(__name__)

_MOST_FOLLOWED = 200
_IDLE_S = 30.0
_SILENCE_S = 3600.0
_AT_ONCE = 16
_PARTING_S = 5.0  # a follower that has not ended so long after its pod will not
_WHOLE_S = 30.0  # how long the rest of a log may take to come
_PAUSES_S = 0.1, 1.0  # the first and the longest between two looks for it


@dataclass(slots=True, eq=False)
class _Reading:
    """One task's log as it is being read. ``over``: no more of it can be had."""

    kept: Kept
    over: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    following: "asyncio.Task[None] | None" = None
    wanted_at: float = 0.0


class LogKeeper:
    """Reads the logs of a pool's runs into its records."""

    def __init__(self, api: ApiServer, kept: Records, *, namespace: str) -> None:
        self._api = api
        self._records = kept
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._readings: dict[tuple[str, int], _Reading] = {}
        self._permits = asyncio.Semaphore(_AT_ONCE)

    async def read(
        self, entry: Entry, *, task: int, stream: str, span: tuple[int, int]
    ) -> LogChunk:
        """A piece of the log of a run whose pods are there yet."""
        over = entry.outcome is not None
        pod = entry.pods.get(task)
        if pod is not None:
            await (self.collect(entry, task) if over else self._keep_up(entry, task, pod))
        return piece(self._records.log(entry.run, task, stream), span, over=over)

    async def collect(self, entry: Entry, task: int) -> None:
        """Bring what a task wrote to its last line, as far as it can be had.

        Raises:
            PoolError: it cannot be asked for at present.
        """
        reading = self._reading(entry, task)
        if reading.over:
            return
        if (following := reading.following) is not None:
            await asyncio.wait([following], timeout=_PARTING_S)
            following.cancel()
        pause, longest = _PAUSES_S
        last = time.monotonic() + _WHOLE_S
        told = entry.asked.ends and outcomes.word(entry.pods[task]) is not None
        while True:
            before = replace(reading.kept)
            async with self._permits:
                parting = await self._fetch(entry, task, entry.pods[task])
            if self._reading(entry, task).over:
                return  # another reader came to the end meanwhile
            whole, quiet = reading.kept.whole, reading.kept == before
            if not whole and told and quiet and time.monotonic() > last:
                log.warning("run=%s task=%d: the end of its log is lost", entry.run, task)
                told = False
            if whole or parting is None or (quiet and not told and pause > _PAUSES_S[0]):
                self._keep(entry, task, parting.finish() if parting else (b"", b""))
                reading.over = True
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    def let_go(self) -> None:
        """End the following of logs that nobody has asked for lately."""
        now = time.monotonic()
        for key, reading in tuple(self._readings.items()):
            if reading.following is not None and now - reading.wanted_at > _IDLE_S:
                reading.following.cancel()
                del self._readings[key]

    def forget(self, run: str, tasks: int) -> None:
        """A run is put away."""
        for task in range(tasks):
            self._readings.pop((run, task), None)

    async def close(self) -> None:
        following = [each.following for each in self._readings.values() if each.following]
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)

    async def _keep_up(self, entry: Entry, task: int, pod: Pod) -> None:
        reading = self._reading(entry, task)
        reading.wanted_at = time.monotonic()
        if reading.following is not None:
            return
        state = pod.state
        if state.running is None and state.terminated is None:
            return
        await self._fetch(entry, task, pod)
        if not pod.over:
            self._begin_to_follow(reading, entry, task)

    def _begin_to_follow(self, reading: _Reading, entry: Entry, task: int) -> None:
        followed = sum(1 for each in self._readings.values() if each.following is not None)
        if reading.following is None and followed < _MOST_FOLLOWED:
            work = self._follow(entry, task, entry.pods[task])
            reading.following = asyncio.create_task(work)

    async def _follow(self, entry: Entry, task: int, pod: Pod) -> None:
        try:
            await self._fetch(entry, task, pod, follow=True)
        except PoolError:
            return  # whoever reads next tries again
        finally:
            self._reading(entry, task).following = None

    async def _fetch(
        self, entry: Entry, task: int, pod: Pod, *, follow: bool = False
    ) -> Parting | None:
        """Read on from what is kept, by whole lines; ``None`` if there is no such log any more."""
        reading = self._reading(entry, task)
        async with reading.lock:
            parting = Parting(reading.kept, entry.asked.mark.encode())
            async with contextlib.aclosing(self._data(pod, reading.kept, follow=follow)) as pieces:
                async for data in pieces:
                    if data is None:
                        return None
                    self._keep(entry, task, parting.feed(data))
        return parting

    async def _data(
        self, pod: Pod, kept: Kept, *, follow: bool
    ) -> AsyncGenerator[bytes | None, None]:
        """A log's pieces; ``None`` if there is none any more."""
        params = {"container": CONTAINER, "timestamps": "true"}
        if kept.since:
            params["sinceTime"] = kept.since
        if follow:
            params["follow"] = "true"
        path = f"{self._pods}/{pod.metadata.name}/log"
        async with self._api.stream(path, params, silence_s=_SILENCE_S) as response:
            if response.status_code == 400:
                return  # it has not begun
            if response.status_code == 404:
                yield None
                return
            await self._api.judge(response)
            async for data in response.aiter_bytes():
                yield data

    def _keep(self, entry: Entry, task: int, parts: tuple[bytes, bytes]) -> None:
        """Append to the files, then note how far they go."""
        kept = self._reading(entry, task).kept
        if not any(parts) and not kept.whole:
            return
        self._records.folder(entry.run).mkdir(parents=True, exist_ok=True, mode=0o700)
        for stream, data in zip(STREAMS, parts, strict=True):
            if data:
                with self._records.log(entry.run, task, stream).open("ab") as file:
                    file.write(data)
        kept.stdout += len(parts[0])
        kept.stderr += len(parts[1])
        records.note(self._records.place(entry.run, task), marks.encoded(asdict(kept)))

    def _reading(self, entry: Entry, task: int) -> _Reading:
        reading = self._readings.get((entry.run, task))
        if reading is None:
            reading = _Reading(self._resumed(entry.run, task))
            self._readings[entry.run, task] = reading
        return reading

    def _resumed(self, run: str, task: int) -> Kept:
        """What an earlier server kept; what it had not noted yet is read again."""
        found = records.noted(self._records.place(run, task))
        kept = msgspec.convert(found, Kept) if found else Kept()
        for stream, size in (("stdout", kept.stdout), ("stderr", kept.stderr)):
            cut(self._records.log(run, task, stream), size)
        return kept


def cut(path: Path, size: int) -> None:
    """Shorten a file to what is known to be right."""
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        file.truncate(size)


def piece(path: Path, span: tuple[int, int], *, over: bool) -> LogChunk:
    """A piece of a kept log. ``span``: the offset and the most bytes."""
    data, following, size = records.read(path, *span)
    return LogChunk(data, following, over and following >= size)


def check(run: str, task: int, stream: str, *, tasks: int) -> None:
    """Raises:
    PoolRejected: there is no such log.
    """
    if stream not in STREAMS or not 0 <= task < tasks:
        raise PoolRejected(f"run {run} has no {stream!r} of task {task}")
