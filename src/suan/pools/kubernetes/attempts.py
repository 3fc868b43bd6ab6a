"""The order in which a run's objects are made, so that it starts at most once.

Attempt K of a run is the Job ``RUN-K``, and making it is what decides: the API server makes one of
a name, whoever asks and however often. ``find`` that sees none makes a *tombstone* of that name, a
Job without pods that says who gave the launch up; a request that was on its way then finds the name
taken. Only whoever gave it up may go on to ``RUN-K+1``. Cancelling what was never launched makes a
tombstone, too, which tells the end of a cancelled run.
"""

import time
from itertools import count
from typing import Any

from suan.killpoints import passing
from suan.model.errors import PoolOutcomeUnknown, PoolRejected
from suan.model.job import Cause, Outcome
from suan.model.pool import Launch
from suan.pools.kubernetes import manifest, marks
from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.manifest import Place
from suan.pools.kubernetes.objects import Job, Named
from suan.pools.kubernetes.options import Options


class Attempts:
    """Makes and finds the Jobs of runs. ``owner`` is this server's name for itself; tickets are the
    order in which it asks."""

    def __init__(self, api: ApiServer, options: Options, *, namespace: str, owner: str) -> None:
        self._api = api
        self._options = options
        self._owner = owner
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._alone: dict[str, float] = {}  # Secrets without a Job, and since when

    async def launch(self, launch: Launch, place: Place, ticket: int) -> Job:
        """Make a run's Job, unless there is one.

        Raises:
            PoolOutcomeUnknown: it was given up meanwhile, or nobody can tell.
        """
        for attempt in count(1):
            job = await self._make(launch, place, attempt)
            job = job or await self._get(launch.run, attempt)
            if job is None:
                raise PoolOutcomeUnknown(f"the job of run {launch.run} was taken away meanwhile")
            given_up = marks.abandoned(job)
            if given_up is None:
                return job
            owner, since = given_up
            if owner != self._owner or ticket < since:
                raise PoolOutcomeUnknown(f"run {launch.run} was given up since; ask for it again")
        raise AssertionError("attempts never end")

    async def find(self, run: str, ticket: int) -> Job | None:
        """The Job that was made for a run, or ``None``: then no earlier launch can make one."""
        note = {marks.ABANDONED: f"{self._owner} {ticket}"}
        job, _ = await self._find_or_bury(run, note)
        return job

    async def stop(self, run: str) -> Job:
        """A run's Job; if there is none, one is made that says that it was cancelled."""
        at = marks.now_us()
        note = {marks.OVER: marks.told(Outcome(Cause.CANCELLED), at)}
        job, tombstone = await self._find_or_bury(run, note)
        return job or tombstone

    async def change(
        self, name: str, *, annotations: dict[str, str], take_back: bool = False
    ) -> Job | None:
        """Write on a Job, and have it make no more pods; ``None`` if it is gone."""
        body: dict[str, Any] = {"metadata": {"annotations": annotations}}
        if take_back:
            body["spec"] = {"parallelism": 0}
        return await self._api.patch(f"{self._jobs}/{name}", body, Job)

    async def remove(self, job: Job) -> None:
        """Take a Job away, with its pods and its Secret."""
        await self._api.delete(f"{self._jobs}/{job.metadata.name}", uid=job.metadata.uid)

    async def _find_or_bury(self, run: str, note: dict[str, str]) -> tuple[Job | None, Job]:
        """The Job of a run, or a new tombstone with this note."""
        for attempt in count(1):
            job = await self._get(run, attempt)
            while job is None:
                body = manifest.tombstone(run, self._options, attempt=attempt, annotations=note)
                made = await self._api.create(self._jobs, body, Job)
                if made is not None:
                    return None, made
                job = await self._get(run, attempt)
            if marks.abandoned(job) is None:
                return job, job
        raise AssertionError("attempts never end")

    async def _get(self, run: str, attempt: int) -> Job | None:
        name = marks.job_name(run, attempt)
        job = await self._api.get(f"{self._jobs}/{name}", Job)
        if job is not None and job.metadata.labels.get(marks.POOL) != self._options.pool:
            raise PoolRejected(
                f"there is a job {name!r} that is not of pool {self._options.pool}",
                mend="give each pool of each suan a namespace of its own",
            )
        return job

    async def _make(self, launch: Launch, place: Place, attempt: int) -> Job | None:
        """The Job, and before it its Secret; ``None`` if there is one of that name."""
        body = manifest.job(launch, self._options, place, attempt=attempt)
        secret = manifest.secret(launch, self._options, attempt)
        if secret is not None:
            await self._api.create(self._secrets, secret, Named)
            passing("kubernetes.secret_made")
        job = await self._api.create(self._jobs, body, Job)
        passing("kubernetes.job_made")
        name = marks.job_name(launch.run, attempt)
        if secret is not None and job is not None:
            await self.own_secret(job)
        elif secret is not None:
            existing = await self._get(launch.run, attempt)
            if existing is not None and marks.abandoned(existing):
                await self._api.delete(f"{self._secrets}/{name}")
        return job

    async def own_secret(self, job: Job) -> None:
        """Have a Job's Secret go with it."""
        path = f"{self._secrets}/{job.metadata.name}"
        await self._api.patch(path, marks.owned_by(job), Named)

    async def sweep_secrets(self, jobs: dict[str, Job], patience_s: float) -> None:
        """Take away Secrets whose launch ended before it had made a Job: those that have been seen
        without one for so long, by this process's clock, whatever the others' say."""
        label, now = f"{marks.POOL}={self._options.pool}", time.monotonic()
        found, _ = await self._api.list(self._secrets, Named, labelSelector=label)
        alone = [each.metadata.name for each in found if not each.metadata.owner_references]
        self._alone = {name: self._alone.get(name, now) for name in alone}
        for name, since in tuple(self._alone.items()):
            if now - since < patience_s:
                continue
            job = jobs.get(name)
            if job is not None and not marks.abandoned(job):
                await self.own_secret(job)
            else:
                await self._api.delete(f"{self._secrets}/{name}")
