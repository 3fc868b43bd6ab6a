"""The runner: one small process that starts a run's tasks, waits, and writes what became of them.

It owns the run's lock for its whole life; whoever gets that lock while the status says ``started``
knows that the runner died. It adopts every process that its tasks leave behind, so nothing can
outlive the run. Durations are measured on the monotonic clock; only what is written for people
is wall time.
"""

# Plain paths, not pathlib: a runner must start in a millisecond and stay small.
# ruff: noqa: PTH103, PTH110, PTH118, PTH123

import json
import os
import resource
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from suan.pools.local import copies, energy, limits, processes, records, tasks

_LOCK_PATIENCE_S = 10.0
_LOCK_RETRY_S = 0.001
_MEMORY_CHECK_S = 0.5
_KILL_AGAIN_S = 0.05
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP}


def answer(state: str, detail: str = "") -> bytes:
    """What a launch is told: ``started``, ``already``, ``superseded`` or ``failed``."""
    return json.dumps({"state": state, "detail": detail}).encode()


def main(connection: socket.socket) -> NoReturn:
    """Be the runner of one run, in a process of its own, and exit."""
    code = 1
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        processes.adopt_orphans()
        request = json.loads(_read_all(connection))
        code = serve(request, connection)
    except Exception:  # noqa: BLE001 - the boundary of the process: the story goes to its log
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def serve(request: dict[str, Any], connection: socket.socket) -> int:
    """Start the run if it may still start, answer, and see it through."""
    directory = request["directory"]
    try:
        lock = _claim(directory)
        if lock is None or records.read_status(directory) is not None:
            return _tell(connection, "already")
        launch = records.read_json(os.path.join(directory, records.LAUNCH)) or {}
        if launch.get("nonce") != request["nonce"]:
            return _tell(connection, "superseded")
        run = _Run(request)
        run.prepare()
    except OSError as error:
        return _tell(connection, "failed", str(error))
    _tell(connection, "started")
    run.see_through()
    return 0


def _tell(connection: socket.socket, state: str, detail: str = "") -> int:
    try:
        connection.sendall(answer(state, detail))
    except OSError:
        pass  # whoever asked has gone; the status tells
    connection.close()
    return 0


def _claim(directory: str) -> int | None:
    """The run's lock, or ``None`` once it is plain that another runner has it."""
    give_up = time.monotonic() + _LOCK_PATIENCE_S
    while time.monotonic() < give_up:
        lock = records.try_lock(directory)
        if lock is not None:
            return lock
        if records.read_status(directory) is not None:
            return None
        time.sleep(_LOCK_RETRY_S)
    return None


class _Run:
    """One run under way."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.directory: str = request["directory"]
        self.ranks: dict[int, int] = {}  # process id → rank, of the tasks that live
        self.first_failure: tuple[int, int] | None = None  # rank, wait status
        self.cause: str | None = None  # why it is being ended, if it is
        self.detail = ""
        self.deadline: float | None = None
        self.kill_at: float | None = None
        self.sent: set[int] = set()  # the signals that asked its processes to end
        self.status: dict[str, Any] = {}

    def prepare(self) -> None:
        """Everything that can fail while nothing has started; then say durably that it has."""
        for name in ("work", "output"):
            os.makedirs(os.path.join(self.directory, name), exist_ok=True)
        self._write_script()
        self._lay_out_output()
        self.limits = limits.choose(self.request)
        self.meter = energy.Meter(self.request["energy_devices"])
        self.status = {
            "state": records.STARTED,
            "runner": os.getpid(),
            "started_at": time.time_ns() // 1000,
            "limits": self.limits.told,
        }
        records.write_status(self.directory, self.status)
        if self.request["time_limit_us"] is not None:
            self.deadline = time.monotonic() + self.request["time_limit_us"] / 1e6

    def see_through(self) -> None:
        """Run the tasks and write the end."""
        self._tell_status()
        if self._cancel_requested():
            self.cause, self.detail = "cancelled", "cancelled before its tasks started"
        else:
            self._start_tasks()
            self._wait()
        self._end()

    def _write_script(self) -> None:
        for name, content in self.request["files"].items():
            path = os.path.join(self.directory, name)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o700)
            with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(content)

    def _lay_out_output(self) -> None:
        named = {stream: self.request[stream] for stream in ("stdout", "stderr")}
        together = named["stdout"] is not None and named["stdout"] == named["stderr"]
        self.outputs = tasks.Outputs(self.directory, together=together)
        ranks = range(len(self.request["tasks"]))
        self.copies = [
            copies.Copy(path, [self.outputs.path(rank, stream) for rank in ranks])
            for stream, path in named.items()
            if path is not None and not (together and stream == "stderr")
        ]

    def _tell_status(self) -> None:
        records.append_event(self.request["pool_directory"], self.request["run"], self.status)

    def _start_tasks(self) -> None:
        for rank in range(len(self.request["tasks"])):
            try:
                pid = tasks.start(self.request, rank, self.outputs, limit=self.limits.enter)
            except OSError as error:
                self._stop("lost", f"task {rank} could not be started: {error}", grace=0.0)
                return
            self.ranks[pid] = rank

    def _wait(self) -> None:
        """Until every task has ended and, when they were told to end, every descendant."""
        while True:
            alone = self._reap()
            if alone or (not self.ranks and self.kill_at is None):
                return
            received = signal.sigtimedwait(_SIGNALS, self._patience())
            if received is not None and received.si_signo != signal.SIGCHLD:
                self._reap()  # what has ended by itself until now was not ended by this
                if self.ranks or self.kill_at is not None:
                    self._asked_to_stop()
            self._look_at_clocks()

    def _reap(self) -> bool:
        """Take note of what has ended; whether no descendant is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            rank = self.ranks.pop(pid, None)
            if rank is not None and status != 0 and self.first_failure is None:
                self.first_failure = (rank, status)
                if self.ranks:
                    self._stop("failed", f"task {rank} failed")

    def _patience(self) -> float:
        """Seconds until a clock or the memory must be looked at."""
        now = time.monotonic()
        clocks = [self.kill_at] if self.kill_at is not None else [self.deadline]
        waits = [clock - now for clock in clocks if clock is not None]
        if self.limits.watches_memory:
            waits.append(_MEMORY_CHECK_S)
        if self.copies:
            waits.append(copies.EVERY_S)
        waits.append(self.meter.sample_every_s)
        return max(0.0, min(waits))

    def _look_at_clocks(self) -> None:
        now = time.monotonic()
        self.meter.sample()
        for copy in self.copies:
            copy.follow()
        if self.kill_at is not None:
            if now >= self.kill_at:
                processes.kill_descendants(os.getpid())
                self.kill_at = now + _KILL_AGAIN_S
        elif self.deadline is not None and now >= self.deadline:
            limit = self.request["time_limit_us"] / 1e6
            self._stop("timed_out", f"its time limit of {limit:g} s passed")
        elif excess := self.limits.exceeded():
            self._stop("out_of_memory", excess, grace=0.0)

    def _cancel_requested(self) -> bool:
        return os.path.exists(os.path.join(self.directory, records.CANCEL))

    def _asked_to_stop(self) -> None:
        cancel = records.read_json(os.path.join(self.directory, records.CANCEL))
        if cancel is None:
            self._stop("lost", "its runner was told to end, but not by suan")
            return
        grace = float(cancel.get("grace_us", 0)) / 1e6
        number = signal.Signals.__members__.get(cancel.get("signal", ""), signal.SIGTERM)
        if self.kill_at is None:
            self._stop("cancelled", "", grace=grace, number=number)
            return
        self.kill_at = min(self.kill_at, time.monotonic() + grace)
        if number not in self.sent and grace > 0:
            self._send(number)

    def _stop(
        self,
        cause: str,
        detail: str,
        grace: float | None = None,
        *,
        number: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Tell the whole tree to end; what has not ended after the grace is killed."""
        if self.kill_at is not None:
            return
        self.cause, self.detail = cause, detail
        patience = self.request["grace_us"] / 1e6 if grace is None else grace
        self.kill_at = time.monotonic() + patience
        if patience > 0:
            self._send(number)
        else:
            processes.kill_descendants(os.getpid())

    def _send(self, number: signal.Signals) -> None:
        self.sent.add(number)
        processes.signal_all(processes.descendants(os.getpid()), number)

    def _end(self) -> None:
        self._clear()
        for copy in self.copies:
            copy.follow(to_the_end=True)
        self.status |= {
            "state": records.ENDED,
            "ended_at": max(time.time_ns() // 1000, self.status["started_at"]),
            "outcome": self._outcome(),
            "usage": self._usage(),
        }
        self.limits.leave()
        records.write_status(self.directory, self.status)
        self._tell_status()

    def _clear(self) -> None:
        """Nothing survives a run: kill what is left until there is nothing left to wait for."""
        while not self._reap():
            processes.kill_descendants(os.getpid())
            signal.sigtimedwait({signal.SIGCHLD}, _KILL_AGAIN_S)

    def _outcome(self) -> dict[str, Any]:
        outcome: dict[str, Any] = {"cause": self.cause or "succeeded", "detail": self.detail}
        if self.first_failure is not None:
            rank, status = self.first_failure
            if self.cause is None or self.cause == "failed":
                outcome |= {"cause": "failed", "detail": _told(rank, status)}
            outcome |= _exit(status)
        elif self.cause is None:
            outcome["exit_code"] = 0
        memory = self.limits.ran_out(self.outputs_tail) if outcome["cause"] == "failed" else ""
        if memory:
            outcome |= {"cause": "out_of_memory", "detail": memory}
        return outcome

    def outputs_tail(self) -> bytes:
        """The last words of the first failing task's standard error."""
        rank = self.first_failure[0] if self.first_failure else 0
        try:
            with open(self.outputs.path(rank, "stderr"), "rb") as file:
                file.seek(-min(4096, os.fstat(file.fileno()).st_size), os.SEEK_END)
                return file.read()
        except OSError:
            return b""

    def _usage(self) -> dict[str, Any]:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_us = round((used.ru_utime + used.ru_stime) * 1e6)
        energy_mwh, method = self.meter.read(cpu_us)
        return {
            "cpu_us": cpu_us,
            "max_rss_mib": -(-used.ru_maxrss // 1024),
            "energy_mwh": energy_mwh,
            "energy_method": method,
        }


def _exit(status: int) -> dict[str, int]:
    if os.WIFSIGNALED(status):
        return {"exit_code": 128 + os.WTERMSIG(status), "signal": os.WTERMSIG(status)}
    return {"exit_code": os.WEXITSTATUS(status)}


def _told(rank: int, status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"task {rank} was ended by signal {number} ({signal.strsignal(number)})"
    return f"task {rank} exited with code {os.WEXITSTATUS(status)}"
