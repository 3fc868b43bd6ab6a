"""``KubernetesPool``: a part of a Kubernetes cluster, through its API server."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import ClassVar

from suan.killpoints import passing
from suan.model.errors import PoolRejected
from suan.model.offer import Offer
from suan.model.pool import Content, Launch, LogChunk, Observation, OutputFile, Parcel
from suan.model.units import Duration, RunId
from suan.pools import terms
from suan.pools.kubernetes import checks, logs, marks
from suan.pools.kubernetes.cluster import Cluster
from suan.pools.kubernetes.left import Left
from suan.pools.kubernetes.options import Options


class KubernetesPool:
    """Made by ``kind.KubernetesKind.open``. Belongs to one event loop from its first call."""

    kind: ClassVar[str] = "kubernetes"

    def __init__(self, offer: Offer, options: Options, directory: Path) -> None:
        self._offer = offer
        self._declared_terms = offer.terms
        self._options = options
        self._directory = directory
        self._owner = secrets.token_hex(8)
        self._tickets = count(1)
        self._models: set[str] = set()
        self._opening = asyncio.Lock()
        self._cluster: Cluster | None = None

    @property
    def offer(self) -> Offer:
        """What is true of the pool as a whole."""
        return self._offer

    async def observe(self, cursor: str | None) -> Observation:
        """Runs and nodes that changed since ``cursor``; everything for ``None``."""
        cluster = await self._open()
        cluster.news.clear()
        since = cluster.number(cursor)
        if since < 0:
            await cluster.reach()
        cluster.well()
        nodes, removed = cluster.capacity.since(since)
        self._know_models(cluster)
        return Observation(
            cursor=cluster.cursor(),
            nodes=tuple(nodes) if nodes or removed or since < 0 else None,
            removed=tuple(removed),
            complete=since < 0,
            reports=tuple(cluster.reports(since)),
        )

    async def launch(self, launch: Launch) -> str:
        """Make a run's Job; see ``attempts``."""
        ticket = next(self._tickets)
        marks.check(launch.run)
        cluster = await self._open()
        if launch.run in cluster.records.ended:
            return launch.run
        place = cluster.place(launch)
        if launch.parcels:
            place = replace(place, source=await cluster.files.source(launch))
        elif launch.outputs:
            await cluster.files.ready()
        place = replace(place, keeper=await cluster.files.keeper(launch.run))
        passing("kubernetes.before_making")
        job = await cluster.attempts.launch(launch, place, ticket)
        cluster.take_in(job)
        return launch.run

    async def deliver(self, parcel: Parcel, content: Content, moved: Callable[[int], None]) -> None:
        """Bring files to where the pods of a run fetch them; see ``delivering``."""
        cluster = await self._open()
        await cluster.files.deliver(parcel, content, moved)

    async def find(self, run: RunId) -> str | None:
        """The reference of a run that was launched, or ``None``: then it never will unasked."""
        marks.check(run)
        ticket = next(self._tickets)
        cluster = await self._open()
        if run in cluster.records.ended:
            return run
        job = await cluster.attempts.find(run, ticket)
        if job is not None:
            cluster.take_in(job)
        return run if job is not None else None

    async def cancel(self, ref: str, grace: Duration) -> None:
        """SIGTERM to every process of the run now, SIGKILL after ``grace``."""
        await self.preempt(ref, signal="SIGTERM", grace=grace)

    async def preempt(self, ref: str, *, signal: str, grace: Duration) -> None:
        """The same, with a signal of the job's own."""
        try:
            marks.check(ref)
        except PoolRejected:
            return
        cluster = await self._open()
        if ref not in cluster.records.ended:
            await cluster.end(ref, signal, grace)

    async def read_log(
        self, ref: str, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """A piece of a task's output, of any bytes."""
        marks.check(ref)
        cluster = await self._open()
        run = RunId(ref)
        kept, entry = cluster.records.ended.get(run), cluster.runs.entries.get(run)
        if kept is None and (entry is None or not entry.asked.tasks):
            raise PoolRejected(f"run {ref} has no logs here", mend="it was never launched")
        tasks = kept.tasks if kept is not None else entry.asked.tasks if entry is not None else 0
        logs.check(ref, task, stream, tasks=tasks)
        span = offset, limit
        if kept is not None or entry is None:
            return logs.piece(cluster.records.log(ref, task, stream), span, over=True)
        return await cluster.logs.read(entry, task=task, stream=stream, span=span)

    async def list_outputs(self, ref: str) -> tuple[OutputFile, ...]:
        """What a run has left, once it has ended."""
        return await (await self._known(ref)).files(ref)

    async def read_output(self, ref: str, path: str, *, offset: int, limit: int) -> bytes:
        """Bytes of one of them."""
        return await (await self._known(ref)).read(ref, path, span=(offset, limit))

    async def waits(self, ref: str) -> str:
        """What Kueue or the cluster's scheduler says of a run that has not started."""
        return await (await self._open()).waits(ref)

    async def changed(self) -> None:
        """Return as soon as a run has started or ended, or a node has changed."""
        cluster = await self._open()
        await cluster.news.wait()

    async def check(self) -> list[str]:
        """Try what a job will need; what there is, in words.

        Raises:
            PoolError: what is wrong, and how to mend it.
        """
        api, namespace = Cluster.connect(self._options)
        try:
            return await checks.check(api, self._options, namespace)
        finally:
            await api.close()

    async def close(self) -> None:
        """Let go of the API server. Runs go on."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            await cluster.close()

    async def _known(self, ref: str) -> Left:
        """Raises:
        PoolRejected: there is no such run.
        """
        marks.check(ref)
        cluster = await self._open()
        if ref not in cluster.records.ended and ref not in cluster.runs.entries:
            raise PoolRejected(f"run {ref} has no outputs here", mend="it was never launched")
        return cluster.left

    async def _open(self) -> Cluster:
        async with self._opening:
            if self._cluster is None:
                self._cluster = Cluster(self._options, self._directory, self._owner)
        await self._cluster.ready()
        return self._cluster

    def _know_models(self, cluster: Cluster) -> None:
        models = cluster.capacity.models()
        if models != self._models:
            self._models = models
            self._offer = replace(self._offer, terms=terms.powered(self._declared_terms, models))
