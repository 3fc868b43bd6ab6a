"""From values to places in a picture, and where its axes have their ticks."""

import math
from dataclasses import dataclass

from suan.model.units import DAY, HOUR, MINUTE, SECOND, Duration

DECADES: tuple[tuple[Duration, str], ...] = (
    (SECOND, "1 s"),
    (10 * SECOND, "10 s"),
    (MINUTE, "1 min"),
    (10 * MINUTE, "10 min"),
    (HOUR, "1 h"),
    (6 * HOUR, "6 h"),
    (DAY, "1 d"),
    (7 * DAY, "1 w"),
    (30 * DAY, "30 d"),
    (365 * DAY, "1 y"),
    (3650 * DAY, "10 y"),
)
_STEPS = (
    *(each * MINUTE for each in (1, 2, 5, 10, 20, 30)),
    *(each * HOUR for each in (1, 2, 3, 6, 12)),
    *(each * DAY for each in (1, 2, 5, 10, 20, 30, 60, 90, 180, 365, 730, 1825, 3650)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Linear: ``low`` stands at ``start``, ``high`` at ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value stands."""
        if self.high <= self.low:
            return self.start
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class LogScale:
    """Logarithmic, for durations: what is less than ``low`` stands at ``start``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a duration stands."""
        value = min(max(value, self.low), self.high)
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)


def waits(longest: float, start: float, end: float, *, shortest: float = 0.0) -> LogScale:
    """A scale of waits, with some room; from a second on, or the last tick below the shortest."""
    low = max((value for value, _ in DECADES if value <= shortest), default=SECOND)
    return LogScale(low, max(longest * 1.05, low * 60), start, end)


def wait_ticks(scale: LogScale, room: float) -> list[tuple[float, str]]:
    """Ticks of a scale of waits that stand at least ``room`` apart."""
    ticks: list[tuple[float, str]] = []
    for value, words in DECADES:
        at = scale.at(value)
        if scale.low <= value <= scale.high and (not ticks or at - ticks[-1][0] >= room):
            ticks.append((at, words if value > SECOND else "≤ 1 s"))
    return ticks


def time_ticks(length: Duration, many: int) -> list[tuple[Duration, str]]:
    """At most ``many`` round durations from 0 up to ``length``, and 0."""
    step = next((each for each in _STEPS if length <= each * many), 3650 * DAY)
    unit, words = (DAY, "d") if step >= DAY else (HOUR, "h") if step >= HOUR else (MINUTE, "min")
    return [(at, f"{at // unit} {words}" if at else "0") for at in range(0, int(length) + 1, step)]


def round_ticks(most: float, many: int) -> list[float]:
    """Round numbers from 0 on, at most ``many`` and 0; the last is at least ``most``."""
    if most <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(most / many))
    step = next(each * power for each in (1, 2, 2.5, 5, 10, 20) if each * power * many >= most)
    return [at * step for at in range(math.ceil(most / step) + 1)]
