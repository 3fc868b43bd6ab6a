"""Kueue, which lets a pool's runs go where the pool names one of its queues. It makes a Workload of
each Job; that is read when somebody has to know, and nothing of Kueue is watched."""

import msgspec

from suan.model.errors import PoolAuthError, PoolRejected
from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.objects import Conditioned, Job

GROUP = "kueue.x-k8s.io"
QUEUE = f"{GROUP}/queue-name"  # a label of a Job
_JOB = f"{GROUP}/job-uid"  # a label of its Workload
# group, resource, whether in the namespace alone, verbs
NEEDED = (
    (GROUP, "localqueues", True, ("get",)),
    (GROUP, "workloads", True, ("list",)),
)


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


class Kueue:
    """What it says of the queues and Jobs of one namespace."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def check(self, queue: str) -> str:
        """That a queue takes Jobs.

        Raises:
            PoolRejected: there is no Kueue or no such queue, or the queue takes none.
        """
        version = await self._version()
        if version is None:
            raise PoolRejected(
                f"`kueue_queue` names {queue!r}, and the cluster has no Kueue",
                mend="install Kueue there, or remove `kueue_queue` from pools.yaml",
            )
        found = await self._api.get(self._path(version, f"localqueues/{queue}"), Conditioned)
        if found is None:
            raise PoolRejected(
                f"namespace {self._namespace} has no LocalQueue called {queue!r}",
                mend="make it, or mend `kueue_queue` in pools.yaml",
            )
        active = found.condition("Active")
        if active is not None and active.status == "False":
            raise PoolRejected(
                f"LocalQueue {queue!r} takes no jobs: {active.message}",
                mend="mend it, or its ClusterQueue",
            )
        return f"Kueue lets each run go, by LocalQueue {queue}"

    async def waits(self, job: Job) -> str:
        """Why it has not let a Job go, in its words; empty if it has none."""
        return await self._said(job, "False", "QuotaReserved", "Admitted")

    async def evicted(self, job: Job) -> str:
        """Why it has taken back what it let go; empty if it has no words for it."""
        return await self._said(job, "True", "Evicted")

    async def _said(self, job: Job, status: str, *kinds: str) -> str:
        """The message of the first of these conditions of a Job's Workload that has a status."""
        try:
            found = await self._workloads(job)
        except (PoolAuthError, PoolRejected):  # a run ends all the same
            return ""
        conditions = [workload.condition(kind) for kind in kinds for workload in found]
        said = (each.message for each in conditions if each is not None and each.status == status)
        return next((" ".join(words.split()).rstrip(".") for words in said if words), "")

    async def _workloads(self, job: Job) -> list[Conditioned]:
        version = await self._version()
        if version is None:
            return []
        path, label = self._path(version, "workloads"), f"{_JOB}={job.metadata.uid}"
        return (await self._api.list(path, Conditioned, labelSelector=label))[0]

    async def _version(self) -> str | None:
        """The version of its API to be spoken; ``None`` if it is not there."""
        group = await self._api.get(f"/apis/{GROUP}", _Group)
        return group.preferred_version.version if group is not None else None

    def _path(self, version: str, what: str) -> str:
        return f"/apis/{GROUP}/{version}/namespaces/{self._namespace}/{what}"
