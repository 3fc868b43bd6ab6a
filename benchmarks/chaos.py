"""What `bench_chaos.py` does to a region: it breaks its server and its pools at random, and mends
them again. What there is to break of each pool is in `breakable.py`."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from breakable import Fault, Mend, Part, frozen, killed, nothing, told

from tests.servers import RunningServer, start_server

LEASE = {"SUAN_LEASE_SECONDS": "2"}  # a dead leader's lease runs out within this
MENDING_S = 180.0  # what infra may take to bring a part back


@dataclass
class Mending:
    """How a part comes back, and when; ``work`` is under way."""

    at: float
    mend: Mend
    work: "subprocess.Popen[bytes] | None" = None


@dataclass
class Chaos:
    """One region's server and parts, and everything that is broken there at the moment.

    Each part is broken once at a time. All that is random comes from ``random``.
    """

    home: Path
    pools: list[Part]
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)
    server: RunningServer | None = None
    ended: list[float] = field(default_factory=list)  # when something was struck that ends runs
    _broken: dict[str, Mending] = field(default_factory=dict)

    @property
    def parts(self) -> list[Part]:
        """All that can be broken."""
        server = (
            Fault("server killed", (0, 5), lambda _: self._killed()),
            Fault("server frozen", (1, 8), lambda _: frozen(self._server())),
        )
        lines = (
            Fault("line to a login node broken", (0, 0), lambda _: killed(self._line(), nothing)),
            Fault("line to a login node frozen", (5, 25), lambda _: frozen(self._line())),
        )
        return [Part("server", server), Part("lines to login nodes", lines), *self.pools]

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
        whole = [(part, fault) for part in self.parts for fault in part.faults
                 if part.name not in self._broken]  # fmt: skip
        self.random.shuffle(whole)
        for part, fault in whole:
            if (mend := fault.strike(self.random)) is not None:
                self.done[fault.what] += 1
                self.ended += [time.time()] if fault.ends else []
                at = time.monotonic() + self.random.uniform(*fault.seconds)
                self._broken[part.name] = Mending(at, mend)
                return

    def operate(self) -> None:
        """What operators do meanwhile, where nothing is broken."""
        for part in self.pools:
            if part.operate is not None and part.name not in self._broken:
                part.operate()

    def mend_all(self) -> None:
        """Nothing is broken any more."""
        until = time.monotonic() + MENDING_S
        while self._broken:
            self._mend(float("inf"))
            if time.monotonic() > until:
                raise TimeoutError(f"{', '.join(self._broken)} did not come back")
            time.sleep(0.2)
        if self.server is None or self.server.process.poll() is not None:
            self.start()

    def reachable(self) -> bool:
        """Whether the server can be asked."""
        return "server" not in self._broken and self.server is not None

    def _mend(self, now: float) -> None:
        for part, mending in list(self._broken.items()):
            if mending.work is None and mending.at <= now:
                mending.work = mending.mend()
            elif mending.work is None:
                continue
            if mending.work is None or mending.work.poll() is not None:
                del self._broken[part]
                self._look_at(part, mending)

    def _look_at(self, part: str, mending: Mending) -> None:
        """What did not come back is tried once more."""
        work = mending.work
        if work is None or not work.returncode:
            return
        assert work.stderr is not None
        said = work.stderr.read().decode(errors="replace").strip()
        print(f"{part} did not come back at once: {said}", file=sys.stderr, flush=True)
        self.done["what did not come back at once"] += 1
        self._broken[part] = Mending(time.monotonic() + 1.0, mending.mend)

    def _server(self) -> list[int]:
        return [] if self.server is None else [self.server.process.pid]

    def _killed(self) -> Mend | None:
        if self.server is None:
            return None
        self.server.kill()
        return self.start

    def _line(self) -> list[int]:
        """One of the programs on login nodes, which the server holds by a line each."""
        mine = [pid for server in self._server() for pid in children(server)]
        found = [pid for pid in mine if b"sys.stdin.buffer" in told(pid)]
        return [self.random.choice(found)] if found else []


def children(pid: int) -> list[int]:
    """The processes that one has started."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


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


def end_all(mark: str) -> None:
    """Kill what was left behind, lest it stay when the benchmark is over."""
    for pid in living(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
