"""The run directories of one pool: launching, finding, ending, looking. Blocking; thread-safe.

The order that makes a launch happen at most once, wherever anyone dies: the launch is written with
a nonce under the run's lock; a runner starts only while it holds that lock, finds no status, and
finds its own nonce; its first act is to make the status ``started`` durable. ``find`` takes the
same lock: what has no status then is marked as given up, so its nonce is gone for ever; only a
launch that the same server asks for afterwards may write a new one.
"""

import json
import os
import re
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from suan.content.cache import Cache
from suan.content.outputs import Left
from suan.facts.devices import vendor_of
from suan.killpoints import passing
from suan.model.errors import PoolOutcomeUnknown, PoolRejected, PoolUnavailable
from suan.model.job import Cause
from suan.model.pool import Launch, RunReport
from suan.model.units import Duration
from suan.pools.local import environment, preparation, processes, records, reports
from suan.pools.local.allocation import Allocation, Share
from suan.pools.local.launcher import Launcher

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LOCK_PATIENCE_S = 15.0
_LOCK_RETRY_S = 0.002
_EVENTS_BYTES = 64 << 20  # a longer log of events is put aside; readers then look at everything


@dataclass(slots=True)
class Settings:
    """What a pool adds to every launch."""

    grace_us: Duration
    keep_us: Duration
    cgroup: str | None
    inherited: dict[str, str]
    real_devices: bool  # whether the accelerators are there, so that their meters may be read


@dataclass(slots=True)
class RunStore:
    """One pool's runs. ``live`` holds the runs that started and are not known to have ended."""

    directory: Path
    settings: Settings
    allocation: Allocation
    launcher: Launcher
    cache: Cache  # of what jobs bring
    live: set[str] = field(default_factory=set)
    ports: dict[str, int] = field(default_factory=dict)
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    tickets: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.runs.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.events.exists() and self.events.stat().st_size > _EVENTS_BYTES:
            self.events.replace(self.directory / f"{records.EVENTS}.old")
        self.events.touch(mode=0o600)

    @property
    def runs(self) -> Path:
        return self.directory / "runs"

    @property
    def events(self) -> Path:
        return self.directory / records.EVENTS

    def path(self, run: str) -> Path:
        """Raises:
        PoolRejected: no run can be called so.
        """
        if not _RUN_NAME.fullmatch(run):
            raise PoolRejected(f"{run!r} is not the name of a run")
        return self.runs / run

    # launching

    def launch(self, launch: Launch, ticket: int) -> str:
        """Start a run exactly once; returns its reference, which is its id.

        ``ticket`` is from ``tickets``, taken when the launch was asked for: a launch that waited
        while ``find`` gave its run up comes too late.
        """
        directory = self.path(launch.run)
        workdir = preparation.working_directory(launch, directory)
        if launch.parcels:
            self._lay_out(launch, directory, workdir)
        links = preparation.links(launch, workdir)
        request = self._request(launch, directory, workdir)
        directory.mkdir(mode=0o700, exist_ok=True)
        passing("local.directory_made")
        with self._locked(directory) as lock:
            if lock is None or records.read_status(str(directory)) is not None:
                return launch.run
            self._write_launch(launch, directory, request, ticket=ticket)
            for link, target in links:
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(target)
        passing("local.launch_written")
        try:
            answer = self.launcher.ask(request)
        except PoolUnavailable:
            self._release(launch.run)
            raise
        passing("local.runner_started")
        return self._settled(launch.run, answer)

    def _lay_out(self, launch: Launch, directory: Path, workdir: Path) -> None:
        """Give the run its own copies of what its job brings, unless it has started."""
        directory.mkdir(mode=0o700, exist_ok=True)
        with self._locked(directory) as lock:
            if lock is None or records.read_status(str(directory)) is not None:
                return
            preparation.copies(launch, workdir, self.cache)

    def _settled(self, run: str, answer: dict[str, str]) -> str:
        if answer["state"] in ("started", "already"):
            self.live.add(run)
            return run
        if answer["state"] == "superseded":
            raise PoolOutcomeUnknown(f"another launch of {run} went ahead of this one")
        self._release(run)
        raise PoolUnavailable(f"run {run} could not be started: {answer['detail']}")

    def _request(self, launch: Launch, directory: Path, workdir: Path) -> dict[str, Any]:
        """All that a runner needs, but what depends on the launch's record."""
        command, files = preparation.script(launch)
        return {
            "run": launch.run,
            "directory": str(directory),
            "pool_directory": str(self.directory),
            "command": [word.replace("{directory}", str(directory)) for word in command],
            "files": files,
            "workdir": str(workdir),
            "stdout": preparation.output_path(launch.stdout, workdir),
            "stderr": preparation.output_path(launch.stderr, workdir),
            "time_limit_us": launch.time_limit,
            "grace_us": self.settings.grace_us,
            "memory_limit_mib": launch.memory_limit_mib,
            "cpu_milli": launch.per_task.cpu_milli,
            "cgroup": self.settings.cgroup,
        }

    def _write_launch(
        self, launch: Launch, directory: Path, request: dict[str, Any], *, ticket: int
    ) -> None:
        """Write the launch's record, or take over what an unfinished launch wrote."""
        record = records.read_json(str(directory / records.LAUNCH))
        if record and "abandoned_by" in record:
            mine = record["abandoned_by"] == self.owner
            if not mine or ticket < record["ticket"]:
                raise PoolOutcomeUnknown(f"run {launch.run} was given up since; ask for it again")
        if record and "nonce" in record:
            shares = _shares(record)
            self.note(launch.run, record)
        else:
            shares = self.allocation.take(launch.run, launch.nodes, launch.per_task)
            self.ports[launch.run] = preparation.free_port(set(self.ports.values()))
            record = self._record(launch, shares, request)
        place = environment.Place(
            directory=str(directory),
            port=record["port"],
            shares=shares,
            node_devices=[self.allocation.devices(node) for node in launch.nodes],
        )
        request["nonce"] = record["nonce"]
        request["energy_devices"] = self._metered(shares)
        request["env"] = self.settings.inherited | environment.shared(launch, place)
        ranks = range(len(launch.nodes))
        request["tasks"] = [environment.own(launch, place, rank) for rank in ranks]
        data = json.dumps(record).encode()
        records.replace_file(str(directory / records.LAUNCH), data, durable=False)

    def _record(
        self, launch: Launch, shares: list[tuple[Share, ...]], request: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "run": launch.run,
            "job": launch.job,
            "name": launch.name,
            "nodes": list(launch.nodes),
            "devices": [[[s.model, s.index, s.amount] for s in task] for task in shares],
            "port": self.ports[launch.run],
            "workdir": request["workdir"],
            "stdout": request["stdout"],
            "stderr": request["stderr"],
            "outputs": list(launch.outputs),
            "launched_at": _now(),
            "nonce": secrets.token_hex(16),
        }

    def _metered(self, shares: list[tuple[Share, ...]]) -> list[int]:
        """NVIDIA's indices of real devices that the run has to itself."""
        if not self.settings.real_devices:
            return []
        taken = [share for task in shares for share in task]
        whole = all(share.amount == 1000 for share in taken)
        nvidia = all(vendor_of(share.model) == "NVIDIA" for share in taken)
        return sorted(share.index for share in taken) if whole and nvidia else []

    # settling

    def find(self, run: str) -> str | None:
        """The reference of a run that started, or ``None``; then no earlier launch can start it."""
        directory = self.path(run)
        directory.mkdir(mode=0o700, exist_ok=True)
        with self._locked(directory) as lock:
            if lock is None or records.read_status(str(directory)) is not None:
                return run
            mark = {"abandoned_by": self.owner, "ticket": next(self.tickets)}
            path = str(directory / records.LAUNCH)
            records.replace_file(path, json.dumps(mark).encode(), durable=True)
            self._release(run)
        return None

    def cancel(self, run: str, grace: Duration, number: str = "SIGTERM") -> None:
        """Have a run's processes ended; one that has not started never will."""
        if not _RUN_NAME.fullmatch(run):
            return
        directory = self.runs / run
        directory.mkdir(mode=0o700, exist_ok=True)
        request = json.dumps({"signal": number, "grace_us": grace, "at": _now()}).encode()
        with self._locked(directory) as lock:
            status = records.read_status(str(directory))
            if lock is not None:
                if status is None:
                    self._write_end(directory, Cause.CANCELLED, "cancelled before it started")
                return
            records.replace_file(str(directory / records.CANCEL), request, durable=False)
            status = records.read_status(str(directory))
        if status is not None and status["state"] == records.STARTED:
            _signal_runner(directory, status.get("runner"))

    # looking

    def left(self, run: str) -> Left:
        """What a run has left.

        Raises:
            PoolRejected: there is no such run here.
        """
        directory = self.path(run)
        record = records.read_json(str(directory / records.LAUNCH))
        if record is None or "nonce" not in record:
            raise PoolRejected(f"run {run} has no output here", mend="it was never launched")
        return Left(str(directory / "output"), record["workdir"], record.get("outputs", ()))

    def look(self, run: str) -> RunReport | None:
        """What a run's status says; a run whose runner died is ended first."""
        directory = self.runs / run
        status = records.read_status(str(directory))
        if status is not None and status["state"] == records.STARTED:
            status = self._lost(directory, status)
        if status is None:
            return None
        self.settle(run, status)
        return reports.report(run, status)

    def settle(self, run: str, status: dict[str, Any]) -> None:
        """Keep what is held for a run in step with its status."""
        if status["state"] == records.STARTED:
            self.live.add(run)
        else:
            self._release(run)

    def look_at_all(self) -> list[RunReport]:
        """Every run that has a status; what the live ones hold is taken note of."""
        found = []
        for name in sorted(path.name for path in self.runs.iterdir()):
            report = self.look(name)
            if report is None:
                continue
            found.append(report)
            if report.outcome is None:
                self.note(name, records.read_json(str(self.runs / name / records.LAUNCH)) or {})
        return found

    def dead(self) -> list[RunReport]:
        """Live runs that turn out to have ended, with or without their runner's word."""
        found = []
        for run in sorted(self.live):
            if not self._kept(run):
                report = self.look(run)
                if report is not None and report.outcome is not None:
                    found.append(report)
        return found

    def _kept(self, run: str) -> bool:
        """Whether a runner holds the run's lock."""
        try:
            lock = records.try_lock(str(self.runs / run))
        except FileNotFoundError:
            self._release(run)  # somebody removed its directory
            return True
        if lock is None:
            return True
        os.close(lock)
        return False

    def prune(self) -> None:
        """Remove the directories of runs that ended long ago, and of launches given up then."""
        before = _now() - self.settings.keep_us
        for path in sorted(self.runs.iterdir()):
            try:
                # every change of a run's status changes its directory
                if path.is_dir() and path.stat().st_mtime_ns // 1000 < before:
                    self._remove_if_ended(path)
            except FileNotFoundError:
                continue  # another server removed it first

    def _remove_if_ended(self, path: Path) -> None:
        lock = records.try_lock(str(path))
        if lock is None:
            return
        try:
            status = records.read_status(str(path))
            if status is None or status["state"] == records.ENDED:
                shutil.rmtree(path)
        finally:
            os.close(lock)

    def note(self, run: str, record: dict[str, Any]) -> None:
        """Take note of what a launch's record says that the run holds."""
        if "nonce" not in record:
            return
        tasks = zip(record["nodes"], _shares(record), strict=True)
        self.allocation.note(run, [(node, share) for node, task in tasks for share in task])
        self.ports[run] = record["port"]

    def _lost(self, directory: Path, status: dict[str, Any]) -> dict[str, Any] | None:
        """End a started run if nobody holds its lock any more: its runner died."""
        lock = records.try_lock(str(directory))
        if lock is None:
            return status
        try:
            now = records.read_status(str(directory))
            if now is None or now["state"] == records.ENDED:
                return now
            left = processes.kill_marked(environment.RUN_DIRECTORY, str(directory))
            detail = f"its runner died; {left} processes that it left were killed"
            return self._write_end(directory, Cause.LOST, detail, started=now)
        finally:
            os.close(lock)

    def _write_end(
        self, directory: Path, cause: Cause, detail: str, *, started: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        status = reports.ended(cause, detail, _now(), started=started)
        records.write_status(str(directory), status)
        records.append_event(str(self.directory), directory.name, status)
        return status

    def _release(self, run: str) -> None:
        self.live.discard(run)
        self.ports.pop(run, None)
        self.allocation.give_back(run)

    @contextmanager
    def _locked(self, directory: Path) -> Iterator[int | None]:
        """The run's lock; ``None`` once it is plain that the run's runner has it.

        Raises:
            PoolUnavailable: somebody else keeps it.
        """
        give_up = time.monotonic() + _LOCK_PATIENCE_S
        while True:
            lock = records.try_lock(str(directory))
            if lock is not None or records.read_status(str(directory)) is not None:
                break
            if time.monotonic() > give_up:
                raise PoolUnavailable(f"the lock of run {directory.name} is held by another")
            time.sleep(_LOCK_RETRY_S)
        try:
            yield lock
        finally:
            if lock is not None:
                os.close(lock)


def _shares(record: dict[str, Any]) -> list[tuple[Share, ...]]:
    return [tuple(Share(*share) for share in task) for task in record["devices"]]


def _signal_runner(directory: Path, pid: int | None) -> None:
    """SIGTERM to the runner, and to no process that took its number since."""
    if pid is None:
        raise PoolUnavailable(f"the status of run {directory.name} is damaged; wait for its end")
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        lock = records.try_lock(str(directory))
        if lock is not None:
            os.close(lock)  # it has ended meanwhile
            return
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _now() -> int:
    return time.time_ns() // 1000
