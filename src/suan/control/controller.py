"""The live loop of one process: it follows until the lease is free, then leads."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from suan.control.clock import SteadyClock, wall_clock
from suan.control.draft import BillOf
from suan.control.lease import LeaseKeeper
from suan.control.logs import keeper_of_logs, keeper_of_outputs
from suan.control.metrics import ControlMetrics
from suan.control.settings import ControlSettings
from suan.control.tasks import all_until_first_ends
from suan.control.term import Parts, SchedulerProtocol, Term
from suan.control.trouble import Troubles
from suan.core import Scheduler
from suan.model.errors import LeaseLost, NotLeader, PoolRejected, PoolUnavailable, StoreError
from suan.model.job import Run, RunState
from suan.model.live import LiveMetrics, LiveStatus, PoolStatus
from suan.model.plan import Explanation
from suan.model.pool import Content, LogChunk, OutputFile, Pool
from suan.model.reservation import Reservation, ReservationAsked
from suan.model.spec import JobSpec
from suan.model.store import Store
from suan.model.units import Instant, JobId, PoolName, RunId

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Works:
    """The clock and the scheduler that a controller leads by."""

    clock: Callable[[], Instant] = wall_clock
    scheduler: Callable[[], SchedulerProtocol] = Scheduler


class Controller:
    """Implements ``suan.model.live.Live``. Several may share one store: one of them leads.

    ``start`` returns at once; ``stop`` gives the lease back and leaves runs alone. A bug found
    while leading ends the loop: ``status().trouble`` says so from then on, and ``run`` raises it.
    ``content`` is where what jobs bring lies; without it, none can be delivered to a pool.
    """

    def __init__(
        self,
        store: Store,
        pools: Mapping[PoolName, Pool],
        *,
        bill: BillOf,
        settings: ControlSettings,
        content: Content | None = None,
        works: Works = Works(),
    ) -> None:
        steady = SteadyClock(works.clock)
        self.counters = ControlMetrics()
        self._troubles = Troubles()
        self._settings = settings
        self._pools = pools
        self._clock = steady
        self._keeper = LeaseKeeper(store, settings, steady)
        self._parts = Parts(
            store=store,
            pools=pools,
            content=content,
            scheduler_factory=works.scheduler,
            bill=bill,
            clock=steady,
            settings=settings,
            metrics=self.counters,
            keeper=self._keeper,
            on_trouble=self._troubles.note,
        )
        self._term: Term | None = None
        self._task: asyncio.Task[None] | None = None

    # Life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to follow or lead, in the background."""
        self._task = asyncio.get_running_loop().create_task(self.run(), name="suan-control")
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def stop(self) -> None:
        """Stop leading or following. Runs go on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._keeper.release()

    async def run(self) -> None:
        """Follow and lead, for ever.

        Raises:
            Exception: a bug, after which this process does not lead again.
        """
        while True:
            await self._keeper.acquire()
            try:
                await self._lead()
            except LeaseLost as lost:
                log.warning("no longer leading: %s", lost)
                self._keeper.drop()
            except StoreError as error:
                log.error("no longer leading, the store failed: %s", error)
                self._troubles.note("store", f"the store failed: {error}")
                await self._keeper.release()
                await asyncio.sleep(self._settings.retry_most / 1e6)
            except Exception as bug:  # the loop's one boundary: loud, and never led on with
                self._troubles.note("bug", f"the live loop stopped at a bug: {bug!r}")
                log.exception("the live loop stopped at a bug")
                await self._keeper.release()
                raise

    async def _lead(self) -> None:
        """Terms under one lease, until it is lost."""
        keeping = asyncio.ensure_future(self._keeper.keep(self._troubles.note))
        try:
            while True:
                self._term = Term(self._parts)
                await all_until_first_ends(self._term.run(), asyncio.shield(keeping))
        finally:
            self._term = None
            self._troubles.forget_all()
            self.counters.pending = self.counters.running = 0
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    # Live ------------------------------------------------------------------------------------

    def status(self) -> LiveStatus:
        """How the loop is doing."""
        leading = self._term is not None and self._term.ready
        return LiveStatus(
            leading=leading,
            leader_url=self._settings.url if leading else self._other_leader(),
            cycles=self.counters.cycles,
            pending=self.counters.pending,
            running=self.counters.running,
            last_cycle_us=self.counters.cycle.last_us,
            trouble=self._troubles.told,
        )

    def metrics(self) -> LiveMetrics:
        """What the loop has counted since this process started."""
        return self.counters.told()

    def nudge(self) -> None:
        """Something was written to the store: look soon."""
        if self._term is not None:
            self._term.nudge()

    async def explain(self, job: JobId) -> Explanation | None:
        """Why an unfinished job is where it is; ``None`` if the scheduler does not know it.

        Raises:
            NotLeader: ask the leader.
        """
        return await self._leading().explain(job)

    async def dry_run(self, spec: JobSpec, user: str) -> Explanation:
        """Where a job would go if it were submitted now. Changes nothing.

        Raises:
            NotLeader: ask the leader.
        """
        return self._leading().dry_run(spec, user)

    async def draw_up(self, asked: ReservationAsked) -> tuple[Reservation, tuple[RunId, ...]]:
        """A reservation with its nodes, and the runs there that may go on when it begins.

        Raises:
            InputError: it cannot be.
            StoreConflict: another keeps one of the nodes at the same time, or has its name.
            NotLeader: ask the leader.
        """
        return self._leading().draw_up(asked)

    async def pools(self) -> tuple[PoolStatus, ...]:
        """Every configured pool as the leader sees it, by name.

        Raises:
            NotLeader: ask the leader.
        """
        return self._leading().pools()

    async def runs_in(self, pool: PoolName) -> tuple[Run, ...]:
        """The open runs of one pool, by id.

        Raises:
            NotLeader: ask the leader.
        """
        found = (run for run in self._leading().book.runs.values() if run.pool == pool)
        return tuple(sorted(found, key=lambda run: run.id))

    async def read_log(
        self, run: Run, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """A piece of a run's output. A run that is not launched yet has an empty log.

        Any server may read what its own pools can give; what they cannot, the leader's may.

        Raises:
            PoolError: the pool cannot give it; the message says why.
        """
        pool = keeper_of_logs(self._pools, run)
        if run.ref is None:
            return LogChunk(b"", max(0, offset), end=run.state is RunState.ENDED)
        async with self._in_time(run):
            return await pool.read_log(
                run.ref, task=task, stream=stream, offset=offset, limit=limit
            )

    async def list_outputs(self, run: Run) -> tuple[OutputFile, ...]:
        """What a run has left so far. One that is not launched yet has left nothing.

        Raises:
            PoolError: the pool cannot tell.
        """
        keeper = keeper_of_outputs(self._pools, run)
        if run.ref is None:
            return ()
        async with self._in_time(run):
            return await keeper.list_outputs(run.ref)

    async def read_output(self, run: Run, path: str, *, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes of one of them from ``offset``.

        Raises:
            PoolError: the pool cannot give it.
        """
        keeper = keeper_of_outputs(self._pools, run)
        if run.ref is None:
            raise PoolRejected(f"{run.id} was never launched, and has left nothing")
        async with self._in_time(run):
            return await keeper.read_output(run.ref, path, offset=offset, limit=limit)

    @asynccontextmanager
    async def _in_time(self, run: Run) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.call_timeout / 1e6):
                yield
        except TimeoutError as late:
            raise PoolUnavailable(f"pool {run.pool} did not answer in time") from late

    def _leading(self) -> Term:
        if self._term is None or not self._term.ready:
            raise NotLeader(self._other_leader())
        return self._term

    def _other_leader(self) -> str | None:
        """Who leads if not we: never our own address, or a request would be sent in a circle."""
        url = self._keeper.leader_url
        return url if url and url != self._settings.url else None
