"""``SlurmPool``: a part of a Slurm cluster, through the program on its login node."""

import asyncio
import base64
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar

from suan.killpoints import passing
from suan.model.errors import PoolRejected
from suan.model.offer import Offer
from suan.model.pool import Content, Launch, LogChunk, Observation, OutputFile, Parcel
from suan.model.units import Duration, NodeName, RunId
from suan.pools import terms
from suan.pools.sending import send
from suan.pools.slurm.connection import Connection
from suan.pools.slurm.translation import Names, Node, ahead_s, asked, node, report

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Way:
    """How the login node is reached, what it is told first, and what each GRES is."""

    argv: list[str]
    settings: dict[str, object]
    names: Names
    least_memory: int


class SlurmPool:
    """Made by ``kind.SlurmKind.open``. Belongs to one event loop from its first call."""

    kind: ClassVar[str] = "slurm"

    def __init__(self, offer: Offer, way: Way) -> None:
        self._offer = offer
        self._declared_terms = offer.terms
        self._way = way
        self._owner = secrets.token_hex(8)
        self._tickets = count(1)
        self._nodes: dict[NodeName, Node] = {}
        self._news = asyncio.Event()
        self._line: Connection | None = None

    @property
    def offer(self) -> Offer:
        """What is true of the pool as a whole."""
        return self._offer

    async def observe(self, cursor: str | None) -> Observation:
        """Runs since ``cursor``, and the nodes if they changed; everything for ``None``."""
        self._news.clear()
        seen = await self._ask("observe", cursor=cursor)
        nodes = None
        removed: tuple[NodeName, ...] = ()
        if seen["nodes"] is not None:
            found = [node(told, self._way.names) for told in seen["nodes"]]
            nodes = tuple(each.status for each in found)
            gone = set(self._nodes) - {each.name for each in nodes}
            removed = tuple(sorted(gone))
            self._nodes = {each.status.name: each for each in found}
            self._know_models()
        ahead = ahead_s(seen["now"], time.time())
        return Observation(
            cursor=seen["cursor"],
            nodes=nodes,
            removed=removed,
            reports=tuple(report(told, ahead) for told in seen["reports"]),
        )

    async def launch(self, launch: Launch) -> str:
        """Submit a run's job; see ``login.launching``."""
        ticket = next(self._tickets)
        _check(launch.run)
        if not self._nodes:
            await self.observe(None)
        unknown = sorted(set(launch.nodes) - set(self._nodes))
        if unknown or not launch.nodes:
            raise PoolRejected(f"pool {self._offer.pool} has no node {', '.join(unknown)}")
        nodes = [self._nodes[name] for name in launch.nodes]
        least = self._way.least_memory
        wanted = asked(launch, nodes, self._way.names, least_memory=least)
        passing("slurm.before_submitting")
        await self._ask("launch", run=launch.run, asked=wanted, owner=self._owner, ticket=ticket)
        passing("slurm.submitted")
        return launch.run

    async def find(self, run: RunId) -> str | None:
        """The reference of a run that was submitted, or ``None``: then it never will unasked."""
        _check(run)
        ticket = next(self._tickets)
        found = await self._ask("find", run=run, owner=self._owner, ticket=ticket)
        return run if found else None

    async def cancel(self, ref: str, grace: Duration) -> None:
        """SIGTERM to every process of the job now, SIGKILL after ``grace``."""
        await self.preempt(ref, signal="SIGTERM", grace=grace)

    async def preempt(self, ref: str, *, signal: str, grace: Duration) -> None:
        """The same, with a signal of the job's own."""
        if _RUN_NAME.fullmatch(ref):
            await self._ask("cancel", run=ref, signal=signal, grace_s=grace / 1e6)

    async def read_log(
        self, ref: str, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """A piece of a task's output, of any bytes."""
        _check(ref)
        data, following, end = await self._ask(
            "log", run=ref, task=task, stream=stream, span=[offset, limit]
        )
        return LogChunk(base64.b64decode(data), following, end)

    async def deliver(self, parcel: Parcel, content: Content, moved: Callable[[int], None]) -> None:
        """Send what a parcel needs over the line, into the directory that the nodes share."""
        await send(parcel, content, self, moved=moved)

    async def missing(self, digests: Sequence[str]) -> Mapping[str, int]:
        """Which contents are not there whole, each with how many of its first bytes are."""
        found: dict[str, int] = await self._ask("missing", digests=list(digests))
        return found

    async def put(self, digest: str, offset: int, data: bytes, *, size: int) -> None:
        """Send a piece of a content."""
        coded = base64.b64encode(data).decode("ascii")
        await self._ask("put", digest=digest, data=coded, span=[offset, size])

    async def list_outputs(self, ref: str) -> tuple[OutputFile, ...]:
        """What a run has left so far."""
        _check(ref)
        return tuple(OutputFile(*each) for each in await self._ask("outputs", run=ref))

    async def read_output(self, ref: str, path: str, *, offset: int, limit: int) -> bytes:
        """Bytes of one of them."""
        _check(ref)
        return base64.b64decode(await self._ask("output", run=ref, path=path, span=[offset, limit]))

    async def changed(self) -> None:
        """Return as soon as the program has seen a run start or end, or a node change."""
        await self._news.wait()

    async def check(self) -> list[str]:
        """Try what a job will need; what there is, in words.

        Raises:
            PoolError: what is wrong, and how to mend it.
        """
        found: list[str] = await self._ask("check")
        return found

    async def close(self) -> None:
        """Let go of the login node. Runs go on."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def _ask(self, do: str, **what: Any) -> Any:
        if self._line is None:
            settings = {**self._way.settings, "owner": self._owner}
            self._line = Connection(self._way.argv, settings, hear=self._news.set)
        return await self._line.ask(do, **what)

    def _know_models(self) -> None:
        models = {m for each in self._nodes.values() for m, _ in each.status.total.accelerators}
        self._offer = replace(self._offer, terms=terms.powered(self._declared_terms, models))


def _check(run: str) -> None:
    if not _RUN_NAME.fullmatch(run):
        raise PoolRejected(f"{run!r} is not the name of a run")
