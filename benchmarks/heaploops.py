"""The shortest loops known: one policy each, hard-coded, on a heap of ends.

They know no reasons, events, shares or failures, and give back each job's start in seconds, in the
order of the rows. Those on nodes take cluster after cluster, each with a clock of its own; those of
FIFO keep no line and no arrival on the heap, since under strict FIFO starts never go back in time.
eventloops.py has the same starts from a simulator's bare loop. ``python heaploops.py NAME [JOBS]``
runs one on its trace in a process of its own and prints, as JSON, jobs, CPU seconds without the
reading, mean wait and peak memory; so their memory is nobody else's.

Strict: a job never passes the one at the head. Consolidated: up to 8 accelerators on the one node
with the fewest free that hold them; more take whole free nodes, and what is left over of the last
(12 = 8 + 4) the node with the fewest free again. Ends come before starts of the same second.
EASY: when the head must wait it is promised the earliest time at which, by the requested times of
what runs, it fits; a job behind it, in order of submission, starts if it fits now and ends, by its
requested time, until then, or takes only what the head will leave over. What ends at the promised
second itself counts in the order of submission, and only until the head fits.
"""

import gc
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from pathlib import Path

import harness
import traces
from traces import CURIE, GPUS_A_NODE, THETA, TIGHT, Row

CURIE_MACHINE, CURIE_PROCESSORS, THETA_PROCESSORS = 93_312, 80_640, 4_360

Grant = list[tuple[int, int]]  # a node, and how many of its accelerators
Timed = Callable[[Path, int | None], tuple[list[Row], list[int]]]  # the first so many jobs, or all


class Nodes:
    """Equal nodes of one virtual cluster, by how many accelerators they have free."""

    __slots__ = ("free", "having", "whole")

    def __init__(self, count: int) -> None:
        self.free = [GPUS_A_NODE] * count
        self.having = [0] * GPUS_A_NODE + [count]  # how many nodes have so many free

    def take(self, width: int) -> Grant | None:
        """The consolidated place of a job, taken; or nothing."""
        whole, rest = divmod(width, GPUS_A_NODE)
        if self.having[GPUS_A_NODE] < whole:
            return None
        grant: Grant = []
        for _ in range(whole):
            self._give(grant, GPUS_A_NODE, GPUS_A_NODE)
        if rest:
            for free in range(rest, GPUS_A_NODE + 1):
                if self.having[free]:
                    self._give(grant, free, rest)
                    return grant
            self.put(grant)
            return None
        return grant

    def _give(self, grant: Grant, free: int, amount: int) -> None:
        at = self.free.index(free)
        self._set(at, free - amount)
        grant.append((at, amount))

    def put(self, grant: Grant) -> None:
        for at, amount in grant:
            self._set(at, self.free[at] + amount)

    def _set(self, at: int, free: int) -> None:
        self.having[self.free[at]] -= 1
        self.having[free] += 1
        self.free[at] = free


def by_cluster(rows: Sequence[Row]) -> dict[str, list[int]]:
    """The numbers of the rows of each virtual cluster, in order."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        found.setdefault(row.group, []).append(number)
    return found


def fifo_on_nodes(rows: Sequence[Row], nodes: dict[str, int]) -> list[int]:
    """Strict FIFO with consolidated placement, each virtual cluster by itself."""
    starts = [0] * len(rows)
    for group, numbers in by_cluster(rows).items():
        place = Nodes(nodes[group])
        ends: list[tuple[int, int, Grant]] = []
        now = 0
        for number in numbers:
            row = rows[number]
            now = max(now, row.submit)
            while ends and ends[0][0] <= now:
                place.put(heappop(ends)[2])
            while (grant := place.take(row.width)) is None:
                now = ends[0][0]
                while ends and ends[0][0] <= now:
                    place.put(heappop(ends)[2])
            starts[number] = now
            heappush(ends, (now + row.duration, number, grant))
    return starts


def sjf_on_nodes(rows: Sequence[Row], nodes: dict[str, int]) -> list[int]:
    """Strict SJF by true durations with consolidated placement, each cluster by itself."""
    starts = [0] * len(rows)
    for group, numbers in by_cluster(rows).items():
        place = Nodes(nodes[group])
        ends: list[tuple[int, int, Grant]] = []
        line: list[tuple[int, int]] = []
        at = 0
        while at < len(numbers) or line:
            coming = rows[numbers[at]].submit if at < len(numbers) else None
            now = ends[0][0] if coming is None or (ends and ends[0][0] <= coming) else coming
            while ends and ends[0][0] <= now:
                place.put(heappop(ends)[2])
            while at < len(numbers) and rows[numbers[at]].submit <= now:
                heappush(line, (rows[numbers[at]].duration, numbers[at]))
                at += 1
            while line and (grant := place.take(rows[line[0][1]].width)) is not None:
                duration, number = heappop(line)
                starts[number] = now
                heappush(ends, (now + duration, number, grant))
    return starts


def fifo(rows: Sequence[Row], processors: int) -> list[int]:
    """Strict FIFO on processors that are all alike."""
    starts = []
    ends: list[tuple[int, int]] = []
    now, free = 0, processors
    for row in rows:
        now = max(now, row.submit)
        while ends and ends[0][0] <= now:
            free += heappop(ends)[1]
        while free < row.width:
            now = ends[0][0]
            while ends and ends[0][0] <= now:
                free += heappop(ends)[1]
        starts.append(now)
        free -= row.width
        heappush(ends, (now + row.duration, row.width))
    return starts


def sjf(rows: Sequence[Row], processors: int, length: Callable[[Row], int]) -> list[int]:
    """Strict SJF on processors that are all alike, by ``length``."""
    starts = [0] * len(rows)
    ends: list[tuple[int, int]] = []
    line: list[tuple[int, int]] = []
    at, free = 0, processors
    while at < len(rows) or line:
        coming = rows[at].submit if at < len(rows) else None
        now = ends[0][0] if coming is None or (ends and ends[0][0] <= coming) else coming
        while ends and ends[0][0] <= now:
            free += heappop(ends)[1]
        while at < len(rows) and rows[at].submit <= now:
            heappush(line, (length(rows[at]), at))
            at += 1
        while line and rows[line[0][1]].width <= free:
            number = heappop(line)[1]
            starts[number] = now
            free -= rows[number].width
            heappush(ends, (now + rows[number].duration, rows[number].width))
    return starts


class Easy:
    """EASY on processors that are all alike. ``starts`` are filled in by ``run``."""

    def __init__(self, rows: Sequence[Row], processors: int) -> None:
        self.rows = rows
        self.free = processors
        self.starts = [0] * len(rows)
        self.ends: list[tuple[int, int]] = []  # (when, number)
        self.running: dict[int, int] = {}  # number → when it ends by its requested time
        self.line: deque[int] = deque()

    def run(self) -> list[int]:
        rows, ends, line = self.rows, self.ends, self.line
        at = 0
        while at < len(rows) or line:
            coming = rows[at].submit if at < len(rows) else None
            now = ends[0][0] if coming is None or (ends and ends[0][0] <= coming) else coming
            while ends and ends[0][0] <= now:
                number = heappop(ends)[1]
                self.free += rows[number].width
                del self.running[number]
            while at < len(rows) and rows[at].submit <= now:
                line.append(at)
                at += 1
            while line and rows[line[0]].width <= self.free:
                self._start(line.popleft(), now)
            if line and self.free:
                self._backfill(now)
        return self.starts

    def _start(self, number: int, now: int) -> None:
        row = self.rows[number]
        self.starts[number] = now
        self.free -= row.width
        self.running[number] = now + row.asked
        heappush(self.ends, (now + row.duration, number))

    def _backfill(self, now: int) -> None:
        promised, spare = self._promise()
        rows, passed = self.rows, []
        for number in list(self.line)[1:]:
            row = rows[number]
            if row.width > self.free:
                continue
            if now + row.asked > promised:
                if row.width > spare:
                    continue
                spare -= row.width
            self._start(number, now)
            passed.append(number)
            if not self.free:
                break
        if passed:
            gone = set(passed)
            left = [number for number in self.line if number not in gone]
            self.line.clear()
            self.line.extend(left)

    def _promise(self) -> tuple[int, int]:
        """When the head fits, by requested times, and what it leaves over then."""
        free, width = self.free, self.rows[self.line[0]].width
        for end, number in sorted((end, number) for number, end in self.running.items()):
            free += self.rows[number].width
            if free >= width:
                return end, free - width
        raise AssertionError("a job is wider than the machine")


def easy(rows: Sequence[Row], processors: int) -> list[int]:
    """EASY backfill behind FIFO on processors that are all alike."""
    return Easy(rows, processors).run()


def on_tight(loop: Callable[..., list[int]]) -> Timed:
    def run(path: Path, limit: int | None) -> tuple[list[Row], list[int]]:
        every, nodes = traces.tight(path)
        rows = every[:limit]
        return rows, _clocked(lambda: loop(rows, nodes))

    return run


def on_swf(loop: Callable[..., list[int]], processors: int, machine: int) -> Timed:
    def run(path: Path, limit: int | None) -> tuple[list[Row], list[int]]:
        rows = [row for row in traces.swf(path, machine) if row.width <= processors][:limit]
        return rows, _clocked(lambda: loop(rows, processors))

    return run


_clock = [0.0]


def _clocked(run: Callable[[], list[int]]) -> list[int]:
    gc.collect()
    began = time.process_time()
    starts = run()
    _clock[0] = time.process_time() - began
    return starts


LOOPS: dict[str, tuple[str, Timed]] = {
    "tight-fifo": (TIGHT, on_tight(fifo_on_nodes)),
    "tight-sjf": (TIGHT, on_tight(sjf_on_nodes)),
    "theta-fifo": (THETA, on_swf(fifo, THETA_PROCESSORS, THETA_PROCESSORS)),
    "theta-sjf": (
        THETA,
        on_swf(lambda r, p: sjf(r, p, lambda row: row.asked), THETA_PROCESSORS, THETA_PROCESSORS),
    ),
    "theta-sjf-true": (
        THETA,
        on_swf(
            lambda r, p: sjf(r, p, lambda row: row.duration), THETA_PROCESSORS, THETA_PROCESSORS
        ),
    ),
    "theta-easy": (THETA, on_swf(easy, THETA_PROCESSORS, THETA_PROCESSORS)),
    "curie-fifo": (CURIE, on_swf(fifo, CURIE_PROCESSORS, CURIE_MACHINE)),
    "curie-easy": (CURIE, on_swf(easy, CURIE_PROCESSORS, CURIE_MACHINE)),
}


def mean_wait(rows: Sequence[Row], starts: Sequence[int]) -> float:
    """Seconds from submission to start, on average."""
    return sum(start - row.submit for row, start in zip(rows, starts, strict=True)) / len(rows)


def main(loops: Mapping[str, tuple[str, Timed]]) -> None:
    """Run the loop that the command line names, as the module's docstring says."""
    name, run = loops[sys.argv[1]]
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    rows, starts = run(traces.folder() / name, limit or None)
    told = {
        "jobs": len(rows),
        "cpu_s": _clock[0],
        "mean_wait_s": mean_wait(rows, starts),
        "peak_mib": harness.peak_rss_mib(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(LOOPS)
