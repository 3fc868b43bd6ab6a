"""A witness of EASY: was any head of the line started later than it was first promised?

It stands between the engine and the scheduler, hears what both say, and keeps its own books of one
kind of device (accelerators, or else processors): who is first in line in each pool by submission,
and when that job would fit, whole, if everything that runs ended when it was told to, and nothing
else started. That is the promise, made when the job comes to be first and cannot start. EASY lets
others pass only where the promise holds. Jobs must be bound to a pool, or there must be only one.
"""

from collections import deque
from dataclasses import dataclass, field

from suan.core import Scheduler
from suan.model.demand import Demand
from suan.model.events import Event, JobSubmitted, PoolObserved, RunEnded
from suan.model.plan import Place, Plan
from suan.model.resources import Resources
from suan.model.units import Instant


def devices(amount: Resources) -> int:
    """Thousandths of accelerators, or of processors where there are none."""
    return amount.accelerators_total or amount.cpu_milli


@dataclass
class Books:
    """One pool: free devices by node, runs with their told ends, and the line."""

    free: dict[str, int]
    runs: dict[str, tuple[Instant, tuple[str, ...], int]] = field(default_factory=dict)
    line: deque[str] = field(default_factory=deque)
    head: str = ""

    def promise(self, demand: Demand, now: Instant) -> Instant | None:
        """When a gang fits by told ends; ``None``: it fits now."""
        need = devices(demand.options[0].per_task)
        free = dict(self.free)
        room = sum(each // need for each in free.values())
        if room >= demand.tasks:
            return None
        for end, nodes, amount in sorted(self.runs.values()):
            for node in nodes:
                room -= free[node] // need
                free[node] += amount
                room += free[node] // need
            if room >= demand.tasks:
                return max(end, now)
        raise AssertionError("a job is larger than its pool")


class Witness:
    """A scheduler, watched. ``promised`` counts heads that had to wait, ``late`` those of them that
    started after their promise, ``worst`` by how many microseconds at most; ``passed`` counts jobs
    that started while a head waited."""

    def __init__(self) -> None:
        self._scheduler = Scheduler()
        self._pools: dict[str, Books] = {}
        self._jobs: dict[str, JobSubmitted] = {}
        self._where: dict[str, str] = {}  # job → its pool
        self._promises: dict[str, Instant] = {}
        self._stirred: dict[str, None] = {}  # pools whose head may be another
        self._run_in: dict[str, str] = {}
        self.promised = self.late = self.worst = self.passed = 0

    def apply(self, event: Event) -> None:
        self._scheduler.apply(event)
        if isinstance(event, PoolObserved):
            free = {node.name: devices(node.total) for node in event.nodes}
            self._pools[event.offer.pool] = Books(free)
        elif isinstance(event, JobSubmitted):
            pool = event.demand.options[0].infra or next(iter(self._pools))
            self._jobs[event.job] = event
            self._where[event.job] = pool
            self._pools[pool].line.append(event.job)
            self._stirred[pool] = None
        elif isinstance(event, RunEnded):
            books = self._pools[self._run_in.pop(event.run)]
            _, nodes, amount = books.runs.pop(event.run)
            for node in nodes:
                books.free[node] += amount

    def decide(self, now: Instant) -> Plan:
        plan = self._scheduler.decide(now)
        for decision in plan.decisions:
            if isinstance(decision, Place):
                self._placed(decision, now)
        if not plan.more:
            for pool in self._stirred:
                self._look(self._pools[pool], now)
            self._stirred.clear()
        return plan

    def _placed(self, place: Place, now: Instant) -> None:
        books, job = self._pools[place.pool], self._jobs.pop(place.job)
        told = job.time_limit or job.expected
        assert told is not None, "EASY's promise rests on what jobs tell"
        amount = devices(place.per_task)
        for node in place.nodes:
            books.free[node] -= amount
        books.runs[place.run] = (now + told, place.nodes, amount)
        self._run_in[place.run] = place.pool
        self._stirred[place.pool] = None
        promise = self._promises.pop(place.job, None)
        if promise is None:
            self.passed += books.head in self._promises
        elif now > promise:
            self.late += 1
            self.worst = max(self.worst, now - promise)

    def _look(self, books: Books, now: Instant) -> None:
        line = books.line
        while line and line[0] not in self._jobs:
            line.popleft()
        if not line or line[0] == books.head:
            return
        books.head = line[0]
        promise = books.promise(self._jobs[books.head].demand, now)
        # one that fits now and was not started is late already
        self._promises[books.head] = now - 1 if promise is None else promise
        self.promised += 1
