"""One pool's picture of its cluster, kept up in the background for as long as the pool is open."""

import asyncio
import secrets
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from suan.model.errors import PoolError, PoolRejected
from suan.model.pool import Launch, RunReport
from suan.model.units import Duration, RunId
from suan.pools.kubernetes import kubeconfig, manifest, marks
from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.attempts import Attempts
from suan.pools.kubernetes.capacity import Capacity
from suan.pools.kubernetes.delivering import Files
from suan.pools.kubernetes.left import Left
from suan.pools.kubernetes.limits import Limits
from suan.pools.kubernetes.logs import LogKeeper
from suan.pools.kubernetes.manifest import Place
from suan.pools.kubernetes.mirror import Mirror
from suan.pools.kubernetes.objects import BriefPod, Job, LimitRange, Named, Node, Pod, Quota
from suan.pools.kubernetes.options import Options
from suan.pools.kubernetes.quotas import Quotas
from suan.pools.kubernetes.records import Records
from suan.pools.kubernetes.runs import Entry, Runs
from suan.pools.kubernetes.tending import Tender

_Mirrors = list[
    Mirror[Node] | Mirror[BriefPod] | Mirror[Pod] | Mirror[Job] | Mirror[Quota] | Mirror[LimitRange]
]
_RUNNING = "status.phase!=Succeeded,status.phase!=Failed"


class Cluster:
    """Mirrors of nodes, pods and jobs, and what tends the runs. Belongs to one event loop."""

    def __init__(self, options: Options, directory: Path, owner: str) -> None:
        self._options = options
        self.api, self.namespace = self.connect(options)
        self.news = asyncio.Event()
        self._numbers = count(1)
        self._number = 0
        self._epoch = secrets.token_hex(6)
        self.records = Records(directory, options.times["keep_days"])
        self.records.load()
        self.capacity = Capacity(options, self.namespace, self._changed)
        self.quotas, self.limits = Quotas(), Limits()
        self.runs = Runs(changed=self._changed, touched=self._touched, records=self.records)
        self.logs = LogKeeper(self.api, self.records, namespace=self.namespace)
        self.files = Files(self.api, options, namespace=self.namespace)
        self.attempts = Attempts(self.api, options, namespace=self.namespace, owner=owner)
        self.left = Left(self.files, self.records, self.runs)
        self._tender = Tender(
            self.api,
            options,
            namespace=self.namespace,
            attempts=self.attempts,
            parts=(self.runs, self.capacity, self.logs, self.records, self.left),
        )
        self._mirrors = self._mirrored()
        self._tasks = [asyncio.create_task(each.run()) for each in self._mirrors]
        self._tasks.append(asyncio.create_task(self._tender.run()))

    @staticmethod
    def connect(options: Options) -> tuple[ApiServer, str]:
        """The pool's API server and its namespace there.

        Raises:
            PoolError: the kubeconfig cannot be used.
        """
        access = kubeconfig.access(options.kubeconfig, options.context)
        return ApiServer(access), options.namespace or access.namespace

    async def ready(self) -> None:
        """Wait for the first look.

        Raises:
            PoolError: there is something in the way of it.
        """
        for each in self._mirrors:
            await each.looked.wait()
        self.well()

    def well(self) -> None:
        """Raises:
        PoolError: why the picture may be old.
        """
        for each in self._mirrors:
            if each.trouble is not None:
                raise each.trouble

    async def reach(self) -> None:
        """Have the API server answer, so that one that is silent is not taken for idle.

        Raises:
            PoolError: it does not.
        """
        if await self.api.get(f"/api/v1/namespaces/{self.namespace}", Named) is None:
            raise no_namespace(self.namespace)

    def cursor(self) -> str:
        return f"{self._epoch}:{self._number}"

    def number(self, cursor: str | None) -> int:
        """Which change a cursor stands for; -1 if for none, so that everything is told."""
        epoch, _, number = (cursor or "").partition(":")
        known = epoch == self._epoch and number.isdecimal() and int(number) <= self._number
        return int(number) if known else -1

    def reports(self, since: int) -> Iterator[RunReport]:
        """Of the runs that changed after a number."""
        for entry in self.runs.entries.values():
            if entry.sequence > since and (entry.outcome or entry.started_at):
                yield entry.report()
        if since < 0:
            for run, record in self.records.ended.items():
                if run not in self.runs.entries:
                    yield record.report()

    def place(self, launch: Launch) -> Place:
        """Where a run goes.

        Raises:
            PoolRejected: a node that is not there, or has no such accelerator; no image; more than
                a quota or a LimitRange ever lets in.
            PoolUnavailable: the namespace's quota is used up.
        """
        offered = [self.capacity.offered(name) for name in launch.nodes]
        known = [each for each in offered if each is not None]
        if len(known) < len(offered) or not known:
            unknown = sorted(name for name in launch.nodes if self.capacity.offered(name) is None)
            raise PoolRejected(f"pool {self._options.pool} has no node {', '.join(unknown)}")
        image = manifest.image(launch, self._options)
        place = Place(manifest.devices(launch, known), image)
        requests = manifest.requests(launch, place)
        self.quotas.allow(requests, len(launch.nodes))
        self.limits.allow(requests, manifest.limits(launch, place))
        return place

    def take_in(self, job: Job) -> Entry | None:
        asked = marks.asked(job)
        return self.runs.take_in(job, asked) if asked is not None else None

    async def end(self, run: str, signal: str, grace: Duration) -> None:
        """See to it that a run ends, or never starts."""
        entry = self.runs.entries.get(RunId(run))
        if entry is None or entry.job_gone:
            entry = self.take_in(await self.attempts.stop(run))
        if entry is None or entry.outcome is not None or entry.taken_back:
            return
        end = marks.End(signal, marks.now_us() // 1000 + grace // 1000)
        known = entry.end
        if known is not None and known.signal == signal and known.kill_at <= end.kill_at:
            return  # asked again, as after a lost answer
        if known is not None:
            end = marks.End(signal, min(known.kill_at, end.kill_at))
        job = await self.attempts.change(entry.name, annotations={marks.END: end.told()})
        if job is not None:
            self.runs.take_in(job, entry.asked)

    async def waits(self, run: str) -> str:
        """What keeps a run from starting."""
        entry = self.runs.entries.get(RunId(run))
        return await self._tender.waits(entry) if entry is not None else ""

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._tender.close()
        await self.logs.close()
        await self.api.close()

    def _mirrored(self) -> _Mirrors:
        own = {"labelSelector": f"{marks.POOL}={self._options.pool}"}
        space = f"namespaces/{self.namespace}"
        api, wake = self.api, self.news.set
        return [
            Mirror(api, "/api/v1/nodes", Node, hear=self.capacity.hear_node, woken=wake),
            Mirror(
                api, "/api/v1/pods", BriefPod, hear=self.capacity.hear_pod, woken=wake,
                params={"fieldSelector": _RUNNING},
            ),
            Mirror(
                api, f"/apis/batch/v1/{space}/jobs", Job, hear=self.runs.hear_job, woken=wake,
                params=own,
            ),
            Mirror(
                api, f"/api/v1/{space}/pods", Pod, hear=self.runs.hear_pod, woken=wake, params=own
            ),
            Mirror(
                api, f"/api/v1/{space}/resourcequotas", Quota, hear=self._hear_quota, woken=wake
            ),
            Mirror(
                api, f"/api/v1/{space}/limitranges", LimitRange, hear=self.limits.hear,
                woken=wake,
            ),
        ]  # fmt: skip

    def _hear_quota(self, before: Quota | None, after: Quota | None) -> None:
        self.quotas.hear(before, after)
        self.capacity.limit(self.quotas.room())

    def _changed(self) -> int:
        self._number = next(self._numbers)
        self.news.set()
        return self._number

    def _touched(self, entry: Entry) -> None:
        self._tender.touched(entry)


def no_namespace(namespace: str) -> PoolError:
    return PoolRejected(
        f"there is no namespace called {namespace!r}",
        mend=f"make it (`kubectl create namespace {namespace}`), or mend `namespace` in pools.yaml",
    )
