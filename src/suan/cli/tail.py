"""Follows the output of every task of a job at once, each in a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from suan.cli.output import note
from suan.client.calls import LogPart
from suan.client.sync import Client
from suan.model.errors import SuanError

MOST_TASKS = 16  # followed at once; the others' output is kept, and `suan logs --task` shows it


@dataclass(frozen=True, slots=True)
class Sink:
    """Where output goes. With a prefix, whole lines only, so that tasks do not mix in one."""

    file: BinaryIO
    lock: threading.Lock
    prefix: bytes = b""

    def write(self, chunks: Iterator[bytes]) -> None:
        """Write everything that comes, as it comes."""
        rest = b""
        for chunk in chunks:
            if not self.prefix:
                self._put(chunk)
                continue
            *lines, rest = (rest + chunk).split(b"\n")
            self._put(b"".join(self.prefix + line + b"\n" for line in lines))
        if rest:
            self._put(self.prefix + rest + b"\n")

    def _put(self, data: bytes) -> None:
        with self.lock:
            self.file.write(data)
            self.file.flush()


def sinks(
    tasks: Sequence[int], streams: Mapping[str, BinaryIO], *, prefixed: bool
) -> list[tuple[int, str, Sink]]:
    """Task, stream and sink of everything that is to be shown."""
    lock = threading.Lock()
    return [
        (task, stream, Sink(file, lock, f"[{task}] ".encode() if prefixed else b""))
        for task in tasks
        for stream, file in streams.items()
    ]


class Tail:
    """One run's output on its way to the terminal. ``part`` is what all of them share."""

    def __init__(
        self,
        connect: Callable[[], Client],
        job: str,
        *,
        part: LogPart,
        outputs: list[tuple[int, str, Sink]],
    ) -> None:
        self._connect = connect
        self._job = job
        self._part = part
        self._pipe_broke = False
        self._lock = outputs[0][2].lock
        self._threads = [
            threading.Thread(target=self._follow, args=output, daemon=True) for output in outputs
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until everything is shown.

        Raises:
            BrokenPipeError: whoever read the output went away.
        """
        try:
            for thread in self._threads:
                while thread.is_alive():
                    thread.join(0.2)  # in slices, so that Ctrl-C is heard
        except KeyboardInterrupt:
            # Kept for good: a thread that is inside a write when the interpreter ends crashes it.
            self._lock.acquire(timeout=1.0)
            raise
        if self._pipe_broke:
            raise BrokenPipeError

    def _follow(self, task: int, stream: str, sink: Sink) -> None:
        part = self._part.copy()
        part["task"], part["stream"] = task, stream
        try:
            with self._connect() as client:
                sink.write(client.logs(self._job, follow=True, **part))
        except BrokenPipeError:
            self._pipe_broke = True
        except SuanError as error:
            note(f"warning: the {stream} of task {task} cannot be shown: {error.message}")
