"""What `bench_chaos.py` does to a region: it kills and cuts off its parts, and mends them again."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.servers import RunningServer, start_server

LEASE = {"SUAN_LEASE_SECONDS": "2"}  # a dead leader's lease runs out within this


@dataclass
class Mending:
    """What has to be done to bring a part back, and when."""

    at: float
    what: str
    mend: Callable[[], None]


@dataclass
class Chaos:
    """One region's folder, its server, and everything that is broken there at the moment.

    ``clusters`` are the folders of Slurm clusters. Each thing is broken once at a time. All that is
    random comes from ``random``.
    """

    home: Path
    clusters: list[Path]
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)
    server: RunningServer | None = None
    _broken: dict[str, Mending] = field(default_factory=dict)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self.server = start_server(self.home, environ=LEASE)
        for last in (False, False, True):  # a busy machine takes its time
            try:
                self.server.wait_ready()
            except TimeoutError:
                if last:
                    raise
            else:
                return

    def step(self) -> None:
        """Mend what is due, and break something that is whole."""
        self._mend(time.monotonic())
        self.operate()
        before = self.done.total()
        breaks: list[Callable[[], None]] = [self._kill_server, self._hang_line, self._kill_line]
        breaks += [
            partial(doing, cluster)
            for cluster in self.clusters
            for doing in (self._kill_controller, self._hang_controller, self._kill_node)
        ]
        self.random.shuffle(breaks)
        for each in breaks:
            each()
            if self.done.total() > before:
                return

    def operate(self) -> None:
        """What an operator does meanwhile, where Slurm answers."""
        for cluster in self.clusters:
            if self._whole(cluster):
                resume(cluster)

    def mend_all(self) -> None:
        """Nothing is broken any more."""
        self._mend(float("inf"))
        if self.server is None or self.server.process.poll() is not None:
            self.start()

    def _mend(self, now: float) -> None:
        for part, mending in list(self._broken.items()):
            if mending.at <= now:
                del self._broken[part]
                mending.mend()

    def _breaks(
        self, part: str, what: str, seconds: tuple[float, float], mend: Callable[[], None]
    ) -> None:
        self.done[what] += 1
        at = time.monotonic() + self.random.uniform(*seconds)
        self._broken[part] = Mending(at, what, mend)

    # What can happen -------------------------------------------------------------------------

    def _kill_server(self) -> None:
        if "server" not in self._broken and self.server is not None:
            self.server.kill()
            self._breaks("server", "server killed", (0, 5), self.start)

    def _lines(self) -> list[int]:
        """The programs on login nodes, which the server holds by a line each."""
        if "server" in self._broken or self.server is None:
            return []
        mine = children(self.server.process.pid)
        return [pid for pid in mine if b"sys.stdin.buffer" in told(pid)]

    def _kill_line(self) -> None:
        if lines := self._lines():
            os.kill(self.random.choice(lines), signal.SIGKILL)
            self.done["line to a login node broken"] += 1

    def _hang_line(self) -> None:
        if lines := self._lines():
            pid = self.random.choice(lines)
            if f"line {pid}" not in self._broken:
                self._freeze(pid, f"line {pid}", "line to a login node frozen")

    def _kill_controller(self, cluster: Path) -> None:
        if self._whole(cluster):
            os.kill(pid_in(cluster / "slurmctld.pid"), signal.SIGKILL)
            self._breaks(str(cluster), "slurmctld killed", (3, 20), partial(restart, cluster))

    def _hang_controller(self, cluster: Path) -> None:
        if self._whole(cluster):
            pid = pid_in(cluster / "slurmctld.pid")
            self._freeze(pid, str(cluster), "slurmctld frozen")

    def _kill_node(self, cluster: Path) -> None:
        if self._whole(cluster):
            node = self.random.choice(sorted(cluster.glob("slurmd.*.pid")))
            os.kill(pid_in(node), signal.SIGKILL)
            self._breaks(str(cluster), "slurmd killed", (1, 10), partial(restart, cluster))

    def _whole(self, cluster: Path) -> bool:
        return str(cluster) not in self._broken

    def _freeze(self, pid: int, part: str, what: str) -> None:
        os.kill(pid, signal.SIGSTOP)
        self._breaks(part, what, (5, 25), partial(go_on, pid))


def restart(cluster: Path) -> None:
    """Bring back what was killed of a cluster."""
    for file in (cluster / "slurmctld.pid", *cluster.glob("slurmd.*.pid")):
        gone(pid_in(file))
    up = Path(__file__).parents[1] / "infra" / "slurm" / "up"
    done = subprocess.run([up, cluster.parent, "-n", "3"], capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())


def resume(cluster: Path) -> None:
    """Take drained nodes into use again, as an operator would: a slurmctld that was killed gives
    job ids twice, and slurmd drains a node that meets one again."""
    env = {**os.environ, "SLURM_CONF": str(cluster / "slurm.conf")}
    argv = ("scontrol", "update", "nodename=ALL", "state=resume")
    subprocess.run(argv, env=env, capture_output=True, check=False)  # none may need it


def gone(pid: int) -> None:
    """Wait until a process that was killed is no more; one that lives is left alone."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state != "Z":
            return
        time.sleep(0.02)  # a poll with a limit


def pid_in(file: Path) -> int:
    """The process of a pid file."""
    return int(file.read_text())


def go_on(pid: int) -> None:
    """Let a frozen process go on, if it is still there."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def children(pid: int) -> list[int]:
    """The processes that one has started."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def told(pid: int) -> bytes:
    """A process's command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def living(mark: str) -> list[int]:
    """The processes with a variable in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return found
