"""Bare heap loops: a simulator with nothing in it, which the scheduler's speed is held against.

One clock for all clusters; one heap with every event, arrivals and ends; a line of those who wait
for each cluster; placement; counters (waiting, running, seconds waited). Nothing else: no reasons,
shares, failures or records. They give back each job's start in seconds, in the order of the rows,
and are strict: a job never passes the one at the head of its line. What ends and what arrives in
one second is told before anybody starts in it, ends first.

``python eventloops.py NAME [JOBS]`` runs one as heaploops.py does its own, which are the shortest
loops known for the same starts; what those leave out, no simulator of several policies can.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

import heaploops
from heaploops import (
    CURIE_MACHINE,
    CURIE_PROCESSORS,
    THETA_PROCESSORS,
    Nodes,
    Timed,
    on_swf,
    on_tight,
)
from traces import CURIE, THETA, TIGHT, Row

END, ARRIVAL = 0, 1
Grant = TypeVar("Grant")


class Room(Protocol[Grant]):
    """Where jobs run: it takes a job of a width, if that fits, and puts back what it took."""

    def take(self, width: int) -> Grant | None: ...

    def put(self, grant: Grant) -> None: ...


class Processors:
    """Processors that are all alike."""

    __slots__ = ("free",)

    def __init__(self, count: int) -> None:
        self.free = count

    def take(self, width: int) -> int | None:
        if width > self.free:
            return None
        self.free -= width
        return width

    def put(self, grant: int) -> None:
        self.free += grant


@dataclass(slots=True)
class Counters:
    """Jobs now, and seconds waited by all who have started."""

    waiting: int = 0
    running: int = 0
    waited: int = 0


@dataclass(slots=True)
class Loop(Generic[Grant]):
    """One run over ``rows``: each waits for the room of its group."""

    rows: Sequence[Row]
    rooms: dict[str, Room[Grant]]
    counters: Counters = field(default_factory=Counters)

    def fifo(self) -> list[int]:
        """Strict FIFO: by submission, of one second in the order of the rows."""
        rows, rooms, counters = self.rows, self.rooms, self.counters
        starts = [0] * len(rows)
        events = self._arrivals()
        lines: dict[str, deque[int]] = {group: deque() for group in rooms}
        grants: dict[int, Grant] = {}
        while events:
            now = events[0][0]
            touched = set()
            while events and events[0][0] == now:
                _, kind, number = heappop(events)
                group = rows[number].group
                touched.add(group)
                if kind == END:
                    rooms[group].put(grants.pop(number))
                    counters.running -= 1
                else:
                    lines[group].append(number)
                    counters.waiting += 1
            for group in touched:
                line, room = lines[group], rooms[group]
                while line and (grant := room.take(rows[line[0]].width)) is not None:
                    number = line.popleft()
                    starts[number], grants[number] = now, grant
                    counters.waiting -= 1
                    counters.running += 1
                    counters.waited += now - rows[number].submit
                    heappush(events, (now + rows[number].duration, END, number))
        return starts

    def sjf(self, length: Callable[[Row], int]) -> list[int]:
        """Strict SJF by ``length``; of equals in the order of the rows."""
        rows, rooms, counters = self.rows, self.rooms, self.counters
        starts = [0] * len(rows)
        events = self._arrivals()
        lines: dict[str, list[tuple[int, int]]] = {group: [] for group in rooms}
        grants: dict[int, Grant] = {}
        while events:
            now = events[0][0]
            touched = set()
            while events and events[0][0] == now:
                _, kind, number = heappop(events)
                group = rows[number].group
                touched.add(group)
                if kind == END:
                    rooms[group].put(grants.pop(number))
                    counters.running -= 1
                else:
                    heappush(lines[group], (length(rows[number]), number))
                    counters.waiting += 1
            for group in touched:
                line, room = lines[group], rooms[group]
                while line and (grant := room.take(rows[line[0][1]].width)) is not None:
                    number = heappop(line)[1]
                    starts[number], grants[number] = now, grant
                    counters.waiting -= 1
                    counters.running += 1
                    counters.waited += now - rows[number].submit
                    heappush(events, (now + rows[number].duration, END, number))
        return starts

    def _arrivals(self) -> list[tuple[int, int, int]]:
        events = [(row.submit, ARRIVAL, number) for number, row in enumerate(self.rows)]
        heapify(events)
        return events


def fifo_on_nodes(rows: Sequence[Row], nodes: dict[str, int]) -> list[int]:
    """Strict FIFO in each virtual cluster, with consolidated placement."""
    return Loop(rows, {group: Nodes(count) for group, count in nodes.items()}).fifo()


def sjf_on_nodes(rows: Sequence[Row], nodes: dict[str, int]) -> list[int]:
    """Strict SJF by true durations in each virtual cluster, with consolidated placement."""
    rooms = {group: Nodes(count) for group, count in nodes.items()}
    return Loop(rows, rooms).sjf(lambda row: row.duration)


def fifo(rows: Sequence[Row], processors: int) -> list[int]:
    """Strict FIFO on processors that are all alike."""
    return Loop(rows, {"": Processors(processors)}).fifo()


def sjf(rows: Sequence[Row], processors: int, length: Callable[[Row], int]) -> list[int]:
    """Strict SJF on processors that are all alike, by ``length``."""
    return Loop(rows, {"": Processors(processors)}).sjf(length)


LOOPS: dict[str, tuple[str, Timed]] = {
    "tight-fifo": (TIGHT, on_tight(fifo_on_nodes)),
    "tight-sjf": (TIGHT, on_tight(sjf_on_nodes)),
    "theta-fifo": (THETA, on_swf(fifo, THETA_PROCESSORS, THETA_PROCESSORS)),
    "theta-sjf": (
        THETA,
        on_swf(lambda r, p: sjf(r, p, lambda row: row.asked), THETA_PROCESSORS, THETA_PROCESSORS),
    ),
    "theta-easy": heaploops.LOOPS["theta-easy"],  # it keeps a line and one clock already
    "curie-fifo": (CURIE, on_swf(fifo, CURIE_PROCESSORS, CURIE_MACHINE)),
    "curie-easy": heaploops.LOOPS["curie-easy"],
}


if __name__ == "__main__":
    heaploops.main(LOOPS)
