"""Series over time in a fixed number of buckets, however long the time.

Each bucket holds exact integrals (value x microseconds) and maxima. When time outgrows the
buckets, neighbours are joined and all are twice as wide: nothing is lost but detail.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import mul, sub

from suan.model.units import SECOND, Duration, Instant

BUCKETS = 512
BATCH = 4096
VALUES = 4  # pending, running, processors, accelerators: what a sample says after its instant

Sample = tuple[Instant, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Bucket:
    """``span`` microseconds from ``start``: integrals over them, and maxima within them.

    Jobs are counted one by one, devices in thousandths.
    """

    start: Instant
    span: Duration
    pending: int
    running: int
    cpu: int
    accelerators: int
    cpu_capacity: int
    accelerators_capacity: int
    most_pending: int
    most_running: int
    most_cpu: int
    most_accelerators: int

    def mean(self, integral: int) -> float:
        """The mean over the bucket of what has this integral."""
        return integral / self.span if self.span else 0.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Buckets of ``width`` microseconds from ``start``; the last one may be cut short."""

    start: Instant
    end: Instant
    width: Duration
    buckets: tuple[Bucket, ...]
    accelerated: bool  # whether there were accelerators; where not, utilisation means processors

    def used(self, bucket: Bucket) -> int:
        """The integral of the devices in use."""
        return bucket.accelerators if self.accelerated else bucket.cpu

    def offered(self, bucket: Bucket) -> int:
        """The integral of the devices that could be scheduled."""
        return bucket.accelerators_capacity if self.accelerated else bucket.cpu_capacity

    def share(self, bucket: Bucket) -> float:
        """Devices in use over devices there were, in one bucket; 0 if there were none."""
        offered = self.offered(bucket)
        return self.used(bucket) / offered if offered else 0.0

    @property
    def utilisation(self) -> float:
        """Devices in use over devices there were, over the whole time; 0 if there were none."""
        offered = sum(map(self.offered, self.buckets))
        return sum(map(self.used, self.buckets)) / offered if offered else 0.0


class Clock:
    """Gathers samples and integrates them, a batch at a time.

    ``samples`` is for the recorder to append to; whoever appends calls ``integrate`` when there
    are more than ``BATCH``. Instants increase.
    """

    def __init__(self, *, buckets: int = BUCKETS, width: Duration = SECOND) -> None:
        """At most ``buckets`` of them, an even number; at first ``width`` microseconds wide."""
        self.samples: list[Sample] = []
        self._limit = buckets
        self._width = width
        self._start: Instant | None = None
        self._capacity = (0, 0)
        self._integrals: list[list[int]] = [[] for _ in range(VALUES)]
        self._offered: list[list[int]] = [[], []]
        self._most: list[list[int]] = [[] for _ in range(VALUES)]

    def capacity(self, now: Instant, cpu_milli: int, accelerators_milli: int) -> None:
        """From ``now`` on there are as many devices, in thousandths."""
        if self.samples:
            _, pending, running, cpu, accelerators = self.samples[-1]
            self.samples.append((now, pending, running, cpu, accelerators))
            self.integrate()
        self._capacity = (cpu_milli, accelerators_milli)

    def integrate(self) -> None:
        """Count in the samples gathered so far; the last one stays, for it still holds."""
        samples = self.samples
        if not samples:
            return
        nows, *values = zip(*samples, strict=True)
        if self._start is None:
            self._start = nows[0]
        if nows[-1] > nows[0]:
            self._widen(nows[-1] - self._start)
            self._count(nows, values, self._edges(self._start, nows))
        del samples[:-1]

    def timeline(self) -> Timeline:
        """Everything so far."""
        self.integrate()
        if self._start is None:
            return Timeline(0, 0, self._width, (), accelerated=False)
        start, end, width = self._start, self.samples[-1][0], self._width
        columns = zip(*self._integrals, *self._offered, *self._most, strict=True)
        buckets = tuple(
            Bucket(begin, min(width, end - begin), *column)
            for at, column in enumerate(columns)
            for begin in (start + at * width,)
        )
        return Timeline(start, end, width, buckets, accelerated=any(self._offered[1]))

    def _widen(self, length: Duration) -> None:
        while length > self._limit * self._width:
            self._width *= 2
            for sums in (*self._integrals, *self._offered):
                sums[:] = [sum(sums[at : at + 2]) for at in range(0, len(sums), 2)]
            for most in self._most:
                most[:] = [max(most[at : at + 2]) for at in range(0, len(most), 2)]

    def _edges(self, start: Instant, nows: Sequence[Instant]) -> list[Instant]:
        """The first instant, every bucket's border after it, and the last."""
        first, last, width = nows[0], nows[-1], self._width
        border = start + ((first - start) // width + 1) * width
        return [first, *range(border, last, width), last]

    def _count(
        self,
        nows: tuple[Instant, ...],
        values: Sequence[tuple[int, ...]],
        edges: list[Instant],
    ) -> None:
        assert self._start is not None
        low = (edges[0] - self._start) // self._width
        spans = list(map(sub, nows[1:], nows))
        at = [bisect_right(nows, edge) - 1 for edge in edges]
        held = [(i, bisect_left(nows, edge)) for i, edge in zip(at, edges[1:], strict=False)]
        for each, series in enumerate(values):
            sums = list(accumulate(map(mul, series, spans), initial=0))
            reached = [
                sums[i] + series[i] * (edge - nows[i]) for i, edge in zip(at, edges, strict=True)
            ]
            _add(
                self._integrals[each], low, [after - before for before, after in pairwise(reached)]
            )
            _raise(self._most[each], low, [max(series[i:j]) for i, j in held])
        for offered, capacity in zip(self._offered, self._capacity, strict=True):
            _add(offered, low, [capacity * (b - a) for a, b in pairwise(edges)])


def _add(sums: list[int], low: int, more: list[int]) -> None:
    """Add to the sums from ``low`` on, which may be the last one there is or the next."""
    sums.extend([0] * (low + len(more) - len(sums)))
    for at, each in enumerate(more, low):
        sums[at] += each


def _raise(most: list[int], low: int, more: list[int]) -> None:
    """As ``_add``, for maxima."""
    most.extend([0] * (low + len(more) - len(most)))
    for at, each in enumerate(more, low):
        most[at] = max(most[at], each)
