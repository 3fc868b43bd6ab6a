"""Why a tenant fell short of its share: a day's shortfall (fairness.py) in its parts.

At a moment at which a tenant has less than its entitlement the difference is

- *taken*, as far as other tenants have more than their entitlements, if one of its waiting jobs
  would fit on the nodes were the runs of these others gone;
- *kept*, as far as it was not taken, if one of its waiting jobs fits on what is free: that is kept
  for somebody who comes before it;
- *unallocatable* in all else: neither what is free, nor that together with what those others have,
  holds any of its waiting jobs as a whole.

What it had above its entitlement at other moments of the day is *made up*: the shortfall is the sum
of the three less that.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairness import DAY_H, HOUR_S, entitled


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

    def fits(self, tenant: str, gone: Iterable[str] = ()) -> bool:
        """Whether some waiting job of a tenant fits as a whole, were others' runs gone."""
        leavers = set(gone)
        room = [
            size - sum(n for who, n in self.held.get(node, {}).items() if who not in leavers)
            for node, size in self.sizes.items()
        ]
        shapes = [shape for shape, count in self.waiting.get(tenant, {}).items() if count]
        return any(sum(free // each for free in room) >= tasks for tasks, each in shapes)

    def part(self, tenant: str) -> Parts:
        """A tenant's shortfall at this moment, in accelerators."""
        due = entitled(self.demand, self.weights, sum(self.sizes.values()))
        short = due.get(tenant, 0.0) - self.used[tenant]
        if short <= 0:
            return Parts(made_up=-short)
        beyond = {who: n - due.get(who, 0.0) for who, n in self.used.items()}
        above = [who for who, more in beyond.items() if more > 0]
        taken = min(short, sum(beyond[who] for who in above)) if above else 0.0
        taken = taken if taken and self.fits(tenant, above) else 0.0
        rest = short - taken
        if rest and self.fits(tenant):
            return Parts(kept=rest, taken=taken)
        return Parts(unallocatable=rest, taken=taken)


def parts_of(floor: Floor, steps: Iterable[Step], tenant: str, *, begin_h: int) -> Parts:
    """Of a tenant's shortfall over the day that begins at an hour. ``steps`` are in the order of
    time; what happens at one instant is one change."""
    begin = begin_h * HOUR_S
    end, now, found = begin + DAY_H * HOUR_S, 0.0, Parts()
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
