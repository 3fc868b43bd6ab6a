"""Why a tenant fell short of its share: a day's shortfall (fairness.py) in its parts.

At a moment at which a tenant has less than its entitlement the difference is

- *kept*, as far as its waiting jobs would fit on what is free, each whole: that is kept for
  somebody who comes before, be it a job of its own;
- *taken*, as far as more of them would fit on the nodes were the runs of all tenants gone that have
  more than their entitlements, and as far as these have more;
- *unallocatable* in all else: no part of the cluster that is free, or that others have beyond their
  due, holds more of its waiting jobs as wholes.

What fits is counted widest first, each task on the node with the fewest free that hold it. What it
had above its entitlement at other moments of the day is *made up*: the shortfall is the sum of the
three less that.

*Fillable* is the same measure of fairness with one thing left out: at no moment does the
entitlement exceed what the tenant has together with what could be given to it then, which is kept
and taken. A waiting job that fits in no set of nodes, free or takeable, is no demand that any
scheduler could fill at that moment without stopping runs that are within their share.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairness import DAY_H, HOUR_S, Book, entitled


@dataclass(frozen=True, slots=True)
class Step:
    """At ``at`` [s] a gang of ``tasks`` tasks with ``each`` accelerators comes to wait (``waits``
    1) or waits no more (-1), and takes (``holds`` 1) or gives back (-1) its ``nodes``, one for
    each task."""

    at: float
    tenant: str
    tasks: int
    each: int
    waits: int = 0
    holds: int = 0
    nodes: tuple[str, ...] = ()


@dataclass(slots=True)
class Parts:
    """As parts of the cluster's capacity over the day."""

    unallocatable: float = 0.0
    kept: float = 0.0
    taken: float = 0.0
    made_up: float = 0.0

    @property
    def shortfall(self) -> float:
        """What fairness.py tells of the same day."""
        return self.unallocatable + self.kept + self.taken - self.made_up


@dataclass(slots=True)
class Floor:
    """Who waits for what, and who holds what of which node."""

    weights: Mapping[str, float]
    sizes: Mapping[str, int]  # accelerators of each node
    waiting: dict[str, Counter[tuple[int, int]]] = field(default_factory=dict)
    held: dict[str, Counter[str]] = field(default_factory=dict)  # by node, then tenant
    demand: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)

    def take(self, step: Step) -> None:
        """Note what has changed."""
        shape, amount = (step.tasks, step.each), step.tasks * step.each
        self.waiting.setdefault(step.tenant, Counter())[shape] += step.waits
        self.used[step.tenant] += step.holds * amount
        self.demand[step.tenant] += (step.waits + step.holds) * amount
        for node in step.nodes:
            self.held.setdefault(node, Counter())[step.tenant] += step.holds * step.each

    def fitting(self, tenant: str, most: float, gone: Iterable[str] = ()) -> float:
        """Of how many accelerators waiting jobs of a tenant fit as wholes, beside each other, were
        others' runs gone; it is not counted beyond ``most``."""
        leavers = set(gone)
        room: Counter[int] = Counter()  # nodes by what they have free
        for node, size in self.sizes.items():
            held = self.held.get(node, {})
            room[size - sum(n for who, n in held.items() if who not in leavers)] += 1
        waiting = self.waiting.get(tenant, {})
        found = 0.0
        for shape in sorted((s for s, count in waiting.items() if count), key=_width, reverse=True):
            for _ in range(waiting[shape]):
                if found >= most or not _take(room, *shape):
                    break
                found += _width(shape)
        return min(found, most)

    def part(self, tenant: str, due: Mapping[str, float] | None = None) -> Parts:
        """A tenant's shortfall at this moment, in accelerators; with the entitlements of all, if
        these are known."""
        due = self.due() if due is None else due
        short = due.get(tenant, 0.0) - self.used[tenant]
        if short <= 0:
            return Parts(made_up=-short)
        kept = self.fitting(tenant, short)
        beyond = {who: n - due.get(who, 0.0) for who, n in self.used.items()}
        above = [who for who, more in beyond.items() if more > 0]
        taken = 0.0
        if above and kept < short:
            taken = self.fitting(tenant, short, above) - kept
            taken = max(0.0, min(taken, sum(beyond[who] for who in above)))
        return Parts(unallocatable=short - kept - taken, taken=taken, kept=kept)

    def due(self) -> dict[str, float]:
        """What each tenant is entitled to now."""
        return entitled(self.demand, self.weights, sum(self.sizes.values()))


def _width(shape: tuple[int, int]) -> int:
    return shape[0] * shape[1]


def _take(room: Counter[int], tasks: int, each: int) -> bool:
    """Take a gang's room, each task on the tightest node; nothing if it does not fit whole."""
    if sum(count * (free // each) for free, count in room.items()) < tasks:
        return False
    for _ in range(tasks):
        tightest = min(free for free, count in room.items() if count and free >= each)
        room[tightest] -= 1
        room[tightest - each] += 1
    return True


class FillableBook(Book):
    """The book of fairness.py, with no entitlement beyond what could be given."""

    def __init__(self, weights: Mapping[str, float], sizes: Mapping[str, int]) -> None:
        super().__init__(weights, sum(sizes.values()))
        self.floor = Floor(weights, sizes)

    def follow(self, steps: Iterable[Step]) -> None:
        """All steps, in the order of time."""
        for step in steps:
            if step.at > self.now:
                self.due = self._fillable()
                self._pass(step.at)
            self.floor.take(step)
            self.used[step.tenant] = self.floor.used[step.tenant]

    def _fillable(self) -> dict[str, float]:
        strict, found = self.floor.due(), {}
        for tenant, due in strict.items():
            part = self.floor.part(tenant, strict)
            found[tenant] = due - part.unallocatable
        return found


def parts_of(
    floor: Floor, steps: Iterable[Step], tenant: str, *, begin_h: int, until: float = math.inf
) -> Parts:
    """Of a tenant's shortfall over the day that begins at an hour, ``until`` [s] the books end.
    ``steps`` are in the order of time; what happens at one instant is one change."""
    begin = begin_h * HOUR_S
    end, now, found = min(begin + DAY_H * HOUR_S, until), 0.0, Parts()
    for step in steps:
        if step.at > now:
            _add(found, floor, tenant, min(step.at, end) - max(now, begin))
            now = step.at
        floor.take(step)
    _add(found, floor, tenant, end - max(now, begin))
    day = sum(floor.sizes.values()) * DAY_H * HOUR_S
    return Parts(
        found.unallocatable / day, found.kept / day, found.taken / day, found.made_up / day
    )


def _add(found: Parts, floor: Floor, tenant: str, seconds: float) -> None:
    if seconds <= 0:
        return
    now = floor.part(tenant)
    found.unallocatable += now.unallocatable * seconds
    found.kept += now.kept * seconds
    found.taken += now.taken * seconds
    found.made_up += now.made_up * seconds
