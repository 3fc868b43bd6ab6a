"""A small platform for tests: the real store, the real scheduler, real or misbehaving pools."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from suan.accounting import bill
from suan.control import (
    Controller,
    ControlSettings,
    ReplayReport,
    Works,
    replay,
    wall_clock,
)
from suan.core import Scheduler
from suan.model.bill import Bill
from suan.model.job import Job, JobState, Run
from suan.model.offer import Terms
from suan.model.pool import Pool, Usage
from suan.model.spec import After, JobSpec, ResourceOption
from suan.model.store import Command, JobFilter, NewJob, Store, Submission
from suan.model.units import SECOND, Duration, JobId, PoolName
from suan.pools.declared import load_pools, open_pool
from suan.store import open_store
from tests.waiting import until_async

TTL: Duration = SECOND
ONE = ResourceOption(cpu_milli=1000, memory_mib=64)

POOLS = """\
pools:
  - name: left
    kind: local
    nodes: [{name: left, count: 2, cpus: 2, memory: 4GB}]
    prices: {cpu_hour: 1.5}
"""


def bill_of(run: Run, usage: Usage | None) -> Bill:
    """As the composition root does it."""
    duration = (run.ended_at or 0) - (run.started_at or run.ended_at or 0)
    return bill(
        per_task=run.per_task,
        tasks=len(run.nodes),
        duration=duration,
        usage=usage,
        terms=Terms(cpu_hour=1_000_000),
    )


def settings(holder: str, **changes: object) -> ControlSettings:
    """Short times, so that tests need not wait for what takes seconds in life."""
    quick = ControlSettings(
        holder=holder,
        url=f"http://{holder}",
        lease_ttl=TTL,
        store_poll=SECOND // 20,
        call_timeout=SECOND // 2,
        launch_timeout=SECOND // 2,
        observe_every=SECOND // 20,
        retry_first=SECOND // 50,
        retry_most=SECOND // 5,
        launch_patience=SECOND // 4,
        stop_grace=SECOND // 2,
        first_look=SECOND // 2,
    )
    return replace(quick, **changes)


def open_local_pools(home: Path, text: str = POOLS) -> dict[PoolName, Pool]:
    """Real local pools, declared."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "pools.yaml"
    file.write_text(text)
    return {PoolName(d.name): open_pool(d, home=home) for d in load_pools(file, home=home)}


@dataclass
class World:
    """A store, pools, and the controllers over them."""

    store: Store
    pools: Mapping[PoolName, Pool]
    home: Path
    scheduler: type[Scheduler] = Scheduler
    controllers: list[Controller] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _now: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1_000_000))

    async def lead(self, holder: str = "one", **changes: object) -> Controller:
        """Start a controller and wait until it leads."""
        controller = self.controller(holder, **changes)
        await controller.start()
        await self.leads(controller)
        return controller

    def controller(self, holder: str = "one", **changes: object) -> Controller:
        """One that is not started."""
        works = Works(changes.pop("clock", wall_clock), self.scheduler)
        store, content = changes.pop("store", self.store), changes.pop("content", None)
        controller = Controller(
            store,
            changes.pop("pools", self.pools),
            bill=bill_of,
            settings=settings(holder, **changes),
            content=content,
            works=works,
        )
        self.controllers.append(controller)
        return controller

    async def leads(self, controller: Controller, timeout: float = 10) -> None:
        async def leading() -> bool:
            assert not controller.status().trouble, controller.status()
            return controller.status().leading

        await until_async(leading, timeout, what="the controller leads")

    async def submit(
        self,
        run: str = "true",
        *,
        after: tuple[tuple[JobId, str], ...] = (),
        user: str = "ann",
        **spec: object,
    ) -> JobId:
        """Submit one job."""
        given = JobSpec(run=run, **({"resources": (ONE,)} | spec))
        return (await self.submit_all([given], after=after, user=user))[0]

    async def submit_all(
        self,
        specs: list[JobSpec],
        *,
        after: tuple[tuple[JobId, str], ...] = (),
        user: str = "ann",
    ) -> list[JobId]:
        """Submit several jobs at once."""
        jobs = tuple(
            NewJob(id=JobId(f"JOB{next(self._numbers):09d}"), spec=spec, after=after)
            for spec in specs
        )
        await self.store.submit(Submission(jobs, user), next(self._now))
        self.nudge()
        return [job.id for job in jobs]

    async def ask(self, kind: str, target: str, **args: str) -> None:
        """Leave a command."""
        await self.store.request(Command(kind, target, by="ann", args=args), next(self._now))
        self.nudge()

    def nudge(self) -> None:
        for controller in self.controllers:
            controller.nudge()

    async def job(self, job: JobId) -> Job:
        found = await self.store.get(job)
        assert found is not None
        return found

    async def state(self, job: JobId, *states: JobState, timeout: float = 20) -> Job:
        """Wait until a job is in one of ``states``."""

        async def there() -> Job | None:
            for controller in self.controllers:
                assert "bug" not in controller.status().trouble, controller.status()
            found = await self.job(job)
            return found if found.state in states else None

        found = await until_async(there, timeout, what=f"{job} to be {states}")
        assert found is not None
        return found

    async def final(self, job: JobId, timeout: float = 20) -> Job:
        """Wait until a job has ended."""
        return await self.state(job, *(s for s in JobState if s.final), timeout=timeout)

    async def all_final(self, count: int, timeout: float = 60) -> dict[JobState, int]:
        async def done() -> dict[JobState, int] | None:
            counts = dict(await self.store.counts(JobFilter()))
            return counts if sum(n for s, n in counts.items() if s.final) == count else None

        counts = await until_async(done, timeout, what=f"{count} jobs to end")
        assert counts is not None
        return counts

    async def runs(self, *jobs: JobId) -> tuple[Run, ...]:
        return await self.store.runs(jobs)

    async def kinds(self, job: JobId | None = None) -> list[str]:
        """The feed, oldest first; of one job where given."""
        entries = await self.store.feed(0, 10_000)
        return [entry.kind for entry in entries if job is None or entry.job == job]

    async def replay(self) -> ReplayReport:
        """The whole journal through a fresh scheduler."""
        return await replay(self.store, self.scheduler)


async def kill(controller: Controller) -> None:
    """End a controller as a crash would: the lease is not given back."""
    assert controller._task is not None
    controller._task.cancel()
    await asyncio.gather(controller._task, return_exceptions=True)


@contextlib.asynccontextmanager
async def made(
    home: Path, pools: Mapping[PoolName, Pool], scheduler: type[Scheduler] = Scheduler
) -> AsyncIterator[World]:
    """A world, put away at the end; its journal must replay to the same plans."""
    store = await open_store(f"sqlite:///{home}/suan.db")
    world = World(store, pools, home, scheduler)
    try:
        yield world
        report = await world.replay()
        assert report.identical, report.mismatches[:1]
    finally:
        for controller in world.controllers:
            await controller.stop()
        for pool in pools.values():
            await pool.close()
        await store.close()


__all__ = ["ONE", "After", "World", "kill", "made", "open_local_pools", "settings"]
