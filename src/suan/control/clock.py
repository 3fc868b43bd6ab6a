"""Time that never goes backwards and never stands still.

The wall clock may jump: set by hand, stepped by NTP, or resumed after a suspend. Decisions are
journalled with their ``now``, so it must not run backwards; timers rest on it, so it must not stop.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from suan.model.units import Instant


def wall_clock() -> Instant:
    """The machine's wall clock, in microseconds since 1970."""
    return time.time_ns() // 1000


def elapsed_us() -> int:
    """Microseconds since an arbitrary moment, suspended time included; no step changes it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def written(at: Instant) -> str:
    """A moment as it stands in a sentence: ``2026-03-01 08:30:00 UTC``."""
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


class SteadyClock:
    """The wall clock, made monotonic.

    A jump forwards is taken as it is. After a jump backwards time goes on at half speed until the
    wall clock has caught up, so that order holds and no timer freezes.
    """

    def __init__(
        self,
        wall: Callable[[], Instant] = wall_clock,
        elapsed: Callable[[], int] = elapsed_us,
    ) -> None:
        self._wall = wall
        self.elapsed = elapsed
        self._now = wall()
        self._seen = elapsed()

    def now(self) -> Instant:
        """Microseconds since 1970, never less than the last answer."""
        wall, seen = self._wall(), self.elapsed()
        self._now = max(wall, self._now + (seen - self._seen) // 2)
        self._seen = seen
        return self._now
