"""What is done for runs after their launch: gangs released, ends carried out, waits ended, what is
over put away. Each step may be repeated by another server, or by this one after a break."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from suan.model.errors import PoolError
from suan.model.job import Cause, Outcome
from suan.pools.kubernetes import gangs, kueue, marks, outcomes
from suan.pools.kubernetes.api import ApiServer
from suan.pools.kubernetes.attempts import Attempts
from suan.pools.kubernetes.capacity import Capacity
from suan.pools.kubernetes.kueue import Kueue
from suan.pools.kubernetes.left import Left
from suan.pools.kubernetes.logs import LogKeeper
from suan.pools.kubernetes.objects import Event, Named, Pod
from suan.pools.kubernetes.options import Options
from suan.pools.kubernetes.records import Record, Records
from suan.pools.kubernetes.runs import Entry, Runs

log = logging.getLogger(__name__)

_ROUND_S = 0.5
_SWEEP_S = 60.0
_NO_PODS_S = 2.0
_LAST_RESORT_MS = 8_000
_ORPHAN_S = 600.0
_AT_ONCE = 32
_QUOTA = "exceeded quota"


class Tender:
    """Tends the live runs of one pool."""

    def __init__(
        self,
        api: ApiServer,
        options: Options,
        *,
        namespace: str,
        attempts: Attempts,
        parts: tuple[Runs, Capacity, LogKeeper, Records, Left],
    ) -> None:
        self._api = api
        self._options = options
        self._attempts = attempts
        self._runs, self._capacity, self._logs, self._records, self._left = parts
        self._namespace = namespace
        self._kueue = Kueue(api, namespace)
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._events = f"/api/v1/namespaces/{namespace}/events"
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._permits = asyncio.Semaphore(_AT_ONCE)
        self._swept_at = time.monotonic()

    async def waits(self, entry: Entry) -> str:
        """What keeps a run from starting, in a sentence; empty if nothing does, or nobody says."""
        if entry.started_at is not None or entry.outcome is not None:
            return ""
        if not entry.job.spec.suspend:
            short = gangs.short(entry, self._capacity) if gangs.to_release(entry) else ""
            words = (outcomes.blocked(pod, self._age(entry))[1] for pod in entry.pods.values())
            why = short or next(filter(None, words), "").rstrip(".")
            return f"Kubernetes keeps it waiting: {why}." if why else ""
        queue = entry.job.metadata.labels.get(kueue.QUEUE)
        if queue is None:
            return f"Its Job {entry.name} is suspended in Kubernetes."
        why = await self._kueue.waits(entry.job)
        return f"Kueue holds it in queue {queue}{why and ': '}{why}."

    async def run(self) -> None:
        """Go round, for ever; what cannot wait for that comes by ``touched``."""
        while True:
            await asyncio.sleep(_ROUND_S)
            for entry in tuple(self._runs.entries.values()):
                self.touched(entry)
            self._logs.let_go()
            if time.monotonic() - self._swept_at > _SWEEP_S:
                self._swept_at = time.monotonic()
                self._spawn(self._sweep())

    def touched(self, entry: Entry) -> None:
        """There is news of a run, or it is time to look at it."""
        step = None if self._closed else self._step(entry)
        if step is None:
            return
        if entry.run in self._busy:
            self._again.add(entry.run)
            return
        self._busy.add(entry.run)
        self._spawn(self._take(entry, step))

    async def close(self) -> None:
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, entry: Entry, step: Callable[[Entry], Coroutine[Any, Any, None]]) -> None:
        try:
            async with self._permits:
                await step(entry)
        except (PoolError, OSError) as error:  # the next round tries again
            log.warning("pool=%s run=%s: %s", self._options.pool, entry.run, error)
        finally:
            self._busy.discard(entry.run)
            if entry.run in self._again:
                self._again.discard(entry.run)
                asyncio.get_running_loop().call_soon(self.touched, entry)

    def _step(self, entry: Entry) -> Callable[[Entry], Coroutine[Any, Any, None]] | None:
        """What is to be done for a run now."""
        if entry.outcome is not None:
            return self._put_away if self._due(entry) else None
        if self._lost(entry) is not None:
            return self._lose
        if entry.to_account:
            return self._account
        if entry.taken_back:
            return None
        if entry.end is not None:
            return self._end
        if entry.evicted:
            return self._evict
        if gangs.failing(entry):
            return self._end_the_rest
        if gangs.to_release(entry):
            return self._release
        if gangs.to_go(entry):
            return self._go
        if gangs.to_touch(entry):
            return self._touch
        if entry.started_at is None and not entry.job.spec.suspend:
            return self._judge_wait if self._waited(entry) else None
        return None

    # Starting --------------------------------------------------------------------------------

    async def _release(self, entry: Entry) -> None:
        """Let the scheduler have a gang, if there is room for the whole of it now."""
        if why := gangs.short(entry, self._capacity):
            if self._impatient(entry):
                await self._take_back(entry, Outcome(Cause.UNLAUNCHED, detail=why))
            return
        await asyncio.gather(
            *(self._change(pod, gangs.released(entry, rank)) for rank, pod in entry.pods.items())
        )

    async def _go(self, entry: Entry) -> None:
        """Tell each task of a gang that all are there, and where."""
        word = gangs.addresses(entry)
        await asyncio.gather(*(self._note(pod, {marks.GO: word}) for pod in entry.pods.values()))
        entry.went_at = time.monotonic()

    async def _touch(self, entry: Entry) -> None:
        """Have their nodes look again at what a gang's pods were told."""
        entry.touched += 1
        again = {marks.AGAIN: str(entry.touched)}
        await asyncio.gather(*(self._note(pod, again) for _, pod in tuple(entry.rest())))

    def _waited(self, entry: Entry) -> bool:
        """Whether it is worth a look why a run has not started."""
        if not entry.pods:
            return self._age(entry) > _NO_PODS_S
        return self._impatient(entry) or any(
            outcomes.blocked(pod, self._age(entry))[0] is not None for pod in entry.pods.values()
        )

    def _age(self, entry: Entry) -> float:
        return time.monotonic() - entry.seen_at

    def _impatient(self, entry: Entry) -> bool:
        released = entry.asked.tasks > 1 and gangs.is_released(entry)
        name = "gang_patience_s" if released else "patience_s"
        return self._age(entry) > self._options.seconds(name)

    async def _judge_wait(self, entry: Entry) -> None:
        """Take a run back that cannot start, and say why."""
        words = []
        for pod in entry.pods.values():
            never, why = outcomes.blocked(pod, self._age(entry))
            if never is not None:
                await self._take_back(entry, never)
                return
            words.append(why)
        if not entry.pods:
            why = await self._last_event(entry.name, "Job")
            words.append(why)
            if why and _QUOTA not in why and "forbidden" in why:
                await self._take_back(entry, Outcome(Cause.REJECTED, detail=why))
                return
            if _QUOTA in why:
                await self._take_back(entry, Outcome(Cause.UNLAUNCHED, detail=why))
                return
        if not self._impatient(entry):
            return
        waited = f"Kubernetes kept it waiting for {self._age(entry):.0f} s"
        why = next(filter(None, words), "") or await self._pod_event(entry)
        detail = f"{waited}: {why}" if why else waited
        await self._take_back(entry, Outcome(Cause.UNLAUNCHED, detail=detail))

    async def _pod_event(self, entry: Entry) -> str:
        waiting = [pod for _, pod in entry.rest()]
        return await self._last_event(waiting[0].metadata.name, "Pod") if waiting else ""

    async def _last_event(self, name: str, kind: str) -> str:
        """The newest warning that the cluster has of an object."""
        selector = f"involvedObject.name={name},involvedObject.kind={kind},type=Warning"
        found, _ = await self._api.list(self._events, Event, fieldSelector=selector)
        if not found:
            return ""
        newest = max(found, key=lambda each: int(each.metadata.resource_version or 0))
        return f"{newest.reason}: {newest.message}"[:600]

    async def _take_back(self, entry: Entry, outcome: Outcome) -> None:
        note = {marks.OVER: marks.told(outcome, marks.now_us())}
        job = await self._attempts.change(entry.name, annotations=note, take_back=True)
        if job is not None:
            self._runs.take_in(job, entry.asked)

    # Ending ----------------------------------------------------------------------------------

    async def _end(self, entry: Entry) -> None:
        """Carry out that a run is to end: by its keepers, then by Kubernetes."""
        end = entry.end
        assert end is not None
        if not gangs.gone_ahead(entry):
            await self._take_back(entry, Outcome(Cause.CANCELLED))
        late = marks.now_us() // 1000 - end.kill_at
        for _, pod in tuple(entry.rest()):
            if late > _LAST_RESORT_MS:
                await self._api.delete(self._path(pod), grace_s=1, uid=pod.metadata.uid)
            else:
                await self._tell(pod, end.signal, end.kill_at)

    async def _end_the_rest(self, entry: Entry) -> None:
        """One task of a gang failed: so do the others."""
        grace_ms = round(1000 * self._options.seconds("grace_s"))
        now = marks.now_us() // 1000
        for _, pod in tuple(entry.rest()):
            kill_at = marks.kill_at(pod)
            if kill_at is None:
                await self._tell(pod, "SIGTERM", now + grace_ms)
            elif now - kill_at > _LAST_RESORT_MS:
                await self._api.delete(self._path(pod), grace_s=1, uid=pod.metadata.uid)

    async def _tell(self, pod: Pod, signal: str, kill_at: int) -> None:
        """Have a keeper pass a signal on, and kill at a time; it hears the same word once."""
        name = f"{signal}.{kill_at}"
        if pod.metadata.annotations.get(marks.TELL, "").startswith(name + " "):
            return
        grace_ms = max(0, kill_at - marks.now_us() // 1000)
        word = f"{name} {signal.removeprefix('SIG')} {grace_ms}"
        await self._note(pod, {marks.TELL: word})

    async def _evict(self, entry: Entry) -> None:
        """Its Job was suspended. It is not to begin again, even if it is let go again: its job is
        placed anew."""
        queued = kueue.QUEUE in entry.job.metadata.labels
        why = await self._kueue.evicted(entry.job) if queued else ""
        detail = f"Kueue evicted it: {why}" if why else "its Job was suspended in Kubernetes"
        await self._take_back(entry, Outcome(Cause.PREEMPTED, detail=detail))

    def _lost(self, entry: Entry) -> str | None:
        """Which node took a task with it: it is gone, or does not answer while the pod is taken
        away."""
        for _, pod in entry.rest():
            name = pod.spec.node_name
            if not name:
                continue
            node = self._capacity.any_node(name)
            leaving = pod.metadata.deletion_timestamp is not None
            if node is None and self._capacity.known(name):
                return f"its node {name} is gone"
            if leaving and node is not None and not node.ready:
                return f"its node {name} does not answer"
        return None

    async def _lose(self, entry: Entry) -> None:
        why = self._lost(entry)
        if why is None:
            return
        cause = Cause.LOST if entry.end is None else Cause.CANCELLED
        await self._take_back(entry, Outcome(cause, detail=why))
        self._runs.settle(entry, Outcome(cause, detail=why))
        for _, pod in tuple(entry.rest()):
            await self._api.delete(self._path(pod), grace_s=0, uid=pod.metadata.uid)

    async def _account(self, entry: Entry) -> None:
        """Ask for the pods of a Job that makes no more, where some were never seen: the watch may
        be behind, or they went while nobody watched."""
        label = f"{marks.RUN}={marks.base_name(entry.run)}"
        found, _ = await self._api.list(self._pods, Pod, labelSelector=label)
        for pod in found:
            if pod.index not in entry.pods:
                self._runs.hear_pod(None, pod)
        entry.accounted = True
        self._runs.look_at(entry)

    # Putting away ----------------------------------------------------------------------------

    def _due(self, entry: Entry) -> bool:
        if entry.run not in self._records.ended:
            return True
        if entry.asked.tasks and entry.over_at is not None:  # by the clock of him who has to hear
            late = time.monotonic() - entry.over_at > self._options.seconds("linger_s")
        else:  # a tombstone stays longer
            late = marks.now_us() - (entry.ended_at or 0) > self._options.times["keep_days"]
        return entry.job_gone or late

    async def _put_away(self, entry: Entry) -> None:
        """Keep what an ended run wrote and how it ended; later, take its job away."""
        assert entry.outcome is not None
        if entry.run not in self._records.ended:
            for task in sorted(set(entry.pods) - entry.gone):
                await self._logs.collect(entry, task)
            await self._left.keep(entry)
            record = Record(
                run=entry.run,
                tasks=max(1, entry.asked.tasks),
                started_at=entry.started_at,
                ended_at=entry.ended_at,
                outcome=entry.outcome,
                usage=entry.usage,
            )
            self._records.put(record)
        elif entry.job_gone:
            self._logs.forget(entry.run, entry.asked.tasks)
            self._runs.entries.pop(entry.run, None)
        else:
            await self._attempts.remove(entry.job)

    async def _sweep(self) -> None:
        """Take away what nobody needs: Secrets without a Job, old tombstones and records."""
        try:
            jobs = self._runs.jobs
            await self._attempts.sweep_secrets(jobs, _ORPHAN_S)
            before = marks.now_us() - self._options.times["keep_days"]
            for job in tuple(jobs.values()):
                made = job.metadata.creation_timestamp
                if marks.abandoned(job) and made and made.timestamp() * 1e6 < before:
                    await self._attempts.remove(job)
            self._records.prune(marks.now_us())
        except (PoolError, OSError) as error:
            log.warning("pool=%s not swept: %s", self._options.pool, error)

    async def _note(self, pod: Pod, annotations: dict[str, str]) -> None:
        await self._change(pod, {"metadata": {"annotations": annotations}})

    async def _change(self, pod: Pod, body: dict[str, Any]) -> None:
        await self._api.patch(self._path(pod), body, Named)

    def _path(self, pod: Pod) -> str:
        return f"{self._pods}/{pod.metadata.name}"
