"""One pool's agent: it launches and stops runs in the background, and tells what it learns.

A slow pool holds up nobody but itself. Where an outcome is unknown, ``find`` settles it before
anything else is tried.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from suan.control.book import overrides
from suan.control.calls import PoolCalls, Surroundings
from suan.control.circuit import Doing
from suan.control.delivery import Deliveries
from suan.control.happenings import Launched, Over, Reported
from suan.control.testimony import Testimony
from suan.control.watcher import Watcher
from suan.killpoints import passing
from suan.model.errors import PoolError, PoolOutcomeUnknown, PoolRejected, StoreError
from suan.model.job import SAVING, Cause, Outcome, Run, RunState
from suan.model.plan import Stop
from suan.model.pool import Launch, Pool, Preempt, RunReport, Waits
from suan.model.spec import Checkpoint
from suan.model.units import SECOND, Duration, Instant, PoolName, RunId

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Charge:
    """A run in the agent's care. ``unsure``: the pool may know it though we have no reference."""

    run: Run
    ref: str | None = None
    unsure: bool = False
    trouble: str = ""  # what its pool said of its launch
    begun: bool = False  # the pool may be hearing of it right now
    asked_at: int | None = None  # elapsed time; a launch that is not answered yet
    launched_at: int = 0  # elapsed time; a look at everything that began earlier may miss it
    started: bool = False
    over: bool = False
    stop: Stop | None = None
    delivery: asyncio.Task[None] | None = None
    give_up_at: int = 0  # elapsed time
    manner: Checkpoint | None = None  # in which it is to be stopped, if whoever asked said so
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # over, and recorded so


class PoolAgent:
    """Carries out one pool's share of the plan, and reports what happens there."""

    def __init__(self, name: PoolName, pool: Pool, around: Surroundings) -> None:
        self._name = name
        self._pool = pool
        self._around = around
        self._settings = around.settings
        self._calls = PoolCalls(name, around, on_lost=self._lost)
        self._testimony = Testimony(name, around)
        self._watcher = Watcher(
            pool, self._calls, around, hear=self._hear, reconcile=self._reconcile
        )
        self._deliveries = Deliveries(name, pool, calls=self._calls, around=around)
        self._permits = asyncio.Semaphore(around.settings.launches_at_once)
        self._charges: dict[RunId, _Charge] = {}
        self._strangers: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.crashed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # What the term asks ----------------------------------------------------------------------

    def begin(self) -> None:
        """Start observing. Runs of earlier terms have to be adopted first."""
        self._spawn(self._watcher.run())

    async def first_look(self) -> None:
        """Return when the pool has been observed, or has failed to be."""
        await self._watcher.looked.wait()

    async def end(self) -> None:
        """Stop everything here. Runs go on, and calls under way are left to their pool."""
        self.crashed.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def launch(self, run: Run) -> None:
        """Start a run that was just recorded."""
        self._take(_Charge(run))

    def adopt(self, run: Run) -> None:
        """Take over an open run of an earlier term."""
        started = run.state is RunState.STARTED
        self._take(_Charge(run, ref=run.ref, unsure=run.ref is None, started=started))

    def stop(self, stop: Stop) -> None:
        """End a run, or see to it that it never starts."""
        charge = self._charges.get(stop.run)
        if charge is None or charge.over:
            return
        if charge.stop is not None and not overrides(stop, charge.stop):
            return
        charge.stop = stop
        if charge.delivery is not None:
            charge.delivery.cancel()
        if charge.ref is None and not charge.begun and not charge.unsure:
            self._unborn(charge)
        else:
            self._spawn(self._end_run(charge, stop))

    def stop_so(self, run: RunId, manner: Checkpoint) -> None:
        """A run that is being stopped, or will be at once, is to be stopped in this manner."""
        charge = self._charges.get(run)
        if charge is None or charge.over:
            return
        charge.manner = manner
        if charge.stop is not None:
            self._spawn(self._end_run(charge, charge.stop))

    def forget(self, run: RunId) -> None:
        """A run is over and recorded so."""
        charge = self._charges.pop(run, None)
        if charge is not None:
            charge.over = True
            charge.settled.set()
            charge.gone.set()
            if charge.delivery is not None:
                charge.delivery.cancel()

    # Launching -------------------------------------------------------------------------------

    def _take(self, charge: _Charge) -> None:
        self._charges[charge.run.id] = charge
        if charge.ref is not None:
            charge.settled.set()
        else:
            self._spawn(self._settle(charge))

    async def _settle(self, charge: _Charge) -> None:
        """Bring a run to the point where it has a reference or is over."""
        async with self._permits:
            if charge.over:
                return
            try:
                charge.ref = await self._obtain(charge)
            except PoolRejected as refused:
                if self._calls.rejected():
                    self._testimony.refuses(f"refuses run after run: {refused}")
                self._over(charge, Cause.REJECTED, str(refused))
            except PoolError as error:
                self._over(charge, Cause.UNLAUNCHED, str(error))
        if charge.ref is not None:
            self._launched(charge, charge.ref)
        elif charge.stop is not None:
            self._unborn(charge)
        charge.settled.set()

    async def _obtain(self, charge: _Charge) -> str | None:
        """The run's reference, or ``None`` if it is not wanted any more and was never launched.

        Raises:
            PoolRejected: refused for good.
            PoolError: it was not launched, and will not be: the pool does not answer.
        """
        self._be_patient(charge)
        for delay in self._calls.delays():
            if self._forsaken(charge):
                return None
            charge.begun = True
            try:
                return await self._try_once(charge)
            except PoolRejected:
                raise
            except PoolError as error:
                if self._around.clock.elapsed() >= charge.give_up_at and not charge.unsure:
                    self._calls.gave_up(error)
                    raise
            except StoreError as error:
                log.warning("run=%s not launched yet: %s", charge.run.id, error)
            charge.begun = False
            if not self._forsaken(charge):
                await _before(charge.settled, delay)
        raise AssertionError("the delays never end")

    async def _try_once(self, charge: _Charge) -> str | None:
        if charge.unsure:
            ref = await self._find(charge)
            if ref is not None:
                return ref
            charge.unsure = False
        if charge.stop is not None or charge.over:
            return None
        launch = await self._around.build(charge.run)
        if not self._deliveries.there(launch) and not await self._delivered(charge, launch):
            return None
        passing("launch.before")
        try:
            charge.asked_at = self._around.clock.elapsed()
            ref = await self._calls.bounded(
                lambda _: self._pool.launch(launch),
                within=self._settings.launch_timeout,
                longer=self._deliveries.patience(launch),
            )
        except PoolRejected:
            self._deliveries.doubt(launch)
            raise
        except PoolError as error:
            self._deliveries.doubt(launch)
            charge.unsure, charge.trouble = isinstance(error, PoolOutcomeUnknown), str(error)
            self._calls.failed(error, Doing.TAKES)
            raise
        finally:
            charge.asked_at = None
        passing("launch.after")
        self._calls.proved(Doing.TAKES)
        return ref

    def _be_patient(self, charge: _Charge) -> None:
        charge.give_up_at = self._around.clock.elapsed() + self._settings.launch_patience

    async def _delivered(self, charge: _Charge, launch: Launch) -> bool:
        """Bring what the run needs. Meanwhile others are launched, and it may be stopped: then it
        is not wanted any more."""
        went_on = partial(self._be_patient, charge)
        charge.delivery = asyncio.ensure_future(
            self._deliveries.bring(charge.run, launch, went_on=went_on)
        )
        charge.begun = False
        self._permits.release()
        try:
            await asyncio.wait({charge.delivery})
        finally:
            delivery, charge.delivery = charge.delivery, None
            delivery.cancel()
            await self._permits.acquire()
        if charge.over or charge.stop is not None:
            return False
        charge.begun = True
        try:
            delivery.result()
        except PoolError as error:
            if not isinstance(error, PoolRejected):
                self._calls.failed(error, Doing.TAKES)
            raise
        self._be_patient(charge)
        return True

    async def _find(self, charge: _Charge) -> str | None:
        try:
            return await self._calls.call(self._pool.find, charge.run.id)
        except PoolError as error:
            self._calls.failed(error)
            raise

    def _lost(self) -> None:
        """Nothing new goes there: what it has surely not heard of goes elsewhere at once."""
        self._watcher.lost()
        for charge in tuple(self._charges.values()):
            self._give_back(charge, self._calls.trouble)

    def _forsaken(self, charge: _Charge) -> bool:
        """Whether a run is not to be launched here any more."""
        if self._calls.lost:
            self._give_back(charge, self._calls.trouble)
        return charge.over

    def _give_back(self, charge: _Charge, said: str) -> None:
        if charge.ref is None and not charge.begun and not charge.unsure and not charge.over:
            self._around.metrics.moved_on(self._name)
            self._over(charge, Cause.UNLAUNCHED, said)
            if charge.delivery is not None:
                charge.delivery.cancel()

    def _launched(self, charge: _Charge, ref: str) -> None:
        charge.launched_at = self._around.clock.elapsed()
        self._around.post(Launched(charge.run.id, ref))
        self._around.metrics.launch.add(self._around.clock.now() - charge.run.placed_at)

    # Stopping --------------------------------------------------------------------------------

    async def _end_run(self, charge: _Charge, stop: Stop) -> None:
        await charge.settled.wait()
        if charge.over or charge.ref is None:
            return
        saving = charge.manner
        if saving is None and stop.cause in SAVING:
            saving = await self._saving(charge.run)
        grace = self._settings.stop_grace
        if saving is not None and saving.grace is not None:
            grace = min(saving.grace, self._settings.longest_grace)
        passing("stop.before")
        await self._cancel(charge.ref, grace, saving)
        passing("stop.after")
        try:
            async with asyncio.timeout((grace + self._settings.call_timeout) / 1e6):
                await charge.gone.wait()
        except TimeoutError:
            # A pool that says nothing of a run it was told to end may have forgotten it.
            if await self._vanished(charge):
                self._over(charge, stop.cause, "the pool no longer knows it")

    async def _saving(self, run: Run) -> Checkpoint | None:
        """How the run's job saves its work, if it told."""
        for delay in self._calls.delays():
            try:
                return await self._around.checkpoint(run)
            except StoreError as error:
                log.warning("run=%s not stopped yet: %s", run.id, error)
                await asyncio.sleep(delay)
        raise AssertionError("the delays never end")

    async def _cancel(self, ref: str, grace: Duration, saving: Checkpoint | None = None) -> None:
        pool = self._pool
        for delay in self._calls.delays():
            try:
                if saving is not None and isinstance(pool, Preempt):
                    await self._calls.call(pool.preempt, ref, signal=saving.signal, grace=grace)
                else:
                    await self._calls.call(pool.cancel, ref, grace)
            except PoolRejected as error:
                log.error("pool=%s ref=%s cannot be stopped: %s", self._name, ref, error)
                return
            except PoolError as error:  # stopping twice is harmless, so is an unknown outcome
                self._calls.failed(error)
                await asyncio.sleep(delay)
            else:
                return

    def _unborn(self, charge: _Charge) -> None:
        assert charge.stop is not None
        detail = charge.stop.detail or "stopped before it was launched"
        self._over(charge, charge.stop.cause, detail)

    def _over(self, charge: _Charge, cause: Cause, detail: str) -> None:
        if not charge.over:
            charge.over = True
            charge.settled.set()
            self._around.post(Over(charge.run.id, Outcome(cause, detail=detail)))

    # What the pool says ----------------------------------------------------------------------

    def _hear(self, report: RunReport) -> None:
        charge = self._charges.get(report.run)
        if charge is None:
            if report.outcome is not None:
                self._testimony.ended(report.run, report.outcome)
            elif report.ref not in self._strangers:
                self._strangers.add(report.ref)
                self._spawn(self._stranger(report))
        elif report.outcome is not None:
            self._ended(charge, report, report.outcome)
        elif report.started_at is not None and not charge.started:
            self._began(charge)
            self._testimony.timed(report, charge.run.placed_at)
            self._around.post(Reported(self._name, report))

    def _began(self, charge: _Charge) -> None:
        charge.started = True
        self._calls.proved(Doing.STARTS)
        self._testimony.starts()

    def _ended(self, charge: _Charge, report: RunReport, outcome: Outcome) -> None:
        if not self._testimony.ended(report.run, outcome):
            return
        self._testimony.timed(report, charge.run.placed_at)
        if outcome.cause is Cause.UNLAUNCHED:
            if self._calls.gave_back(outcome.detail):
                self._testimony.refuses(f"gives runs back unstarted: {outcome.detail}")
        elif outcome.cause not in (Cause.REJECTED, Cause.CANCELLED):
            self._began(charge)
        self._around.post(Reported(self._name, report))

    async def _stranger(self, report: RunReport) -> None:
        """End a run that nobody here answers for: unknown to the store, or recorded as over."""
        try:
            run = await self._around.recorded(report.run)
        except StoreError:
            self._strangers.discard(report.ref)
            return
        if run is not None and run.state is not RunState.ENDED:
            self._strangers.discard(report.ref)
            return
        known = "is not in the store" if run is None else "is recorded as ended"
        log.warning("pool=%s run=%s %s: it is stopped", self._name, report.run, known)
        self._testimony.lives(report.run, known)
        self._around.metrics.orphans += 1
        await self._cancel(report.ref, self._settings.stop_grace)

    def _reconcile(self, reports: tuple[RunReport, ...], began: int) -> None:
        reported = {report.run for report in reports}
        for charge in tuple(self._charges.values()):
            missing = charge.ref is not None and charge.run.id not in reported
            if missing and not charge.over and charge.launched_at < began:
                self._spawn(self._look_for(charge))

    async def _look_for(self, charge: _Charge) -> None:
        if await self._vanished(charge):
            self._testimony.denied(charge.run.id)
            self._over(charge, Cause.LOST, "the pool no longer knows it")

    async def _vanished(self, charge: _Charge) -> bool:
        """Whether the pool denies a run; one that does not answer is asked another time."""
        try:
            found = await self._find(charge)
        except PoolError:
            return False
        return found is None and not charge.over

    # What people are told --------------------------------------------------------------------

    @property
    def circuit(self) -> str:
        """Where its circuit stands, by its value."""
        return self._calls.circuit.value

    def doubts(self) -> tuple[tuple[Instant, str], ...]:
        """What the pool said that cannot be true, and since when."""
        return self._testimony.told()

    async def word_on(self, run: RunId) -> str:
        """What is not known of a run, and why, or what keeps it from starting, in a sentence; empty
        where there is nothing to say."""
        charge = self._charges.get(run)
        if charge is None or charge.over:
            return ""
        lost, trouble = self._calls.lost, self._calls.trouble
        if charge.ref is None and (charge.unsure or (charge.begun and lost)):
            why = trouble if lost else charge.trouble or "it is being asked"
            return (
                f"Whether it was started is not known. Pool {self._name}: {why}. Until it can say,"
                " the job is started nowhere else."
            )
        if charge.asked_at is not None:
            waited = (self._around.clock.elapsed() - charge.asked_at) // SECOND
            if waited > 0:
                return self._hangs(waited)
        if lost and charge.ref is not None:
            return f"Pool {self._name}: {trouble}. Until it answers, what it runs is left alone."
        if charge.ref is not None and isinstance(self._pool, Waits):
            with suppress(PoolError):
                return await self._calls.call(self._pool.waits, charge.ref)
        return ""

    def _hangs(self, waited: int) -> str:
        """That a launch is not answered, for ``waited`` seconds so far."""
        most = self._settings.launch_timeout / SECOND
        return (
            f"Pool {self._name} was told to start it {waited} s ago and has not answered; after"
            f" {most:g} s (`failover: {{hang_s}}`) it is asked whether it has."
        )

    # Tasks -----------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) and not self.crashed.done():
            self.crashed.set_exception(bug)


async def _before(event: asyncio.Event, delay: float) -> None:
    """Until an event, for so many seconds at most."""
    try:
        async with asyncio.timeout(delay):
            await event.wait()
    except TimeoutError:
        return
