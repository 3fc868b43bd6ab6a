"""Backfill: jobs start past those that must wait, where no reservation moves (EASY).

The first job that waits for some flavors has a reservation: the pool where it can start earliest,
the nodes, and the instant at which they will be free (``core.forecast``). Anyone may start now
on other nodes; on a reserved one only who is known to end in time, or leaves the room that the
reservation will need. Where no end can be told, the job that waits holds its flavors as in strict
order. Mu'alem and Feitelson, IEEE TPDS 12(6), 2001, describe EASY for one machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from suan.core.devices import choose
from suan.core.forecast import Reservation, Spot, reserve
from suan.core.line import Lane
from suan.core.matching import Candidate, Shape
from suan.core.nodes import Node
from suan.core.packing import Spots
from suan.core.records import JobRecord, RunRecord
from suan.core.state import State
from suan.model.units import Duration, Instant

ALWAYS: Duration = 1 << 62  # no reservation sets a limit


@dataclass(slots=True)
class Fit:
    """Where a job would start now, and how long it may then run."""

    number: int  # of its shape's candidate
    spots: Spots
    window: Duration


class Backfill:
    """What may start now, in one cycle, while earlier jobs wait."""

    __slots__ = (
        "_fits",
        "_holders",
        "_interest",
        "_reserved",
        "closed",
        "nodes",
        "now",
        "reservations",
        "state",
    )

    def __init__(self, state: State, now: Instant) -> None:
        self.state = state
        self.now = now
        self.reservations: list[Reservation] = []
        self.nodes: dict[Node, Reservation] = {}
        self.closed: list[tuple[int, JobRecord]] = []  # flavors held by jobs without a forecast
        self._holders: set[JobRecord] = set()  # for whom something is kept
        self._interest = 0
        self._reserved = False
        self._fits: dict[Shape, Fit | None] = {}  # where each shape may stay longest

    def candidates(self, looked: int) -> list[tuple[int, int, Lane]]:
        """Lanes that may have someone to start on flavors in ``looked``: a heap by order."""
        found = [
            (head.order, lane.number, lane)
            for lane in self._lanes(looked)
            if (head := lane.head()) is not None
        ]
        heapify(found)
        for _, _, lane in found:
            if lane.contest is not None:
                self._interest |= lane.contest.mask
        return found

    def _lanes(self, looked: int) -> Iterator[Lane]:
        for _, mask, contest in self.state.line.front:
            if mask & looked:
                for shape in contest.shapes:
                    if has_room(shape, looked):
                        yield from (lane for lane in shape.waiting if lane.contest is contest)
        for lane in self.state.line.arrived:
            own = lane.contest
            if own is not None and not own.mask & looked and has_room(lane.shape, own.mask):
                yield lane

    def next_start(self, heap: list[tuple[int, int, Lane]]) -> tuple[JobRecord, Fit] | None:
        """The first job in order that may start now."""
        while heap:
            _, number, lane = heappop(heap)
            found = self._try(lane)
            if found is None:
                continue
            job = found[0]
            if heap and job.order > heap[0][0]:
                heappush(heap, (job.order, number, lane))
                continue
            return found
        return None

    def again(self, heap: list[tuple[int, int, Lane]], lane: Lane) -> None:
        """One of a lane's jobs has started: its next one may too."""
        head = lane.head()
        if head is not None:
            heappush(heap, (head.order, lane.number, lane))

    def _try(self, lane: Lane) -> tuple[JobRecord, Fit] | None:
        """The first of a lane's jobs that may start, and where it goes best."""
        head, shape = lane.head(), lane.shape
        if head is None:
            return None
        self.look_ahead()
        if head in self._holders:
            fit = self.fit(shape, head.window or ALWAYS, head)
            if fit is not None and fit.window >= (head.window or ALWAYS):
                return head, fit
        if shape not in self._fits:
            self._fits[shape] = self.fit(shape, ALWAYS)
        longest = self._fits[shape]
        if longest is None:
            return None
        job: JobRecord | None = head
        if longest.window < (head.window or ALWAYS):
            job = lane.first_within(longest.window)
        if job is None:
            return None
        fit = longest if longest.window == ALWAYS else self.fit(shape, job.window)
        assert fit is not None
        return job, fit

    def fit(self, shape: Shape, enough: Duration, job: JobRecord | None = None) -> Fit | None:
        """Where a job of this shape has room now: the first place that is free long ``enough``, or
        else the one that is free longest. What is kept for ``job`` is free to it, and to no other
        of its shape."""
        closed = 0
        for mask, holder in self.closed:
            closed |= mask if holder is not job else 0
        best: Fit | None = None
        for number, candidate in enumerate(shape.candidates):
            allowed = candidate.mask & ~closed
            if not allowed:
                continue
            search = _Room(self, job, candidate, allowed)
            found = search.gang() if candidate.tasks > 1 else search.single(enough)
            if found is not None and (best is None or found[1] > best.window):
                best = Fit(number, *found)
                if best.window >= enough:
                    return best
        return best

    def look_ahead(self) -> None:
        """Reserve for everyone who is first for some flavor of interest, once."""
        if self._reserved:
            return
        self._reserved = True
        self.state.put_off(self.now)
        held = 0
        for _, mask, contest in self.state.line.front:
            job, allowed = contest.head, mask & ~held
            held |= mask
            assert job is not None
            if not allowed & self._interest:
                continue
            self._holders.add(job)
            found = reserve(job, allowed, self.nodes, self.now)
            if found is None:
                self.closed.append((allowed, job))
            else:
                self.reservations.append(found)
                self.nodes.update(dict.fromkeys(found.spots, found))

    def started(self, spots: Spots, run: RunRecord) -> None:
        """A run was started: it holds its part of reserved nodes then, too, if it goes on."""
        self._fits.clear()
        for node, _ in spots:
            reservation = self.nodes.get(node)
            if reservation is None or (run.until is not None and run.until <= reservation.at):
                continue
            reservation.spots[node].then.refund(node.runs[run.id], -1)


def has_room(shape: Shape, looked: int) -> bool:
    """Whether a task of the shape fits somewhere on flavors in ``looked`` now."""
    for candidate in shape.candidates:
        if candidate.mask & looked:
            for flavor, need in candidate.kinds:
                if flavor.mask & looked and flavor.tightest(need) is not None:
                    return True
    return False


class _Room:
    """Room for one job by one of its candidates, among the reservations."""

    __slots__ = ("allowed", "backfill", "candidate", "job")

    def __init__(
        self, backfill: Backfill, job: JobRecord | None, candidate: Candidate, allowed: int
    ) -> None:
        self.backfill = backfill
        self.job = job
        self.candidate = candidate
        self.allowed = allowed

    def single(self, enough: Duration) -> tuple[Spots, Duration] | None:
        """The best node that may be held long ``enough``, or else the one that may longest."""
        best: tuple[Spots, Duration] | None = None
        for flavor, need in self.candidate.kinds:
            if not flavor.mask & self.allowed or flavor.misses(need):
                continue
            for node, _ in flavor.holding(need):
                window = self._window(node)
                if best is None or window > best[1]:
                    best = [(node, 1)], window
                if window >= enough:
                    return best
        return best

    def gang(self) -> tuple[Spots, Duration] | None:
        """Nodes for all tasks: first without a limit on their time; else wherever there is room,
        until the first of the reservations there."""
        spots: Spots = []
        left, limited = self.candidate.tasks, []
        for flavor, need in self.candidate.kinds:
            if not flavor.mask & self.allowed or flavor.misses(need):
                continue
            for node, held in flavor.holding(need):
                takes = self._tasks_beside(node, min(left, held))
                if takes:
                    spots.append((node, takes))
                    left -= takes
                    if not left:
                        return spots, ALWAYS
                if takes < held:
                    limited.append((node, held))
        return self._within(dict(spots), limited, left)

    def _within(
        self, taken: dict[Node, int], limited: Spots, left: int
    ) -> tuple[Spots, Duration] | None:
        window = ALWAYS
        for node, held in limited:
            if not left:
                break
            more = min(left, held - taken.get(node, 0))
            taken[node] = taken.get(node, 0) + more
            left -= more
            window = min(window, self._reservation(node).at - self.backfill.now)
        return None if left else (list(taken.items()), window)

    def _reservation(self, node: Node) -> Reservation:
        return self.backfill.nodes[node]

    def _window(self, node: Node) -> Duration:
        """How long a task may hold a node."""
        reservation = self.backfill.nodes.get(node)
        if reservation is None or reservation.job is self.job:
            return ALWAYS
        if leaves_room(node, reservation.spots[node], self.candidate, 1):
            return ALWAYS
        return reservation.at - self.backfill.now

    def _tasks_beside(self, node: Node, most: int) -> int:
        """How many tasks a node takes without a limit on their time."""
        reservation = self.backfill.nodes.get(node)
        if reservation is None or reservation.job is self.job:
            return most
        while most and not leaves_room(node, reservation.spots[node], self.candidate, most):
            most -= 1
        return most


def leaves_room(node: Node, spot: Spot, candidate: Candidate, tasks: int) -> bool:
    """Whether a reservation still fits a node on which ``tasks`` tasks begin now and never end."""
    then, per_task, need = spot.then, candidate.per_task, spot.need
    cpu = then.cpu - tasks * per_task.cpu_milli
    memory = then.memory - tasks * per_task.memory_mib
    if cpu < need.cpu * spot.tasks or memory < need.memory * spot.tasks:
        return False
    if not need.kin.accelerators:
        return True
    devices = [list(free) for free in then.devices]
    now = [list(free) for free in node.devices]
    for name, amount in per_task.accelerators:
        model = node.models.index(name)
        for _ in range(tasks):
            for at, part in choose(now[model], amount):
                now[model][at] -= part
                devices[model][at] -= part
    vector = cpu, memory, tuple(map(tuple, devices))
    return need.slots(vector, spot.tasks) >= spot.tasks
