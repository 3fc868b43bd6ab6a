"""A pool on trial: what every test of the suite does with one, whatever its kind."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from typing import Any

from suan.model.errors import PoolRejected
from suan.model.job import Cause, Outcome
from suan.model.pool import Launch, Logs, Pool, RunReport, Watch
from suan.model.resources import Resources
from suan.model.units import JobId, NodeName, RunId
from suan.pools.declared import load_pools, open_pool
from tests.kubernetes import IMAGE, kubectl
from tests.peers import Owner, declared, keep_secret
from tests.slurm import token

PATIENCE_S = 30.0


@dataclass
class Trial:
    """One pool object and all that it has reported so far."""

    pool: Pool
    directory: Path  # a place of the test's own
    patience: float = PATIENCE_S
    cursor: str | None = None
    nodes: list[NodeName] = field(default_factory=list)
    reports: dict[str, RunReport] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    async def observe(self) -> None:
        """Look once and remember."""
        observation = await self.pool.observe(self.cursor)
        self.cursor = observation.cursor
        if observation.nodes is not None and observation.complete:
            self.nodes = [node.name for node in observation.nodes]
        for report in observation.reports:
            self.reports[report.run] = report
            if report.outcome is not None:
                self.ends[report.run] = self.ends.get(report.run, 0) + 1

    @property
    def token(self) -> str:
        """A word for a command line, by which ``running`` finds a process of this test."""
        return f"token-{self.directory.name}"

    def running(self) -> bool:
        """Whether a process on this machine has the test's token, in whatever container."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if self.token.encode() in path.read_bytes().split(b"\0"):
                    return True
        return False

    def a_launch(self, run: str, script: str, *, tasks: int = 1, **more: Any) -> Launch:
        """A launch of a small run."""
        values: dict[str, Any] = {
            "per_task": Resources(cpu_milli=100, memory_mib=16),
            "nodes": tuple(self.nodes[index % len(self.nodes)] for index in range(tasks)),
        }
        return Launch(
            run=RunId(run), job=JobId(run.rpartition("-r")[0]), name=run, script=script,
            **values | more,
        )  # fmt: skip

    async def launch(self, run: str, script: str, **more: Any) -> str:
        return await self.pool.launch(self.a_launch(run, script, **more))

    async def refused(self, run: str, script: str = "true", **more: Any) -> str:
        """Why a launch is refused for good: said at once, or as soon as its turn has come there."""
        try:
            await self.launch(run, script, **more)
        except PoolRejected as refusal:
            return str(refusal)
        outcome = await self.end(run)
        assert outcome.cause is Cause.REJECTED, outcome
        return outcome.detail

    async def until(
        self, condition: Callable[[], object], *, what: str, patience: float | None = None
    ) -> None:
        """Observe whenever something changed, until the condition holds."""
        assert isinstance(self.pool, Watch)
        async with asyncio.timeout(max(patience or 0.0, self.patience)):
            try:
                await self.observe()
                while not condition():
                    await self.pool.changed()
                    await self.observe()
            except asyncio.CancelledError:
                print(f"waited in vain for: {what}; reports: {self.reports}")
                raise

    async def end(self, run: str, *, patience: float | None = None) -> Outcome:
        """The outcome of a run, once it has ended."""
        await self.until(lambda: run in self.ends, what=f"the end of {run}", patience=patience)
        outcome = self.reports[run].outcome
        assert outcome is not None
        return outcome

    async def output(self, run: str, *, task: int = 0, stream: str = "stdout") -> bytes:
        """All that a task has written so far, read in pieces."""
        assert isinstance(self.pool, Logs)
        pieces, offset = [], 0
        while True:
            chunk = await self.pool.read_log(
                run, task=task, stream=stream, offset=offset, limit=65536
            )
            pieces.append(chunk.data)
            offset = chunk.next_offset
            if chunk.end or not chunk.data:
                return b"".join(pieces)

    async def output_holds(self, run: str, wanted: bytes, *, task: int = 0) -> None:
        """Wait until a task has written something."""
        async with asyncio.timeout(self.patience):
            while wanted not in await self.output(run, task=task):
                await asyncio.sleep(0.01)


class Kind:
    """How the suite gets a pool of a kind. Another kind joins by a class like those below in
    ``KINDS``; ``needs`` names a fixture whose value it is made with, if it needs one. Where a run
    costs seconds there are ``few`` at once and not ``many``."""

    needs: str | None = None
    patience = PATIENCE_S
    few, many = 12, 300
    sees_files = True  # what its nodes lack is refused at once, not only found by the run
    pipes = False  # what a task writes goes through a pipe, not straight into a file
    names_nodes = True  # a task's SUAN_NODE is the node that it was launched on

    def __init__(self, directory: Path, given: Any = None) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.given = given

    def open(self) -> Pool:
        """The pool, as a server that has just started opens it."""
        raise NotImplementedError

    def declared(self, entry: str) -> Pool:
        """The pool that an entry of a pools.yaml declares."""
        path = self.directory / "pools.yaml"
        path.write_text(f"pools:\n{entry}")
        (declaration,) = load_pools(path, home=self.home)
        return open_pool(declaration, home=self.home)

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[Trial]:
        pool = self.open()
        trial = Trial(pool, self.directory, self.patience)
        try:
            await trial.observe()
            yield trial
        finally:
            await pool.close()


class LocalKind(Kind):
    """This machine."""

    many = 2000

    def open(self) -> Pool:
        (declaration,) = load_pools(None, home=self.home)
        return open_pool(declaration, home=self.home)


class SlurmKind(Kind):
    """A real cluster of ``infra/slurm``, three nodes, with a directory of the test's own."""

    needs = "slurm_clusters"
    many = 2000
    cluster = "c1"
    more = ""  # further lines of the declaration

    @property
    def conf(self) -> Path:
        return Path(self.given[self.cluster])

    def open(self) -> Pool:
        return self.declared(
            f"- name: slurm\n  kind: slurm\n  conf: {self.conf}\n"
            f"  directory: {self.directory / 'shared'}\n  poll_s: 0.5\n{self.more}"
        )


class SlurmRestKind(Kind):
    """A real cluster of ``infra/slurm``, three nodes, by its slurmrestd and a token."""

    needs = "slurm_rest"
    more = ""  # further lines of the declaration

    @property
    def token_file(self) -> Path:
        return self.directory / "token"

    def open(self) -> Pool:
        if not self.token_file.exists():
            self.token_file.write_text(token(self.given))
        url = (self.given.parent / "slurmrestd.url").read_text().strip()
        return self.opened(
            f"  url: {url}\n  user: {getuser()}\n  token_file: {self.token_file}\n"
            f"  path: {Path(str(shutil.which('srun'))).parent}\n{self.more}"
        )

    def opened(self, way: str) -> Pool:
        """The pool, reached in a way of the test's own."""
        return self.declared(
            f"- name: slurm\n  kind: slurm\n  via: rest\n  poll_s: 0.5\n"
            f"  directory: {self.directory / 'shared'}\n{way}"
        )


class KubernetesKind(Kind):
    """A real cluster of ``infra/kubernetes``, two nodes, with a namespace of the test's own. Pods
    see the test's directory where it is."""

    needs = "kubernetes_cluster"
    patience = 60.0
    few, many = 8, 40
    sees_files = False
    pipes = True
    more = ""  # further lines of the declaration

    def __init__(self, directory: Path, given: Any = None) -> None:
        super().__init__(directory, given)
        self.namespace = f"t-{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}"
        if not kubectl(given, "get", "namespace", self.namespace, "--ignore-not-found"):
            kubectl(given, "create", "namespace", self.namespace)

    def open(self) -> Pool:
        return self.declared(
            f"- name: kubernetes\n  kind: kubernetes\n  kubeconfig: {self.given}\n"
            f"  namespace: {self.namespace}\n  image: {IMAGE}\n"
            f"  volumes: {{{self.directory}: 'host:{self.directory}'}}\n{self.more}"
        )

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl says in the test's namespace."""
        return kubectl(self.given, "--namespace", self.namespace, *arguments, stdin=stdin)


class RayKind(Kind):
    """A real cluster of ``infra/ray``, three nodes, under ids of the test's own."""

    needs = "ray_cluster"
    patience = 90.0
    few, many = 3, 12
    sees_files = False
    pipes = True
    more = ""  # further lines of the declaration

    def open(self) -> Pool:
        prefix = hashlib.sha256(str(self.directory).encode()).hexdigest()[:12]
        return self.declared(
            f"- name: ray\n  kind: ray\n  address: {self.given.address}\n"
            f"  prefix: {prefix}-\n  poll_s: 0.3\n{self.more}"
        )

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[Trial]:
        with self.given.shared():
            async with super().trial() as trial:
                yield trial


class PeerKind(Kind):
    """Another owner's server in a process of its own, with a pool of three nodes behind it, to
    which each test is a peer of its own."""

    needs = "peer_platform"
    names_nodes = False
    more: tuple[str, ...] = ()  # further lines of the declaration
    url: str | None = None  # where the owner is reached, if not at his own address
    credentials: tuple[str, str, str] | None = None

    def open(self) -> Pool:
        owner: Owner = self.given
        if self.credentials is None:
            self.credentials = owner.new_peer()
        _, token, secret = self.credentials
        kept = keep_secret(self.directory / "secret", secret)
        url = self.url or owner.url
        return self.declared(declared("theirs", url, token, kept, "pool: lab", *self.more))


KINDS: dict[str, type[Kind]] = {
    "kubernetes": KubernetesKind,
    "local": LocalKind,
    "peer": PeerKind,
    "ray": RayKind,
    "slurm": SlurmKind,
    "slurm-rest": SlurmRestKind,
}
