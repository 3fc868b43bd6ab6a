"""Calls to one pool: guarded by the lease, bounded in time, and told to its circuit.

A call ends in one of four ways: done, refused for good, not applied (again later), or unknown.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from suan.control.circuit import Breaker, Circuit, Doing, doubling
from suan.control.clock import SteadyClock, written
from suan.control.happenings import Happening, Unreachable
from suan.control.metrics import ControlMetrics
from suan.control.settings import ControlSettings
from suan.model.errors import PoolAuthError, PoolError, PoolOutcomeUnknown
from suan.model.job import Run
from suan.model.pool import Content, Launch, Observation, Pool
from suan.model.spec import Checkpoint
from suan.model.units import Duration, Instant, PoolName, RunId

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pool's agent needs of the term it belongs to."""

    post: Callable[[Happening], None]
    guard: Callable[[], Awaitable[None]]  # returns once the lease allows acting
    build: Callable[[Run], Awaitable[Launch]]
    checkpoint: Callable[[Run], Awaitable[Checkpoint | None]]
    recorded: Callable[[RunId], Awaitable[Run | None]]
    content: Content | None  # of what jobs bring
    settings: ControlSettings
    clock: SteadyClock
    metrics: ControlMetrics


class PoolCalls:
    """How one pool is called, and what its circuit is told of it. ``on_lost`` is called when the
    circuit opens: nothing new goes there from then on."""

    def __init__(
        self, pool: PoolName, around: Surroundings, *, on_lost: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._around = around
        self._on_lost = on_lost
        self._breaker = Breaker(around.settings)
        self._well_at: dict[Doing, Instant] = {}  # when it last did each
        self.trouble = ""  # why it gets nothing new, and since when

    @property
    def circuit(self) -> Circuit:
        """Whether it gets new work."""
        return self._breaker.state

    @property
    def lost(self) -> bool:
        """Whether nothing new goes there."""
        return self._breaker.state is Circuit.OPEN

    async def call(self, method: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """One call, once the lease allows it and no longer than the time-out.

        Raises:
            PoolError: as the pool says; a time-out or a fault of another kind leaves it unknown.
        """
        return await self.bounded(lambda _: method(*args, **kwargs))

    async def bounded(
        self,
        work: Callable[[Callable[[], None]], Awaitable[T]],
        *,
        within: Duration | None = None,
        longer: Duration = 0,
    ) -> T:
        """The same for work that may take ``within`` (the time-out of any call) and ``longer``, and
        as long as it calls the function that it is given, since the last of which it counts."""
        await self._around.guard()
        timeout = ((within or self._around.settings.call_timeout) + longer) / 1e6
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout) as bound:

                def goes_on() -> None:
                    if not bound.expired():
                        bound.reschedule(loop.time() + timeout)

                return await work(goes_on)
        except PoolError:
            raise
        except TimeoutError as late:
            raise PoolOutcomeUnknown(f"{self._pool} did not answer within {timeout:g} s") from late
        except Exception as bug:  # the boundary to adapters: one's bug must not stop the others
            log.exception("pool=%s broke its contract", self._pool)
            raise PoolOutcomeUnknown(f"{self._pool} failed: {bug!r}") from bug

    async def observe(self, pool: Pool, cursor: str | None) -> Observation:
        """A look at the pool. One that takes long is waited for, but nothing new goes there until
        it has come.

        Raises:
            PoolError: as ``call``.
        """
        await self._around.guard()
        patience = self._around.settings.answer_within / 1e6
        late = asyncio.get_running_loop().call_later(patience, self._silent)
        try:
            seen = await self.call(pool.observe, cursor)
        finally:
            late.cancel()
        self.proved(Doing.ANSWERS)
        return seen

    def failed(self, error: PoolError, doing: Doing = Doing.ANSWERS) -> None:
        """Count a fault; after several in a row, or bad credentials, the pool is lost."""
        self._count(error)
        at_once, now = isinstance(error, PoolAuthError), self._around.clock.elapsed()
        if self._breaker.failed(doing, now, at_once=at_once):
            self._lose(str(error), doing)

    def gave_up(self, error: PoolError) -> None:
        """A run could not be launched for so long that its job goes elsewhere. The pool may well
        still answer questions, so it stays lost for a while, lest the job come straight back."""
        if self._breaker.gave_up(self._around.clock.elapsed()):
            self._lose(str(error), Doing.TAKES)

    def gave_back(self, detail: str) -> bool:
        """The pool took a run and could not start it. Whether it is in doubt now."""
        if self._breaker.failed(Doing.STARTS, self._around.clock.elapsed()):
            self._lose(detail, Doing.STARTS)
        return self._breaker.lacks is Doing.STARTS

    def rejected(self) -> bool:
        """It refused a run for good. Whether it has refused so many that it is in doubt itself."""
        return self._breaker.rejected(self._around.clock.elapsed())

    def proved(self, doing: Doing) -> None:
        """It answered, took a run, or started one."""
        self._well_at[doing] = self._around.clock.now()
        self._breaker.proved(doing, self._around.clock.elapsed())

    def delays(self) -> Iterator[float]:
        """Seconds to wait after each failure in a row: doubling up to a limit, for ever."""
        settings = self._around.settings
        return (each / 1e6 for each in doubling(settings.retry_first, settings.retry_most))

    def _silent(self) -> None:
        patience = self._around.settings.answer_within
        said = f"it was asked {patience / 1e6:g} s ago and has not answered yet"
        if self._breaker.failed(Doing.ANSWERS, self._around.clock.elapsed(), at_once=True):
            self._lose(said, Doing.ANSWERS)

    def _count(self, error: PoolError) -> None:
        self._around.metrics.pool_failed(self._pool)
        log.warning("pool=%s %s: %s", self._pool, error.code, error)

    def _lose(self, said: str, doing: Doing) -> None:
        well_at = self._well_at.get(doing)
        since = f" since {written(well_at)}" if well_at is not None else ""
        self.trouble = f"{_WORDS[doing]}{since}: {said}"
        self._around.post(Unreachable(self._pool, self.trouble))
        self._on_lost()


_WORDS = {
    Doing.ANSWERS: "it has not answered",
    Doing.TAKES: "it answers, and has taken no run",
    Doing.STARTS: "it takes runs, and has started none",
}
