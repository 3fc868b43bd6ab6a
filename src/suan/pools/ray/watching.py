"""What is known of every run and of the nodes, kept up to date by asking Ray again and again.

One request tells of all jobs. A job's own words are fetched once when it begins and once when it
has ended.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from suan.model.errors import PoolError, PoolUnavailable
from suan.model.job import Cause
from suan.model.offer import NodeStatus
from suan.model.pool import RunReport
from suan.model.units import NodeName, RunId
from suan.pools.ray import outcomes, translation
from suan.pools.ray.attempts import ABANDONED, CANCELLED, Attempt, attempt
from suan.pools.ray.keeping import Keeping
from suan.pools.ray.rest import Rest

log = logging.getLogger(__name__)

_NODES_EVERY_S = 5.0
_SETTLE_S = 6.0  # how long Ray's word on what is in use may lag behind
_IDLE_S = 2.0
_SHARE = 4  # at most a fourth of the time is spent on asking
_LONGEST_REST_S = 5.0  # between two askings, however long the last one hung
_FETCHES = 8
_WORDS_S = 5.0  # how long the news of all may wait for one job's own words
_SILENT_S = 10.0  # what an asking may take before Ray counts as not answering
_DOES_NOT_STOP_S = 60.0


@dataclass(slots=True)
class Entry:
    """One run as last seen. ``record`` is what suan wrote into its job's metadata."""

    run: RunId
    submission: str
    record: dict[str, Any]
    status: str = outcomes.WAITING
    started: float | None = None
    end: dict[str, Any] | None = None
    known_at: float = field(default_factory=time.monotonic)
    ended_at: float = 0.0  # on the monotonic clock
    stop_at: float | None = None  # when Ray was asked to stop it, while it waited
    stop_heard: bool = False
    taken_back: str = ""
    kill_at: float | None = None  # the earliest end that was asked for, on the monotonic clock
    heard: bool = False  # it has been seen to write something
    sequence: int = 0

    @property
    def began(self) -> bool:
        """Whether its tasks are known to have started."""
        return self.heard or self.started is not None or bool((self.end or {}).get("started"))

    def strictest(self, grace_s: float) -> float:
        """The grace that is left of what was ever given, seconds."""
        now = time.monotonic()
        kill_at = now + grace_s
        self.kill_at = kill_at if self.kill_at is None else min(kill_at, self.kill_at)
        return max(0.0, self.kill_at - now)

    @property
    def nodes(self) -> list[NodeName]:
        return [NodeName(name) for name in self.record.get("nodes", ())]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a pool looks: its name, how often, how long a job may wait, how long to keep."""

    pool: str
    prefix: str
    poll_s: float
    patience_s: float
    keep_s: float


class Watching:
    """Every run of one pool, and its nodes."""

    def __init__(
        self,
        rest: Rest,
        keeping: Keeping,
        *,
        names: translation.Names,
        manner: Manner,
        ended: Callable[[Entry], Coroutine[Any, Any, None]],
    ) -> None:
        self._rest = rest
        self._keeping = keeping
        self._names = names
        self._manner = manner
        self._ended = ended
        self._entries: dict[RunId, Entry] = {}
        self._live: dict[RunId, Entry] = {}
        self._statuses: tuple[NodeStatus, ...] = ()
        self._nodes_sequence = 0
        self._nodes_at = -_NODES_EVERY_S
        self._epoch = secrets.token_hex(4)
        self._sequence = 1
        self._trouble: PoolError | None = None
        self._polling = asyncio.Lock()
        self._asking_since: float | None = None  # on the monotonic clock
        self._comparing: dict[RunId, asyncio.Task[None]] = {}
        self._going = False
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._fetching = asyncio.Semaphore(_FETCHES)
        self.nodes: dict[NodeName, translation.Node] = {}
        self.news = asyncio.Event()
        self.session = ""
        self._recall()

    # What is asked

    async def observe(
        self, cursor: str | None
    ) -> tuple[str, tuple[NodeStatus, ...] | None, list[RunReport]]:
        """The next cursor, the nodes if they changed, and the runs that did; everything, freshly
        asked for, for a cursor that is not ours."""
        self.news.clear()
        epoch, _, number = (cursor or "").partition(":")
        known = epoch == self._epoch and number.isdigit() and int(number) <= self._sequence
        if not known:
            await self.poll(everything=True)
        self._start()
        if self._trouble is not None:
            raise self._trouble
        self._check_that_it_answers()
        since = int(number) if known else -1
        told = [
            outcomes.report(entry.run, entry.started, entry.end)
            for entry in self._entries.values()
            if entry.sequence > since and (entry.started is not None or entry.end is not None)
        ]
        nodes = self._statuses if self._nodes_sequence > since else None
        return f"{self._epoch}:{self._sequence}", nodes, told

    def entry(self, run: RunId) -> Entry | None:
        """What is known of a run."""
        return self._entries.get(run)

    def take_in(self, entry: Entry) -> None:
        """A run has just been submitted."""
        self._entries[entry.run] = self._live[entry.run] = entry
        self._woken.set()

    def learn(self, found: Attempt) -> Entry:
        """Take a run in that was launched, or found to have been."""
        run = RunId(found.record["run"])
        entry = self._entries.get(run)
        if entry is None or entry.submission != found.submission:
            entry = Entry(run, found.submission, dict(found.record))
            self.take_in(entry)
            if found.over == CANCELLED:
                said = "cancelled before it started"
                self.settle(entry, outcomes.without_job(Cause.CANCELLED, said))
        self._woken.set()
        return entry

    def lost(self, run: RunId, record: dict[str, Any], detail: str) -> None:
        """A run that Ray has forgotten, and that may have run."""
        entry = self._entries.get(run) or Entry(run, record["submission"], record["mark"])
        self._entries[run] = entry
        self.settle(entry, outcomes.without_job(Cause.LOST, detail))

    def stopped(self, entry: Entry, heard: bool) -> None:
        """Ray was asked to stop a run's job; whether it knew of a process to tell."""
        entry.stop_at = entry.stop_at or time.monotonic()
        entry.stop_heard = entry.stop_heard or heard
        self._woken.set()

    def settle(self, entry: Entry, end: dict[str, Any]) -> None:
        """A run has ended."""
        if entry.end is not None:
            return
        end.setdefault("at", None)
        end["at"] = end["at"] or time.time()
        entry.end = end
        entry.ended_at = time.monotonic()
        self._live.pop(entry.run, None)
        self._keeping.ended(entry.run, end)
        self._changed(entry)
        if entry.began:
            self._spawn(self._ended(entry))

    async def close(self) -> None:
        """Look no more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Looking

    async def poll(self, *, everything: bool = False) -> None:
        """Ask Ray of every job at once, and of its nodes; ``observe`` tells of trouble."""
        async with self._polling:
            trouble: PoolError | None = None
            self._asking_since = time.monotonic()
            try:
                await self._look(everything)
            except PoolError as error:
                trouble = error
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                said = f"{self._rest.address} answers what suan does not understand: {error!r}"
                trouble = PoolUnavailable(said, mend="see which Ray it is: suan pool check")
            finally:
                self._asking_since = None
            if (trouble is None) != (self._trouble is None):
                self._changed(None)
            self._trouble = trouble

    def _check_that_it_answers(self) -> None:
        """Raises:
        PoolUnavailable: it has been asked for long, so what is known of it is old.
        """
        since = self._asking_since
        waited = 0.0 if since is None else time.monotonic() - since
        if waited > _SILENT_S:
            said = f"{self._rest.address} was asked {waited:.0f} s ago and has not answered yet"
            raise PoolUnavailable(said, mend="see whether the head runs")

    async def _look(self, everything: bool) -> None:
        began = time.monotonic()
        if everything or began >= self._nodes_at + _NODES_EVERY_S:
            self.session = str((await self._rest.version())["session_name"])
        jobs = await self._rest.jobs()
        found = self._ours(jobs)
        await self._compare_all(found, began)
        for entry in list(self._live.values()):
            if entry.run not in found and entry.known_at < began:
                await self._missing(entry)
        if everything or began >= self._nodes_at + _NODES_EVERY_S:
            await self._look_at_nodes()
            self._nodes_at = began
        if everything:
            await self._forget(jobs)

    def _ours(self, jobs: Iterable[dict[str, Any]]) -> dict[RunId, Attempt]:
        """The newest attempt at each run of this pool that was not given up."""
        found: dict[RunId, Attempt] = {}
        for job in jobs:
            each = attempt(job)
            if each is None or each.record["pool"] != self._manner.pool:
                continue
            run = RunId(each.record["run"])
            expected = f"{self._manner.prefix}{run}"
            if each.submission.partition(".")[0] != expected or each.over == ABANDONED:
                continue
            if run not in found or found[run].number < each.number:
                found[run] = each
        return found

    async def _compare_all(self, found: dict[RunId, Attempt], began: float) -> None:
        """Hold all runs against their jobs. One whose node gives no words holds up no other: it is
        waited for beside the next looks, and asked again."""
        for run, each in found.items():
            if run not in self._comparing:
                task = asyncio.create_task(self._compare(each, began))
                self._comparing[run] = task
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if not self._comparing:
            return
        await asyncio.wait(self._comparing.values(), timeout=_WORDS_S)
        done = {run: task for run, task in self._comparing.items() if task.done()}
        for run in done:
            del self._comparing[run]
        for run, task in done.items():
            failed = task.exception()
            if isinstance(failed, PoolError):
                log.warning("pool=%s run=%s not looked at: %s", self._manner.pool, run, failed)
            elif failed is not None:
                raise failed

    async def _compare(self, found: Attempt, began: float) -> None:
        """Hold a run against its job."""
        entry = self._entries.get(RunId(found.record["run"]))
        if entry is None or entry.submission != found.submission:
            entry = self.learn(found)
        if entry.end is not None:
            return
        entry.status = str(found.job["status"])
        if entry.status == outcomes.WAITING:
            await self._waits(entry, str(found.job.get("message") or ""), began)
        elif entry.status in outcomes.ENDED or entry.started is None:
            async with self._fetching:
                told = outcomes.words(await self._rest.job_log(entry.submission))
            if entry.started is None and "started" in told:
                entry.started = float(told["started"])
                self._changed(entry)
            if entry.status in outcomes.ENDED:
                self.settle(entry, outcomes.of(found.job, told, taken_back=entry.taken_back))

    async def _waits(self, entry: Entry, why: str, began: float) -> None:
        """A job that Ray keeps waiting: too long, or to no purpose any more."""
        if entry.stop_at is None:
            if began - entry.known_at < self._manner.patience_s:
                return
            entry.taken_back = f"Ray kept it waiting for {self._manner.patience_s:g} s: {why}"
        if entry.stop_at is None or not entry.stop_heard:
            self.stopped(entry, await self._rest.stop(entry.submission))
            return
        # Ray tells it to stop as soon as it starts, before its program can have begun
        if entry.stop_at < began or began - entry.stop_at > _DOES_NOT_STOP_S:
            cause = Cause.UNLAUNCHED if entry.taken_back else Cause.CANCELLED
            said = entry.taken_back or "cancelled before it started"
            self.settle(entry, outcomes.without_job(cause, said))

    async def _missing(self, entry: Entry) -> None:
        """A run whose job was not among all others."""
        if await self._rest.job(entry.submission) is None:
            again = (self._keeping.launch(entry.run) or {}).get("session") not in (
                None,
                self.session,
            )
            said = "its head was restarted" if again else "it was deleted there"
            self.settle(
                entry, outcomes.without_job(Cause.LOST, f"Ray has forgotten the run: {said}")
            )

    async def _look_at_nodes(self) -> None:
        told, used = await asyncio.gather(self._rest.nodes(), self._rest.usage())
        self.nodes = translation.nodes(told, self._names)
        ours = self._in_use()
        statuses = tuple(
            translation.status(node, used.get(node.identity, {}), ours.get(name, {}))
            for name, node in self.nodes.items()
        )
        if statuses != self._statuses:
            self._statuses = statuses
            self._changed(None)
            self._nodes_sequence = self._sequence

    def _in_use(self) -> dict[NodeName, dict[str, float]]:
        """What our own runs take on each node, those that have just ended among them."""
        found: dict[NodeName, dict[str, float]] = {}
        recent = time.monotonic() - _SETTLE_S
        for entry in self._entries.values():
            if entry.status == outcomes.WAITING or (entry.end and entry.ended_at < recent):
                continue
            for name in entry.nodes:
                node = found.setdefault(name, {})
                for resource, amount in entry.record["take"].items():
                    node[resource] = node.get(resource, 0.0) + amount
        return found

    async def _forget(self, jobs: Iterable[dict[str, Any]]) -> None:
        """Drop what ended long ago, at Ray and here."""
        before = time.time() - self._manner.keep_s
        for job in jobs:
            each = attempt(job)
            if each is not None and each.record["pool"] == self._manner.pool:
                ended = (job.get("end_time") or 0) / 1000
                if job["status"] in outcomes.ENDED and ended < before:
                    await self._rest.forget(each.submission)
        for name in self._keeping.long_ended(self._manner.keep_s):
            self._entries.pop(RunId(name), None)
            self._keeping.forget(name)

    # The loop

    def _start(self) -> None:
        if not self._going:
            self._going = True
            self._spawn(self._go_round())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go_round(self) -> None:
        while True:
            self._woken.clear()
            try:
                async with asyncio.timeout(self._manner.poll_s if self._live else _IDLE_S):
                    await self._woken.wait()
                    await asyncio.sleep(self._manner.poll_s)
            except TimeoutError:
                pass
            began = time.monotonic()
            await self.poll()
            rest = (_SHARE - 1) * (time.monotonic() - began)
            await asyncio.sleep(min(rest, _LONGEST_REST_S))

    def _changed(self, entry: Entry | None) -> None:
        self._sequence += 1
        if entry is not None:
            entry.sequence = self._sequence
        self.news.set()

    def _recall(self) -> None:
        """Take in what was kept by an earlier server at this place."""
        for name in self._keeping.runs():
            launched = self._keeping.launch(name)
            if launched is None or not launched.get("taken"):
                continue  # whether Ray took it, its list of jobs tells
            entry = Entry(RunId(name), launched["submission"], launched["mark"])
            entry.end = self._keeping.end(name)
            entry.sequence = self._sequence
            self._entries[entry.run] = entry
            if entry.end is None:
                self._live[entry.run] = entry
