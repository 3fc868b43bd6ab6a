"""What tasks write, brought from their nodes and kept after their pods are gone.

Kubernetes has one log for both streams, by lines with a time each; lines of standard error carry a
mark that their keeper put there. A log is read on from the last line that is kept.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from suan.model.errors import PoolError, PoolRejected
from suan.model.pool import LogChunk
from suan.pools.kubernetes import marks, records
from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.manifest import CONTAINER
from suan.pools.kubernetes.objects import Pod
from suan.pools.kubernetes.records import Records
from suan.pools.kubernetes.runs import Entry

STREAMS = ("stdout", "stderr")
_MOST_FOLLOWED = 200
_IDLE_S = 30.0
_SILENCE_S = 3600.0
_AT_ONCE = 16
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$")


@dataclass(slots=True)
class Kept:
    """How much of one task's log is kept: each stream's bytes, and the last line's time, with how
    many lines have that time."""

    stdout: int = 0
    stderr: int = 0
    at: str = ""
    lines: int = 0


@dataclass(slots=True, eq=False)
class _Reading:
    """One task's log as it is being read."""

    kept: Kept
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    following: "asyncio.Task[None] | None" = None
    wanted_at: float = 0.0


class Parting:
    """Parts a log with times into its streams. Bytes in, each stream's bytes out."""

    def __init__(self, kept: Kept, mark: bytes) -> None:
        self._kept = kept
        self._mark = mark
        self._skip = (kept.at, kept.lines)
        self._rest = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What whole lines there are now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return self._part(lines, b"\n")

    def finish(self) -> tuple[bytes, bytes]:
        """The last line, if nothing ended it."""
        rest, self._rest = self._rest, b""
        return self._part([rest], b"") if rest else (b"", b"")

    def _part(self, lines: list[bytes], end: bytes) -> tuple[bytes, bytes]:
        out, err = [], []
        for line in lines:
            stamp, _, content = line.partition(b" ")
            if not _STAMP.match(stamp) or self._known(stamp.decode()):
                continue  # of a log that is gone, a kubelet says so in its place
            if not self._mark or self._mark not in content:
                out.append(content + end)
                continue
            before, *marked = content.split(self._mark)
            out.append(before)
            err.append(b"".join(marked) + end)
        return b"".join(out), b"".join(err)

    def _known(self, stamp: str) -> bool:
        """Whether a line was kept before; it is counted if not."""
        at, lines = self._skip
        if stamp < at:
            return True
        if stamp == at and lines > 0:
            self._skip = (at, lines - 1)
            return True
        kept = self._kept
        if stamp == kept.at:
            kept.lines += 1
        else:
            kept.at, kept.lines = stamp, 1
        return False


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
        """Bring what a task wrote to its last line, as far as it can be had."""
        reading = self._reading(entry, task)
        if reading.following is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await asyncio.wait([reading.following])
        async with self._permits:
            await self._fetch(entry, task, entry.pods[task])

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

    async def _fetch(self, entry: Entry, task: int, pod: Pod, *, follow: bool = False) -> None:
        """Read on from what is kept."""
        reading = self._reading(entry, task)
        async with reading.lock:
            parting = Parting(reading.kept, entry.asked.mark.encode())
            async with contextlib.aclosing(self._data(pod, reading.kept, follow=follow)) as pieces:
                async for data in pieces:
                    self._keep(entry, task, parting.feed(data))
            if pod.over or follow:
                self._keep(entry, task, parting.finish())

    async def _data(self, pod: Pod, kept: Kept, *, follow: bool) -> AsyncGenerator[bytes, None]:
        params = {"container": CONTAINER, "timestamps": "true"}
        if kept.at:
            params["sinceTime"] = kept.at
        if follow:
            params["follow"] = "true"
        path = f"{self._pods}/{pod.metadata.name}/log"
        async with self._api.stream(path, params, silence_s=_SILENCE_S) as response:
            if response.status_code in (400, 404):
                return  # it has not begun, or it is gone
            await self._api.judge(response)
            async for data in response.aiter_bytes():
                yield data

    def _keep(self, entry: Entry, task: int, parts: tuple[bytes, bytes]) -> None:
        """Append to the files, then note how far they go."""
        if not any(parts):
            return
        kept = self._reading(entry, task).kept
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
        kept = Kept(
            stdout=int(found.get("stdout", 0)),
            stderr=int(found.get("stderr", 0)),
            at=str(found.get("at", "")),
            lines=int(found.get("lines", 0)),
        )
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
