"""Forecast: when a job that must wait can start, from when what runs is expected to end.

When runs are expected to end is told in ``core.ends``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import merge
from typing import TYPE_CHECKING

from suan.core.advance import Spans
from suan.core.flavors import Flavor, Need
from suan.core.matching import Candidate
from suan.core.nodes import Held, Node, take
from suan.model.units import Instant, PoolName

if TYPE_CHECKING:
    from suan.core.capacity import Pool
    from suan.core.records import JobRecord, RunRecord


class Future:
    """A node as it will be: what is free of it now, and what ends on it later. Or as it would be,
    with something taken from it first."""

    __slots__ = ("cpu", "devices", "memory")

    def __init__(self, node: Node) -> None:
        self.cpu = node.cpu
        self.memory = node.memory
        self.devices = [list(free) for free in node.devices]

    def refund(self, held: Held, times: int = 1) -> None:
        """What a run holds is free again; with ``times`` of -1 it is taken again."""
        tasks = times * held.tasks
        self.cpu += tasks * held.per_task.cpu_milli
        self.memory += tasks * held.per_task.memory_mib
        for model, at, part in held.grant:
            self.devices[model][at] += times * part

    def charge(self, models: tuple[str, ...], held: Held) -> None:
        """A run has its place here, on a node with these ``models``."""
        self.refund(held, -1)
        held.grant = take(models, self.devices, held)

    def slots(self, need: Need, most: int) -> int:
        """How many tasks fit then, at most ``most``."""
        return need.slots((self.cpu, self.memory, self.devices), most)


@dataclass(slots=True)
class Spot:
    """What a reservation takes of one node: ``tasks`` tasks, of what will be free ``then``."""

    need: Need
    tasks: int
    then: Future


@dataclass(slots=True, eq=False)
class Reservation:
    """Where and when a waiting job starts at the latest, as far as is known."""

    job: "JobRecord"
    candidate: Candidate
    at: Instant
    spots: dict[Node, Spot]


Start = tuple[Instant, dict[Node, Spot]]


@dataclass(slots=True)
class _Told:
    """What the search of one pool came to that rested on all this: a ``start``, or that there is
    none before ``upto`` (``None``: ever)."""

    rests_on: tuple[Candidate, int, int, set[Node], Spans]
    start: Start | None
    upto: Instant | None


class Outlook:
    """When and where one job starts earliest. What the search of a pool came to is kept while
    nothing changes there: most events change one pool of many."""

    __slots__ = ("_told", "job")

    def __init__(self, job: "JobRecord") -> None:
        self.job = job
        self._told: dict[int, _Told] = {}  # by the candidate's number

    def reserve(
        self,
        allowed: int,
        now: Instant,
        *,
        taken: "dict[Node, Reservation]",
        without: frozenset[int],
        spans: Spans,
    ) -> Reservation | None:
        """A reservation in the pool where the job starts earliest, on flavors in ``allowed``, on
        none of the nodes ``taken``, by no candidate whose number is in ``without``, and not when an
        advance reservation bars it (``spans``); ``None`` if that cannot be told. Of pools in which
        it starts at the same time the cheapest is chosen."""
        assert self.job.shape is not None
        best: Reservation | None = None
        of_pool: dict[PoolName, set[Node]] = {}
        for node, other in taken.items():
            of_pool.setdefault(other.candidate.pool.name, set()).add(node)
        for number, candidate in enumerate(self.job.shape.candidates):
            own = candidate.mask & allowed
            if own and number not in without:
                nodes = of_pool.get(candidate.pool.name) or set()
                rests_on = candidate, candidate.pool.version, own, nodes, spans
                before = best.at if best else None
                start = self._start(number, _Told(rests_on, None, before), now)
                if start is not None:
                    best = Reservation(self.job, candidate, *start)
        return best

    def _start(self, number: int, asked: _Told, now: Instant) -> Start | None:
        """When and where the job starts by a candidate, if that is before a known start."""
        told, before = self._told.get(number), asked.upto
        if told is not None and told.rests_on == asked.rests_on:
            if told.start is not None:
                return told.start if before is None or told.start[0] < before else None
            if told.upto is None or (before is not None and before <= told.upto):
                return None
        candidate, _, own, nodes, spans = asked.rests_on
        start = _Search(candidate, own, nodes, before=before, spans=spans).run(now)
        if start is not None and start[0] <= now:
            self._told.pop(number, None)  # which rests on what time it is, too
        else:
            asked.start = start
            self._told[number] = asked
        return start


class _Search:
    """The ends of one pool, one after the other, until the whole gang fits."""

    __slots__ = ("before", "candidate", "closed", "found", "futures", "needs", "slots", "taken")

    def __init__(
        self,
        candidate: Candidate,
        allowed: int,
        taken: set[Node],
        *,
        before: Instant | None,
        spans: Spans,
    ) -> None:
        self.candidate = candidate
        self.taken = taken
        self.before = before  # a later start is of no interest
        self.needs = {id(f): need for f, need in candidate.kinds if f.mask & allowed}
        self.closed = {  # from and until when it may not start there
            id(f): found
            for f, _ in candidate.kinds
            if f.mask & allowed and (found := [spans[n] for n in f.key[3] if n in spans])
        }
        self.futures: dict[Node, Future] = {}
        self.slots: dict[Node, int] = {}  # in the order in which the nodes came to have room
        self.found = 0

    def run(self, now: Instant) -> Start | None:
        tasks = self.candidate.tasks
        if tasks > 1:
            self._free_now()
        if self._enough(now):
            return now, self._spots(now)
        pool = self.candidate.pool
        for until, run in self._ends(now):
            if self.before is not None and until >= self.before:
                break
            if run is not None:
                self._end(pool, run)
            if self._enough(until):
                return until, self._spots(until)
        return None

    def _ends(self, now: Instant) -> "Iterable[tuple[Instant, RunRecord | None]]":
        """When runs end, and reservations that keep it out, in order."""
        ends = self.candidate.pool.ends
        if not self.closed:
            return ends
        return merge(ends, self._openings(now), key=lambda each: each[0])

    def _openings(self, now: Instant) -> list[tuple[Instant, "RunRecord | None"]]:
        """When reservations end that keep it out."""
        ends = {end for spans in self.closed.values() for _, end in spans if end > now}
        return [(end, None) for end in sorted(ends)]

    def _enough(self, at: Instant) -> bool:
        tasks = self.candidate.tasks
        if self.found < tasks or not self.closed:
            return self.found >= tasks
        return sum(n for node, n in self.slots.items() if self._open(node.flavor, at)) >= tasks

    def _open(self, flavor: Flavor | None, at: Instant) -> bool:
        """Whether no reservation keeps the job out of a flavor's nodes at an instant."""
        return all(not begin <= at < end for begin, end in self.closed.get(id(flavor), ()))

    def _free_now(self) -> None:
        tasks = self.candidate.tasks
        for flavor, need in self.candidate.kinds:
            if id(flavor) not in self.needs:
                continue
            for node, held in flavor.holding(need):
                if node not in self.taken:
                    self.slots[node] = min(held, tasks)
                    self.found += min(held, tasks)

    def _end(self, pool: "Pool", run: "RunRecord") -> None:
        names = run.nodes if len(run.nodes) == 1 else dict.fromkeys(run.nodes)
        for name in names:
            node = pool.nodes[name]
            need = self.needs.get(id(node.flavor))
            if need is None or node.home is None or node in self.taken:
                continue
            future = self.futures.get(node)
            if future is None:
                future = self.futures[node] = Future(node)
            future.refund(run.leaves(node))
            if future.cpu < need.cpu or future.memory < need.memory:
                continue
            slots = future.slots(need, self.candidate.tasks)
            before = self.slots.get(node, 0)
            if slots > before:
                self.slots[node] = slots
                self.found += slots - before

    def _spots(self, at: Instant) -> dict[Node, Spot]:
        left = self.candidate.tasks
        spots: dict[Node, Spot] = {}
        for node, slots in self.slots.items():
            if self.closed and not self._open(node.flavor, at):
                continue
            takes = min(left, slots)
            need = self.needs[id(node.flavor)]
            spots[node] = Spot(need, takes, self.futures.get(node) or Future(node))
            left -= takes
            if not left:
                break
        return spots
