"""The parts of a region that `chaos.py` breaks, and how each is brought back.

A part tells its faults. Striking one gives what mends it, or ``None`` where there is nothing to
break at the moment. What ``infra`` has to bring back is brought back by a process of its own, so
that the rest goes on meanwhile.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from wire import Wire

INFRA = Path(__file__).parents[1] / "infra"
END_S = 5.0

Mend: TypeAlias = Callable[[], "subprocess.Popen[bytes] | None"]


@dataclass(frozen=True)
class Fault:
    """What is done, for how long [s, at least and at most], and how; whether it ``ends`` runs, and
    with them what they had not told yet."""

    what: str
    seconds: tuple[float, float]
    strike: Callable[[random.Random], Mend | None]
    ends: bool = False


@dataclass(frozen=True)
class Part:
    """Something of a region of which one thing is broken at a time."""

    name: str
    faults: tuple[Fault, ...]
    operate: Callable[[], None] | None = None  # what an operator does while it is whole


# What can be done to processes ---------------------------------------------------------------


def frozen(pids: list[int]) -> Mend | None:
    """Stop processes where they are."""
    pids = [pid for pid in pids if struck(pid, signal.SIGSTOP)]

    def mend() -> None:
        for pid in pids:
            struck(pid, signal.SIGCONT)

    return mend if pids else None


def killed(pids: list[int], mend: Mend) -> Mend | None:
    """Kill processes, and wait until they are no more."""
    found = [pid for pid in pids if struck(pid, signal.SIGKILL)]
    until = time.monotonic() + END_S
    while any(map(told, found)) and time.monotonic() < until:  # a zombie has no command line
        time.sleep(0.02)
    return mend if found else None


def struck(pid: int, what: signal.Signals) -> bool:
    """Send a signal; whether there was somebody to send it to."""
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return False
    return True


def pid_in(file: Path) -> list[int]:
    """The process of a pid file, if there is one."""
    try:
        return [int(file.read_text())]
    except (OSError, ValueError):
        return []


def told(pid: int) -> bytes:
    """A process's command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def running(*words: str) -> list[int]:
    """The processes whose command lines have all of these words."""
    pids = [int(each.name) for each in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if all(word.encode() in told(pid) for word in words)]


def brings_back(*argv: object) -> Mend:
    """A script that starts what does not run."""

    def mend() -> subprocess.Popen[bytes]:
        words = list(map(str, argv))
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    return mend


def nothing() -> None:
    """It mends itself."""


# The parts -----------------------------------------------------------------------------------


def slurm(folder: Path) -> Part:
    """A cluster of `infra/slurm`: its controller, its nodes' daemons."""
    place = folder / "c1"
    up = brings_back(INFRA / "slurm" / "up", folder, "-n", 3)

    def controller() -> list[int]:
        return pid_in(place / "slurmctld.pid")

    def node(chance: random.Random) -> list[int]:
        return pid_in(chance.choice(sorted(place.glob("slurmd.*.pid"))))

    def resume() -> None:
        """Take drained nodes into use again: a slurmctld that was killed gives job ids twice, and
        slurmd drains a node that meets one again."""
        env = {**os.environ, "SLURM_CONF": str(place / "slurm.conf")}
        argv = ("scontrol", "update", "nodename=ALL", "state=resume")
        subprocess.run(argv, env=env, capture_output=True, check=False)  # none may need it

    faults = (
        Fault("slurmctld killed", (3, 20), lambda _: killed(controller(), up)),
        Fault("slurmctld frozen", (5, 25), lambda _: frozen(controller())),
        Fault("slurmd killed", (1, 10), lambda chance: killed(node(chance), up)),
    )
    return Part(folder.name, faults, resume)


def kubernetes(folder: Path, wire: Wire) -> Part:
    """A cluster of `infra/kubernetes` with two nodes, and the line to its API server. A node is cut
    off for less than Kubernetes waits before it gives its pods up (12 s, and 5 s)."""
    up = brings_back(INFRA / "kubernetes" / "up", folder, "-n", 2, "-m", "NVIDIA-H20")
    programs = ("kube-apiserver", "kube-scheduler", "kube-controller-manager")
    network = (folder / "network").read_text().strip()

    def cut_off(chance: random.Random) -> Mend:
        link = f"suan{network}-{chance.choice((1, 2))}"
        subprocess.run(["ip", "link", "set", link, "down"], check=True)

        def mend() -> None:
            subprocess.run(["ip", "link", "set", link, "up"], check=True)

        return mend

    def kubelet(chance: random.Random) -> list[int]:
        return running("/kubelet\0", str(folder), f"n{chance.choice((1, 2))}.conf")

    def node(chance: random.Random) -> list[int]:
        return pid_in(folder / f"n{chance.choice((1, 2))}.pid")

    def program(name: str) -> list[int]:
        return pid_in(folder / f"{name}.pid")

    def any_of_it(chance: random.Random) -> Mend | None:
        return killed(program(chance.choice(programs)), up)

    faults = (
        Fault("Kubernetes' control plane killed in part", (2, 12), any_of_it),
        Fault("API server frozen", (5, 15), lambda _: frozen(program("kube-apiserver"))),
        Fault("kubelet killed", (1, 1), lambda c: killed(kubelet(c), nothing)),
        Fault("Kubernetes node killed", (3, 15), lambda c: killed(node(c), up), ends=True),
        Fault("Kubernetes node cut off", (2, 8), cut_off),
        *lines("the API server", wire),
    )
    return Part(folder.name, faults)


def ray(folder: Path, wire: Wire) -> Part:
    """A cluster of `infra/ray` with two nodes, and the line to its dashboard. Its head keeps
    nothing: all that runs in the cluster is lost with it."""
    up = brings_back(INFRA / "ray" / "up", folder)

    def end(node: str) -> Callable[[random.Random], Mend]:
        def strike(_: random.Random) -> Mend:
            argv = [INFRA / "ray" / "processes", "end", folder / node]
            subprocess.run(argv, check=True, capture_output=True)
            return up

        return strike

    def part_of(*words: str) -> Callable[[random.Random], Mend | None]:
        return lambda _: frozen(running(str(folder), *words))

    faults = (
        Fault("Ray's head killed", (2, 12), end("n1"), ends=True),
        Fault("Ray node killed", (2, 12), end("n2"), ends=True),
        Fault("Ray's dashboard frozen", (3, 12), part_of("dashboard/dashboard.py")),
        Fault("raylet frozen", (2, 6), part_of("raylet/raylet", "127.0.0.12")),
        *lines("Ray's dashboard", wire),
    )
    return Part(folder.name, faults)


def lines(to: str, wire: Wire) -> tuple[Fault, ...]:
    """What a network does."""
    return (
        Fault(f"line to {to} cut", (2, 15), lambda _: wire.cut()),
        Fault(f"line to {to} held up", (2, 20), lambda _: wire.hold()),
    )


def local(home: Path) -> Part:
    """The local pools: the runners of their runs, and who forks these."""

    def one_of_them(chance: random.Random) -> list[int]:
        found = running("suan.pools.local.forkserver", str(home))
        return [chance.choice(found)] if found else []

    def strike(chance: random.Random) -> Mend | None:
        return killed(one_of_them(chance), nothing)

    what = "process of a local pool killed"
    return Part("local", (Fault(what, (0, 0), strike, ends=True),))


@dataclass
class Wires:
    """Lines of a region's pools that can be cut; ``rewire`` puts them into its ``pools.yaml``."""

    folder: Path
    by_pool: dict[str, Wire] = field(default_factory=dict)

    def rewire(self, file: Path, marks: Path) -> list[dict[str, str]]:
        """Have suan reach Kubernetes and Ray through lines of ours; its pools. ``marks`` is seen in
        pods, too."""
        declared = json.loads(file.read_text())
        for pool in declared["pools"]:
            name = pool["name"]
            if pool["kind"] == "ray":
                host, _, port = pool["address"].rpartition("/")[2].partition(":")
                self.by_pool[name] = wire = Wire((host, int(port)))
                pool["address"] = f"http://127.0.0.1:{wire.port}"
            elif pool["kind"] == "kubernetes":
                pool["volumes"] = {str(marks): f"host:{marks}"}
                pool["kubeconfig"] = str(self._kubeconfig(name, Path(pool["kubeconfig"])))
        file.write_text(json.dumps(declared))
        pools: list[dict[str, str]] = declared["pools"]
        return pools

    def close(self) -> None:
        """Take them down."""
        for wire in self.by_pool.values():
            wire.close()

    def _kubeconfig(self, pool: str, given: Path) -> Path:
        text = given.read_text()
        server = text.partition('server: "https://')[2].partition('"')[0]
        host, _, port = server.partition(":")
        self.by_pool[pool] = wire = Wire((host, int(port)))
        ours = f'server: "https://127.0.0.1:{wire.port}", tls-server-name: "{host}"'
        file = self.folder / f"{pool}.kubeconfig"
        file.write_text(text.replace(f'server: "https://{server}"', ours))
        return file
