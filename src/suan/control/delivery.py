"""Bringing what runs need to one pool, before they are launched there."""

import asyncio
from collections.abc import Callable

from suan.content import manifest
from suan.control.calls import PoolCalls, Surroundings
from suan.control.happenings import Delivering
from suan.killpoints import passing
from suan.model.errors import PoolOutcomeUnknown, PoolRejected, PoolUnavailable
from suan.model.job import Run
from suan.model.pool import Content, Deliver, Launch, Parcel, Pool
from suan.model.units import HOUR, SECOND, Duration, Instant, PoolName

TOLD_EVERY = 2 * SECOND  # how often a delivery's progress is recorded
KNOWN = 1000  # parcels that are remembered as delivered
KNOWN_FOR = HOUR  # then the pool is asked again, which counts there as a use
LAYS_OUT_BYTES = 20 << 20  # in a second: what a pool may take for a run's copies as it launches


class Deliveries:
    """One pool's. A parcel that several runs need is sent once, the others wait for it."""

    def __init__(
        self, name: PoolName, pool: Pool, *, calls: PoolCalls, around: Surroundings
    ) -> None:
        self._name = name
        self._pool = pool
        self._calls = calls
        self._around = around
        self._turns: dict[str, asyncio.Lock] = {}
        # parcels that are known to be delivered: their bytes, and when (elapsed time)
        self._there: dict[str, tuple[int, Instant]] = {}

    def there(self, launch: Launch) -> bool:
        """Whether all that a launch needs is known to be delivered."""
        return all(map(self._known, launch.parcels))

    def doubt(self, launch: Launch) -> None:
        """A launch failed: what it needs may be gone."""
        for parcel in launch.parcels:
            self._there.pop(parcel.digest, None)

    def patience(self, launch: Launch) -> Duration:
        """How much longer than another a launch may take, for the copies that it lays out."""
        size = sum(self._there.get(parcel.digest, (0, 0))[0] for parcel in launch.parcels)
        return size * SECOND // LAYS_OUT_BYTES

    async def bring(self, run: Run, launch: Launch, *, went_on: Callable[[], None]) -> None:
        """Deliver what a launch needs and is not there; ``went_on`` is called as it moves.

        Raises:
            PoolError: not all of it could be.
        """
        pool, content = self._pool, self._around.content
        if not isinstance(pool, Deliver) or content is None:
            raise PoolRejected(f"pool {self._name} cannot be sent the files that the job brings")
        for parcel in launch.parcels:
            turn = self._turns.setdefault(parcel.digest, asyncio.Lock())
            async with turn:
                if not self._known(parcel):
                    await self._deliver(run, parcel, pool, content=content, went_on=went_on)
            if not turn.locked():
                self._turns.pop(parcel.digest, None)

    def _known(self, parcel: Parcel) -> bool:
        known = self._there.get(parcel.digest)
        return known is not None and self._around.clock.elapsed() - known[1] < KNOWN_FOR

    async def _deliver(
        self,
        run: Run,
        parcel: Parcel,
        pool: Deliver,
        *,
        content: Content,
        went_on: Callable[[], None],
    ) -> None:
        size = await size_of(parcel, content)
        told = _Progress(run, self._name, size=size, around=self._around)

        async def work(goes_on: Callable[[], None]) -> None:
            def moved(more: int) -> None:
                goes_on()
                if more:
                    went_on()
                told.moved(more)

            await pool.deliver(parcel, content, moved)

        passing("deliver.before")
        try:
            await self._calls.bounded(work)
        except PoolOutcomeUnknown as error:  # of a delivery it does not matter: it is made again
            raise PoolUnavailable(f"not all is delivered: {error}", mend=error.mend) from error
        passing("deliver.after")
        told.end()
        while len(self._there) >= KNOWN:
            del self._there[next(iter(self._there))]
        self._there[parcel.digest] = size, self._around.clock.elapsed()


class _Progress:
    """Tells the loop of a delivery that takes long, now and then."""

    def __init__(self, run: Run, pool: PoolName, *, size: int, around: Surroundings) -> None:
        self._run = run
        self._pool = pool
        self._size = size
        self._around = around
        self._done = 0
        self._told_at = around.clock.elapsed()
        self._told = False

    def moved(self, more: int) -> None:
        self._done += more
        now = self._around.clock.elapsed()
        if now - self._told_at >= TOLD_EVERY:
            self._told_at, self._told = now, True
            self._tell()

    def end(self) -> None:
        if self._told:
            self._done = self._size
            self._tell()

    def _tell(self) -> None:
        self._around.post(Delivering(self._run.id, self._pool, self._done, self._size))


async def size_of(parcel: Parcel, content: Content) -> int:
    """How many bytes the files of a parcel are, each content once.

    Raises:
        PoolRejected: it is not there, or is no parcel.
    """
    listed = await content.read(parcel.digest, 0, manifest.MOST_BYTES)
    try:
        return sum(manifest.files(manifest.decode(listed)).values())
    except ValueError as error:
        raise PoolRejected(f"the content {parcel.digest} is not whole: {error}") from error
