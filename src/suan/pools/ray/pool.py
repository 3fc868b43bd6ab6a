"""``RayPool``: a Ray cluster, through the job server of its dashboard."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from suan.killpoints import passing
from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.offer import Offer
from suan.model.pool import Content, Launch, LogChunk, Observation, OutputFile, Parcel
from suan.model.units import SECOND, Duration, RunId
from suan.pools import terms
from suan.pools.ray import launching, outcomes
from suan.pools.ray.attempts import Attempts
from suan.pools.ray.delivering import Store
from suan.pools.ray.keeping import Keeping
from suan.pools.ray.leaving import Left
from suan.pools.ray.logs import Output
from suan.pools.ray.rest import Rest
from suan.pools.ray.translation import Names
from suan.pools.ray.watching import Entry, Manner, Watching

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_OLDEST = (2, 10)


@dataclass(frozen=True, slots=True)
class Way:
    """How the cluster is reached and watched, and what its jobs are told."""

    address: str
    token_file: Path | None
    manner: Manner
    names: Names
    jobs: launching.Jobs


class RayPool:
    """Made by ``kind.RayKind.open``. Belongs to one event loop from its first call."""

    kind: ClassVar[str] = "ray"

    def __init__(self, offer: Offer, way: Way, directory: Path) -> None:
        self._offer = offer
        self._declared_terms = offer.terms
        self._way = way
        self._tickets = count(1)
        self._locks: dict[RunId, tuple[asyncio.Lock, int]] = {}
        self._rest = Rest(way.address, way.token_file)
        self._keeping = Keeping(directory)
        self._output = Output(self._rest, self._keeping)
        self._left = Left(self._rest, self._keeping)
        self._store = Store(self._rest)
        manner = way.manner
        self._attempts = Attempts(
            self._rest, pool=manner.pool, prefix=manner.prefix, owner=secrets.token_hex(8)
        )
        self._watching = Watching(
            self._rest, self._keeping, names=way.names, manner=manner, ended=self._keep
        )

    @property
    def offer(self) -> Offer:
        """What is true of the pool as a whole."""
        return self._offer

    async def observe(self, cursor: str | None) -> Observation:
        """Runs since ``cursor``, and the nodes if they changed; everything for ``None``."""
        before = set(self._watching.nodes)
        cursor, nodes, reports = await self._watching.observe(cursor)
        if nodes is not None:
            self._know_models()
        gone = before - set(self._watching.nodes)
        return Observation(cursor, nodes, tuple(sorted(gone)), reports=tuple(reports))

    async def launch(self, launch: Launch) -> str:
        """Submit a run's Ray job; see ``attempts``."""
        _check(launch.run)
        ticket = next(self._tickets)
        if not self._watching.nodes or not self._watching.session:
            await self._watching.observe(None)
        unknown = sorted(set(launch.nodes) - set(self._watching.nodes))
        if unknown or not launch.nodes:
            raise PoolRejected(f"pool {self._offer.pool} has no node {', '.join(unknown)}")
        nodes = [self._watching.nodes[name] for name in launch.nodes]
        sizes = self._store.sizes(launch, self._watching.session)
        parts = launching.parts(launch, nodes, self._way.jobs, sizes=sizes)

        async def submit(submission: str, mark: dict[str, Any]) -> None:
            mark = {**mark, **parts.mark, "orders": launching.orders(submission)}
            kept = {"submission": submission, "session": self._watching.session, "mark": mark}
            self._keeping.launched(launch.run, kept)
            await self._rest.store(*parts.package(submission))
            if parts.secrets:
                await self._rest.store(*parts.letter())
            passing("ray.before_submitting")
            await self._rest.submit(parts.body(submission, mark))
            passing("ray.submitted")
            self._keeping.launched(launch.run, {**kept, "taken": True})
            self._watching.take_in(Entry(launch.run, submission, mark))

        async with self._alone(launch.run):
            if self._forgotten(launch.run, self._watching.session):
                return launch.run
            earlier = await self._attempts.launch(launch.run, ticket, submit)
            if earlier is not None:
                self._watching.learn(earlier)
        return launch.run

    async def find(self, run: RunId) -> str | None:
        """The reference of a run that was submitted, or ``None``: then it never will unasked.

        A head that was restarted has forgotten its jobs. Of a run that this server submitted
        before that, or was about to, nobody can tell whether it ran: it is found, and is lost.
        """
        _check(run)
        ticket = next(self._tickets)
        async with self._alone(run):
            entry = self._watching.entry(run)
            if entry is not None and entry.end is not None:
                return run
            if await self._attempts.newest(run) is None:
                session = str((await self._rest.version())["session_name"])
                if self._forgotten(run, session):
                    return run
            found = await self._attempts.find(run, ticket)
            if found is None:
                self._keeping.forget(run)
                return None
            self._watching.learn(found)
            return run

    async def cancel(self, ref: str, grace: Duration) -> None:
        """SIGTERM to every process of the run now, SIGKILL after ``grace``."""
        await self.preempt(ref, signal="SIGTERM", grace=grace)

    async def preempt(self, ref: str, *, signal: str, grace: Duration) -> None:
        """The same, with a signal of the job's own.

        A letter says which and how long, Ray's own stop is the bell.
        """
        if not _RUN_NAME.fullmatch(ref):
            return
        run, ticket = RunId(ref), next(self._tickets)
        async with self._alone(run):
            entry = self._watching.entry(run)
            if entry is None or entry.end is None:
                found = await self._attempts.cancel(run, ticket)
                if found is None:
                    await self._watching.poll()
                    return
                entry = self._watching.learn(found)
                if found.job["status"] in outcomes.ENDED:
                    return
                order = {"signal": signal, "grace_s": entry.strictest(grace / SECOND)}
                letter = json.dumps(order).encode()
                await self._rest.store(launching.orders(entry.submission), letter)
                self._watching.stopped(entry, await self._rest.stop(entry.submission))

    async def read_log(
        self, ref: str, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """A piece of a task's output, of any bytes."""
        entry = await self._known(ref, "logs")
        return await self._output.read(entry, task=task, stream=stream, offset=offset, limit=limit)

    async def deliver(self, parcel: Parcel, content: Content, moved: Callable[[int], None]) -> None:
        """Bring into the head's store what it lacks of a parcel; see ``delivering``."""
        session = str((await self._rest.version())["session_name"])
        await self._store.deliver(parcel, content, moved, session=session)

    async def list_outputs(self, ref: str) -> tuple[OutputFile, ...]:
        """What a run has left, once it has ended."""
        return await self._left.files(await self._known(ref, "output"))

    async def read_output(self, ref: str, path: str, *, offset: int, limit: int) -> bytes:
        """Bytes of one of them."""
        entry = await self._known(ref, "output")
        return await self._left.read(entry, path, offset=offset, limit=limit)

    async def changed(self) -> None:
        """Return as soon as a look at Ray has seen a run start or end, or a node change."""
        await self._watching.news.wait()

    async def check(self) -> list[str]:
        """Try what a job will need; what there is, in words.

        Raises:
            PoolError: what is wrong, and how to mend it.
        """
        version = str((await self._rest.version())["ray_version"])
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        if numbers < _OLDEST:
            oldest = ".".join(map(str, _OLDEST))
            raise PoolRejected(
                f"{self._way.address} is Ray {version}",
                mend=f"suan needs Ray {oldest} or newer: upgrade the cluster",
            )
        jobs = await self._rest.jobs()
        await self._watching.observe(None)
        if not self._watching.nodes:
            said = f"the cluster behind {self._way.address} has no node that is alive"
            raise PoolUnavailable(said, mend="start nodes: ray start --address=HEAD:6379")
        name = min(self._watching.nodes)
        await self._rest.log_files(name, "*")
        return [
            f"Ray {version} at {self._way.address}, {len(jobs)} jobs known there",
            f"the logs of {name} can be read",
            f"nodes with accelerators Ray names: {self._accelerators()}",
        ]

    async def close(self) -> None:
        """Let go of the dashboard. Runs go on."""
        await self._watching.close()
        await self._rest.close()

    def _forgotten(self, run: RunId, session: str) -> bool:
        """Whether a run went, or may have gone, to a head that is no more: then it is lost."""
        kept = self._keeping.launch(run)
        if kept is None or kept["session"] == session:
            return False
        said = "Ray has forgotten the run: its head was restarted; it may have run"
        self._watching.lost(run, kept, said)
        return True

    async def _known(self, ref: str, what: str) -> Entry:
        """A run that was launched."""
        _check(ref)
        run = RunId(ref)
        entry = self._watching.entry(run)
        if entry is None:
            newest = await self._attempts.newest(run)
            if newest is None or newest.over is not None:
                raise PoolRejected(f"run {run} has no {what} here", mend="it was never launched")
            entry = self._watching.learn(newest)
        return entry

    async def _keep(self, entry: Entry) -> None:
        """Fetch what a run has written, before its nodes are gone."""
        await self._output.keep(entry)
        await self._left.keep(entry)

    def _accelerators(self) -> str:
        found = {
            f"{resource} is {model}"
            for node in self._watching.nodes.values()
            for resource, model in node.models.items()
        }
        return ", ".join(sorted(found)) or "none"

    @asynccontextmanager
    async def _alone(self, run: RunId) -> AsyncIterator[None]:
        """Keep two calls for one run apart."""
        lock, users = self._locks.get(run, (asyncio.Lock(), 0))
        self._locks[run] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[run]
            self._locks[run] = lock, users - 1
            if users == 1:
                del self._locks[run]

    def _know_models(self) -> None:
        nodes = self._watching.nodes.values()
        models = {model for node in nodes for model, _ in node.total.accelerators}
        self._offer = replace(self._offer, terms=terms.powered(self._declared_terms, models))


def _check(run: str) -> None:
    if not _RUN_NAME.fullmatch(run):
        raise PoolRejected(f"{run!r} is not the name of a run")
