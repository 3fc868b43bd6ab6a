"""A distribution of durations in few cells, whose width grows with what they count.

As in HdrHistogram: a power of two is cut into 64 cells, and a value is known to within its cell.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

BITS = 6  # a power of two has 2 ** BITS cells
EXACT = 1 << (BITS + 1)  # below this a cell holds one value


def cells(values: Iterable[int]) -> list[int]:
    """The cell of each value, which must not be negative. Cells are in the order of values."""
    return [
        value
        if value < EXACT
        else ((shift := value.bit_length() - BITS - 1) << BITS) + (value >> shift)
        for value in values
    ]


def bounds(cell: int) -> tuple[int, int]:
    """The least and the greatest value of a cell."""
    if cell < EXACT:
        return cell, cell
    shift = (cell >> BITS) - 1
    least = (cell - (shift << BITS)) << shift
    return least, least + (1 << shift) - 1


def coarsened(cell: int, drop: int) -> int:
    """The first of the ``2 ** drop`` cells that stand together when cells are made coarser."""
    return cell >> drop << drop


@dataclass(frozen=True)
class Distribution:
    """Durations in microseconds. ``count``, ``total`` and ``maximum`` are exact.

    ``counts`` has ``(cell, how many)`` in the order of cells; ``coarse`` is how many neighbouring
    cells stand together, as a power of two.
    """

    count: int
    total: int
    maximum: int
    counts: tuple[tuple[int, int], ...]
    coarse: int = 0

    @property
    def mean(self) -> float:
        """Microseconds; exact but for the last bits of a float. 0 where nothing was counted."""
        return self.total / self.count if self.count else 0.0

    @property
    def error(self) -> float:
        """How far a quantile may be from the true one, as a part of it: 1/128 if not coarse."""
        return float(2.0 ** (self.coarse - BITS - 1))

    def quantile(self, share: float) -> int:
        """A value near the smallest that at least ``share`` of all do not exceed (nearest rank).

        Off by at most ``error`` of itself and ``2 ** coarse`` microseconds; 0 of nothing.
        """
        if not self.count:
            return 0
        rank = max(1, -int(-share * self.count // 1))
        at = bisect_left(self._running, rank)
        if at >= len(self.counts) or rank >= self.count:
            return self.maximum
        least, greatest = self._reach(self.counts[at][0])
        return min((least + greatest) // 2, self.maximum)

    def at_most(self, value: int) -> float:
        """The share of durations that do not exceed ``value``, to within one cell."""
        if not self.count:
            return 0.0
        if value >= self.maximum:
            return 1.0
        cell = cells([max(value, 0)])[0]
        at = bisect_left(self.counts, (cell + 1, 0))
        return self._running[at - 1] / self.count if at else 0.0

    def steps(self) -> Iterator[tuple[int, float]]:
        """Each cell's greatest value, and the share of durations that do not exceed it."""
        for (cell, _), upto in zip(self.counts, self._running, strict=True):
            yield min(self._reach(cell)[1], self.maximum), upto / self.count

    def plus(self, other: "Distribution") -> "Distribution":
        """Both together, as coarse as the coarser of the two."""
        coarse = max(self.coarse, other.coarse)
        counts: dict[int, int] = {}
        for cell, many in (*self.counts, *other.counts):
            together = coarsened(cell, coarse)
            counts[together] = counts.get(together, 0) + many
        return Distribution(
            self.count + other.count,
            self.total + other.total,
            max(self.maximum, other.maximum),
            tuple(sorted(counts.items())),
            coarse,
        )

    def _reach(self, cell: int) -> tuple[int, int]:
        return bounds(cell)[0], bounds(cell + (1 << self.coarse) - 1)[1]

    @cached_property
    def _running(self) -> list[int]:
        return list(accumulate(many for _, many in self.counts))


EMPTY = Distribution(0, 0, 0, ())


def distribution(
    counts: Mapping[int, int], *, total: int, maximum: int, coarse: int = 0
) -> Distribution:
    """A distribution of counted cells, whose values come to ``total``."""
    ordered = tuple(sorted(counts.items()))
    return Distribution(sum(counts.values()), total, maximum, ordered, coarse)
