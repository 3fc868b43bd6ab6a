"""The API over a real SQLite store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from suan.api import ApiSettings, Services, create_app
from suan.content.cache import Cache
from suan.content.fetching import Fetcher
from suan.content.kept import Kept
from suan.model.job import JobState, Run, RunState
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.store import Cycle, JobUpdate, NewJob, Store, Submission
from suan.model.units import HOUR, JobId, NodeName, PoolName, run_id
from suan.store import open_store
from tests.api.loop import TestLoop

NOW = 1_700_000_000_000_000


@dataclass
class Api:
    """An application, what stands behind it, and a client of it."""

    app: FastAPI
    store: Store
    loop: TestLoop
    http: httpx.AsyncClient
    now: int = NOW

    async def add_job(self, job: str = "0000000000aa", **fields: object) -> JobId:
        """A job straight into the store."""
        spec = JobSpec(run="true", **fields)  # type: ignore[arg-type]
        new = NewJob(JobId(job), spec)
        await self.store.submit(Submission((new,), "local"), NOW)
        return JobId(job)

    async def add_run(
        self, job: JobId, *, ref: str | None = "7", tasks: int = 1, attempt: int = 1
    ) -> Run:
        """A started run of a job, recorded as a leader would."""
        run = Run(
            id=run_id(job, attempt),
            job=job,
            attempt=attempt,
            pool=PoolName("lab"),
            nodes=(NodeName("n1"),) * tasks,
            per_task=Resources(1000, 1024),
            state=RunState.STARTED if ref else RunState.PLACED,
            placed_at=NOW,
            ref=ref,
        )
        await self.record(runs=(run,), jobs=(JobUpdate(job, JobState.RUNNING, attempt),))
        return run

    async def record(self, **changes: object) -> None:
        lease = await self.store.acquire("test", "http://127.0.0.1:1", NOW, HOUR)
        assert lease is not None
        await self.store.record(Cycle(entries=(), **changes), lease)  # type: ignore[arg-type]


NOTHING = Kept(Cache("/proc/nothing"))  # no content, and no place for any
NO_FETCHER = Fetcher(NOTHING.cache, ())


def application(
    store: Store, loop: TestLoop, *, content: Kept | None = None, **settings: object
) -> FastAPI:
    given = ApiSettings(version="1.2.3", started_at=NOW, **settings)  # type: ignore[arg-type]
    kept = content or NOTHING
    return create_app(
        Services(store, loop, lambda: NOW, kept, Fetcher(kept.cache, ("memory://",)), given)
    )


def client(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:7826", headers=headers
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/suan.db")
    yield opened
    await opened.close()


@pytest.fixture
async def api(store: Store, tmp_path: Path) -> AsyncIterator[Api]:
    """On loopback: no token is needed."""
    loop = TestLoop()
    app = application(store, loop, content=Kept(Cache(str(tmp_path / "content"))))
    async with client(app) as http:
        yield Api(app, store, loop, http)
