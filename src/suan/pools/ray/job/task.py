"""The keeper of one task: a process of its own that runs the script and sees it through.

It takes orders and gives words, one JSON object a line: ``{"signal": "SIGUSR1", "grace_s": 60}``
asks the task to end; ``{"started": TIME}`` and ``{"end": {…}}`` tell of it. It has left the process
tree of whoever started it, because Ray's own stop signals everything in that; it ends with its
task, or as soon as whoever started it is gone, and adopts every process that the task leaves.
"""

# A program that travels stays plain and quick to start.
# ruff: noqa: PTH123

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
import traceback
from typing import Any

from suan.pools.ray.job import bringing, places, tree
from suan.pools.ray.job.output import Output

_LOOK_S = 0.25  # between two looks at the memory, or at what lingers
_BLOCK = 1 << 16
STREAMS = ("stdout", "stderr")


def start(spec: dict[str, Any]) -> tuple[int, int]:
    """Start a keeper; what to write orders to, and what to read its words from.

    A fresh interpreter, not a fork: a Ray worker has threads.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "suan.pools.ray.job.task"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    orders, words = os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno())
    with process:
        process.stdin.write(json.dumps(spec).encode() + b"\n")
    return orders, words


def main() -> None:
    """Be a keeper: the first line of standard input is the launch, the others are orders."""
    data = b""
    while b"\n" not in data:
        data += os.read(0, 1 << 20)
    launch, orders = data.split(b"\n", 1)
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ignore)  # SIG_IGN would be the task's, too
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # Ray blocks SIGINT
    tree.adopt_orphans()
    keeper = Keeper(json.loads(launch), orders=0, words=1)
    keeper.obey(orders)
    try:
        keeper.see_through()
    except places.Unusable as error:
        keeper.say({"end": {"code": 126, "cause": "failed", "detail": str(error)}})
    except bringing.Gone as error:
        keeper.say({"end": {"code": 1, "cause": "unlaunched", "detail": str(error)}})
    except Exception:  # noqa: BLE001 - the boundary of the process: the other end tells
        tree.kill_all()
        keeper.say({"end": {"code": 1, "cause": "lost", "detail": traceback.format_exc(limit=-2)}})


def _ignore(*_: object) -> None:
    """What is for the task comes as an order."""


class Keeper:
    """One task under way. ``spec`` is the launch, with ``rank``, ``environment`` and ``logs``."""

    def __init__(self, spec: dict[str, Any], *, orders: int, words: int) -> None:
        self._spec = spec
        self._orders, self._words = orders, words
        self._selector = selectors.DefaultSelector()
        self._outputs: dict[int, Output] = {}
        self._child = 0
        self._status: int | None = None
        self._asked: str | None = None  # the last signal that asked it to end
        self._kill_at: float | None = None
        self._cause, self._detail = "", ""
        self._deadline: float | None = None

    def say(self, word: dict[str, Any]) -> None:
        """One word to whoever listens."""
        with contextlib.suppress(OSError):
            os.write(self._words, json.dumps(word).encode() + b"\n")

    def see_through(self) -> None:
        """Run the task and tell its end.

        Raises:
            places.Unusable: it cannot be started.
        """
        self._begin()
        while self._status is None or self._lingers():
            self._wait()
            self._look()
        tree.kill_all()
        self._reap()
        self._drain()
        place, workdir = self._left
        places.leave(place, self._spec["rank"], workdir=workdir, named=self._spec["outputs"])
        self.say({"end": self._end()})

    def _begin(self) -> None:
        spec = self._spec
        place = places.Places(spec["logs"], spec["submission"], spec["rank"])
        place.make(float(spec["keep_s"]))
        workdir = place.working_directory(spec["workdir"])
        bringing.lay_out(spec, workdir)
        self._left = place, workdir
        places.mount(spec["mounts"], workdir)
        command = place.command(spec)
        environment = {
            **spec["environment"],
            "SUAN_RUN_DIR": place.run,
            "SUAN_OUTPUT_DIR": place.output,
            "SUAN_PYTHON": sys.executable,
        }
        pipes = self._lay_out_output(place, workdir)
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        self._selector.register(read, selectors.EVENT_READ, self._reap_woken)
        self._selector.register(self._orders, selectors.EVENT_READ, self._hear)
        process = subprocess.Popen(
            command,
            cwd=workdir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=pipes["stdout"],
            stderr=pipes["stderr"],
            start_new_session=True,
        )
        for pipe in set(pipes.values()):
            os.close(pipe)
        self._child = process.pid
        process.returncode = 0  # reaped here, with everything else
        if spec["time_limit_s"]:
            self._deadline = time.monotonic() + spec["time_limit_s"]
        self.say({"started": time.time()})

    def _lay_out_output(self, place: places.Places, workdir: str) -> dict[str, int]:
        """The ends of pipes for the task to write into, by stream."""
        paths = places.output_paths(self._spec, workdir)
        together = bool(self._spec["stderr"]) and self._spec["stderr"] == self._spec["stdout"]
        pipes: dict[str, int] = {}
        for stream in STREAMS[:1] if together else STREAMS:
            path = paths[stream]
            if path and self._spec["rank"] == 0:
                with open(path, "wb"):
                    pass
            output = Output(place.logs, self._spec["rank"], stream, copy_to=path)
            read, pipes[stream] = os.pipe()
            os.set_blocking(read, False)
            self._outputs[read] = output
            self._selector.register(read, selectors.EVENT_READ, self._take)
        pipes.setdefault("stderr", pipes["stdout"])
        return pipes

    # What happens

    def _wait(self) -> None:
        now = time.monotonic()
        timers = [at - now for at in (self._deadline, self._kill_at) if at is not None]
        if self._spec["memory_limit_mib"] or self._status is not None:
            timers.append(_LOOK_S)
        for key, _ in self._selector.select(max(0.0, min(timers)) if timers else None):
            key.data(key.fd)

    def _take(self, pipe: int) -> bool:
        """Keep a block of output; whether there may be more."""
        try:
            data = os.read(pipe, _BLOCK)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(pipe)
            self._outputs.pop(pipe).close()
            os.close(pipe)
            return False
        self._outputs[pipe].write(data)
        return True

    def _drain(self) -> None:
        for pipe in list(self._outputs):
            while self._take(pipe):
                pass
        for output in self._outputs.values():
            output.close()

    def _hear(self, orders: int) -> None:
        data = os.read(orders, _BLOCK)
        if not data:  # whoever started us is gone, and so is the run
            self._selector.unregister(orders)
            self._cause, self._detail = "lost", "its Ray job was killed"
            self._kill_at = time.monotonic()
            return
        self.obey(data)

    def obey(self, orders: bytes) -> None:
        """End the task as each of these lines says."""
        for line in orders.splitlines():
            order = json.loads(line)
            self._cause = "cancelled"
            self._ask_to_end(order["signal"], float(order["grace_s"]))

    def _ask_to_end(self, name: str, grace_s: float) -> None:
        kill_at = time.monotonic() + grace_s
        self._kill_at = kill_at if self._kill_at is None else min(kill_at, self._kill_at)
        if grace_s > 0 and name != self._asked:
            tree.signal_all(tree.descendants(), getattr(signal, name))
        self._asked = name

    def _look(self) -> None:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            limit = self._spec["time_limit_s"]
            self._cause, self._detail = "timed_out", f"its time limit of {limit:g} s passed"
            self._ask_to_end("SIGTERM", float(self._spec["grace_s"]))
        limit_mib = self._spec["memory_limit_mib"]
        if limit_mib and self._status is None and not self._cause:
            held = tree.resident_bytes() >> 20
            if held > limit_mib:
                self._cause = "out_of_memory"
                self._detail = f"its processes held {held} MiB, above the limit of {limit_mib}"
                self._kill_at = now
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = now + _LOOK_S
            tree.kill_all()
            self._reap()

    def _lingers(self) -> bool:
        """Whether what was asked to end is still saving; without being asked, nothing is."""
        return self._asked is not None and bool(tree.descendants())

    def _reap_woken(self, read: int) -> None:
        os.read(read, _BLOCK)
        self._reap()

    def _reap(self) -> None:
        """Take in every process that has ended, the task's first one among them."""
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            if process == self._child:
                self._status = status

    def _end(self) -> dict[str, Any]:
        code = os.waitstatus_to_exitcode(self._status or 0)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "code": code if code >= 0 else 128 - code,
            "at": time.time(),
            "cpu_us": round((used.ru_utime + used.ru_stime) * 1e6),
            "max_rss_mib": used.ru_maxrss >> 10,
            "cause": self._cause,
            "detail": self._detail,
        }


if __name__ == "__main__":
    main()
