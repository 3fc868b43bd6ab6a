"""Calls to one pool: guarded by the lease, bounded in time, and counted towards its being lost.

A call ends in one of four ways: done, refused for good, not applied (again later), or unknown.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from suan.control.clock import SteadyClock
from suan.control.happenings import Happening, Unreachable
from suan.control.metrics import ControlMetrics
from suan.control.settings import ControlSettings
from suan.model.errors import PoolAuthError, PoolError, PoolOutcomeUnknown
from suan.model.job import Run
from suan.model.pool import Content, Launch
from suan.model.spec import Checkpoint
from suan.model.units import Duration, PoolName, RunId

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
    """How one pool is called. ``lost`` is a circuit: it opens after several faults in a row, and
    closes with the next observation once its time is up; launches that fail make that longer."""

    def __init__(self, pool: PoolName, around: Surroundings) -> None:
        self._pool = pool
        self._around = around
        self._failures = 0
        self._penalties = self.delays()
        self._open_until = 0
        self.lost = False

    async def call(self, method: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """One call, once the lease allows it and no longer than the time-out.

        Raises:
            PoolError: as the pool says; a time-out or a fault of another kind leaves it unknown.
        """
        return await self.bounded(lambda _: method(*args, **kwargs))

    async def bounded(
        self, work: Callable[[Callable[[], None]], Awaitable[T]], *, longer: Duration = 0
    ) -> T:
        """The same for work that may take ``longer``, and as long as it calls the function that it
        is given, since the last of which the time-out counts."""
        await self._around.guard()
        timeout = (self._around.settings.call_timeout + longer) / 1e6
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

    def failed(self, error: PoolError) -> None:
        """Count a fault; after several in a row, or bad credentials, the pool is lost."""
        self._around.metrics.pool_failed(self._pool)
        log.warning("pool=%s %s: %s", self._pool, error.code, error)
        self._failures += 1
        enough = self._failures >= self._around.settings.failures_to_lose
        if (enough or isinstance(error, PoolAuthError)) and not self.lost:
            self._lose(error, next(self._penalties))

    def gave_up(self, error: PoolError) -> None:
        """A run could not be launched for so long that its job goes elsewhere. The pool may well
        still answer questions, so it stays lost for a while, lest the job come straight back."""
        self._lose(error, self._around.settings.retry_most / 1e6)

    def observed(self) -> None:
        """The pool answers again. Where only launching failed, its time has to be up, too."""
        if self._around.clock.elapsed() >= self._open_until:
            self._failures, self.lost = 0, False

    def launched(self) -> None:
        """The pool does work again."""
        self._failures, self._penalties = 0, self.delays()

    def _lose(self, error: PoolError, seconds: float) -> None:
        self.lost = True
        self._open_until = self._around.clock.elapsed() + int(seconds * 1e6)
        self._around.post(Unreachable(self._pool, str(error)))

    def delays(self) -> Iterator[float]:
        """Seconds to wait after each failure in a row: doubling up to a limit, for ever."""
        delay: Duration = self._around.settings.retry_first
        while True:
            yield delay / 1e6
            delay = min(2 * delay, self._around.settings.retry_most)
