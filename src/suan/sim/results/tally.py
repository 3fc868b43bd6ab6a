"""Sums and distributions over jobs that have left, counted a batch at a time.

A job is counted once, under (tenant, priority, size, pool); the sums of each dimension are gathered
from there when somebody asks, or when there are so many combinations that they must be folded.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from suan.model.units import SECOND
from suan.sim.results.ended import Ended
from suan.sim.results.groups import Dimension, Group, Sums, group
from suan.sim.results.histogram import BITS, cells, coarsened, distribution

SHORT = 10 * SECOND  # a run counts as at least this long in a slowdown (Feitelson's bound)
COMBINATIONS = 8_192  # of tenant, priority, size and pool, before they are folded
CELLS = 131_072  # of one dimension's distributions, before they are made coarser
MILLI = 1000

Key: TypeAlias = tuple[str, int, int, str]
Part: TypeAlias = str | int
DIMENSIONS: tuple[Dimension, ...] = ("tenant", "priority", "size", "pool")
SHARED, PROCESSORS = -1, 100  # size classes: a share of one accelerator; processors from here on


@dataclass(slots=True)
class Whole:
    """What is counted of all jobs, whether they ran or not."""

    jobs: int = 0
    preempted: int = 0
    attempts: int = 0
    missed: int = 0
    deadlines: int = 0
    first: int | None = None
    last: int | None = None


def size_class(accelerators_milli: int, cpu_milli: int) -> int:
    """The size class of a job: -1 for a share of one accelerator, else n for up to 2**n of them.

    Jobs without accelerators are classed by processors, from 100 on.
    """
    if accelerators_milli:
        if accelerators_milli < MILLI:
            return SHARED
        return ((accelerators_milli - 1) // MILLI).bit_length()
    return PROCESSORS + (max(cpu_milli - 1, 0) // MILLI).bit_length()


def size_name(size: int) -> str:
    """What a size class is called."""
    if size == SHARED:
        return "< 1 accelerator"
    unit = "cpu" if size >= PROCESSORS else "accelerator"
    power = size % PROCESSORS
    low, high = (1 << power >> 1) + 1, 1 << power
    many = f"{high}" if low >= high else f"{low}–{high}"
    return f"{many} {unit}" if high == 1 else f"{many} {unit}s"


class Tally:
    """The sums of every group, in memory that the number of groups bounds, not that of jobs."""

    def __init__(self) -> None:
        self.whole = Whole()
        self.states: Counter[str] = Counter()
        self._open: dict[Key, Sums] = {}
        self._waits: Counter[tuple[Key, int]] = Counter()
        self._sums: dict[Dimension, dict[Part, Sums]] = {each: {} for each in DIMENSIONS}
        self._cells: dict[Dimension, dict[Part, dict[int, int]]] = {each: {} for each in DIMENSIONS}
        self._coarse: dict[Dimension, int] = dict.fromkeys(DIMENSIONS, 0)

    def add(self, jobs: Sequence[Ended]) -> None:
        """Count jobs that have left; at least one."""
        self._count_whole(jobs)
        ran = [job for job in jobs if job.started is not None]
        keys, waits = self._count(ran)
        self._waits.update(zip(keys, cells(waits), strict=True))
        if len(self._open) > COMBINATIONS or len(self._waits) > CELLS:
            self._fold()

    def groups(self, dimension: Dimension) -> tuple[Group, ...]:
        """The groups of one dimension, in the order of their keys."""
        self._fold()
        sums, counts, coarse = (
            self._sums[dimension],
            self._cells[dimension],
            self._coarse[dimension],
        )
        return tuple(
            group(
                size_name(int(part)) if dimension == "size" else str(part),
                sums[part],
                distribution(
                    counts[part],
                    total=sums[part].wait,
                    maximum=sums[part].longest,
                    coarse=coarse,
                ),
                key=part if isinstance(part, int) else 0,
            )
            for part in sorted(sums, key=_order)
        )

    def _count_whole(self, jobs: Sequence[Ended]) -> None:
        whole = self.whole
        whole.jobs += len(jobs)
        self.states.update([job.state for job in jobs])
        whole.preempted += sum([job.preempted for job in jobs])
        whole.attempts += sum([job.attempts for job in jobs])
        first, last = min([job.submitted for job in jobs]), max([job.ended for job in jobs])
        whole.first = first if whole.first is None else min(whole.first, first)
        whole.last = last if whole.last is None else max(whole.last, last)
        due = [job for job in jobs if job.deadline is not None]
        whole.deadlines += len(due)
        whole.missed += sum(_missed(job) for job in due)

    def _count(self, jobs: Iterable[Ended]) -> tuple[list[Key], list[int]]:
        """Sum what jobs that ran came to; gives each one's combination and wait."""
        keys, waits = list[Key](), list[int]()
        found = self._open
        for (
            _, _, _, _, tenant, _, priority, pool, _, cpu, accelerators,
            submitted, _, ended, served, lost, _, _, _, _,
        ) in jobs:  # fmt: skip
            key = (tenant, priority, size_class(accelerators, cpu), pool or "")
            sums = found.get(key)
            if sums is None:
                sums = found[key] = Sums()
            completion = ended - submitted
            wait = completion - served
            useful = served - lost or served
            keys.append(key)
            waits.append(wait)
            sums.jobs += 1
            sums.wait += wait
            if wait > sums.longest:
                sums.longest = wait
            sums.completion += completion
            slowdown = MILLI * completion // (max(SHORT, useful))
            sums.slowdown += max(MILLI, slowdown)
            sums.cpu_time += cpu * served
            sums.accelerator_time += accelerators * served
            if lost:
                sums.lost_cpu_time += cpu * lost
                sums.lost_accelerator_time += accelerators * lost
        return keys, waits

    def _fold(self) -> None:
        """Move what was counted by combination into each dimension."""
        for key, sums in self._open.items():
            for dimension, part in _parts(key):
                into = self._sums[dimension]
                if part not in into:
                    into[part] = Sums()
                    self._cells[dimension][part] = {}
                into[part].add(sums)
        for (key, cell), many in self._waits.items():
            for dimension, part in _parts(key):
                counts = self._cells[dimension][part]
                together = coarsened(cell, self._coarse[dimension])
                counts[together] = counts.get(together, 0) + many
        self._open.clear()
        self._waits.clear()
        for dimension in DIMENSIONS:
            self._coarsen(dimension)

    def _coarsen(self, dimension: Dimension) -> None:
        """Join neighbouring cells while the groups of a dimension have too many in all."""
        groups = self._cells[dimension]
        while self._coarse[dimension] < BITS and sum(map(len, groups.values())) > CELLS:
            self._coarse[dimension] += 1
            for part, counts in groups.items():
                joined: dict[int, int] = {}
                for cell, many in counts.items():
                    together = coarsened(cell, self._coarse[dimension])
                    joined[together] = joined.get(together, 0) + many
                groups[part] = joined


def _parts(key: Key) -> Iterable[tuple[Dimension, Part]]:
    return zip(DIMENSIONS, key, strict=True)


def _missed(job: Ended) -> bool:
    """Past its deadline, or never to meet it."""
    return job.deadline is not None and (job.ended > job.deadline or job.state != "succeeded")


def _order(part: Part) -> tuple[int, str]:
    return (part, "") if isinstance(part, int) else (0, part)
