"""How fair a schedule was: what each tenant got beside what it was entitled to, over any day.

At any moment a tenant's *demand* is all accelerators that its unfinished jobs ask for, running or
waiting. Its *entitlement* is its part of the cluster when capacity is divided max-min by weight:
each gets in proportion to its weight until it has its demand, and what one does not want goes to
the others in proportion to theirs. Its *shortfall* over a day is its entitlement less what it
used, integrated over that day, as a part of the whole cluster's capacity over the day: 0.02 means
that it got two hundredths of the cluster less than it was due. A day is any 24 hours that begin on
a full hour. Who has little demand is entitled to no more than that; and what a tenant got beyond
its due is not held against it: somebody else's shortfall shows it.

This knows no history: a tenant that used nothing last week is entitled to no more today. Gangs are
not divided and runs not cut short for fairness alone, so 0 cannot be reached.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HOUR_S, DAY_H = 3600.0, 24


@dataclass(frozen=True, slots=True)
class Change:
    """At ``at`` [s] a tenant's demand and its use change by so many accelerators."""

    at: float
    tenant: str
    demand: float = 0.0
    used: float = 0.0


def entitled(
    demands: Mapping[str, float], weights: Mapping[str, float], capacity: float
) -> dict[str, float]:
    """Weighted max-min: nobody beyond its demand, all others alike for their weight."""
    due: dict[str, float] = {}
    left = capacity
    order = sorted((t for t, d in demands.items() if d > 0), key=lambda t: demands[t] / weights[t])
    weight = sum(weights[tenant] for tenant in order)
    for tenant in order:
        due[tenant] = min(demands[tenant], left * weights[tenant] / weight)
        left -= due[tenant]
        weight -= weights[tenant]
    return due


class Book:
    """Integrals of entitlement less use, by tenant and hour, in accelerator-seconds."""

    def __init__(self, weights: Mapping[str, float], capacity: float) -> None:
        self.weights, self.capacity = weights, capacity
        self.demand = dict.fromkeys(weights, 0.0)
        self.used = dict.fromkeys(weights, 0.0)
        self.due: dict[str, float] = {}
        self.hours: dict[str, list[float]] = {tenant: [] for tenant in weights}
        self.now = 0.0

    def tell(self, changes: Iterable[Change]) -> None:
        """All changes, in the order of time."""
        stale = False
        for change in changes:
            if change.at > self.now:
                if stale:
                    self.due = entitled(self.demand, self.weights, self.capacity)
                    stale = False
                self._pass(change.at)
            if change.demand:
                self.demand[change.tenant] += change.demand
                stale = True
            self.used[change.tenant] += change.used

    def _pass(self, until: float) -> None:
        while self.now < until:
            hour = int(self.now // HOUR_S)
            upto = min(until, (hour + 1) * HOUR_S)
            for tenant, hours in self.hours.items():
                while len(hours) <= hour:
                    hours.append(0.0)
                short = self.due.get(tenant, 0.0) - self.used[tenant]
                hours[hour] += short * (upto - self.now)
            self.now = upto

    def worst(self, *, after_h: int = 0) -> dict[str, tuple[float, int]]:
        """Each tenant's largest shortfall over any day that begins ``after_h`` hours or later, and
        the hour at which the first such day begins."""
        day = self.capacity * DAY_H * HOUR_S
        found = {}
        for tenant, hours in self.hours.items():
            begins = range(after_h, max(after_h + 1, len(hours) - DAY_H + 1))
            short, at = max((sum(hours[at : at + DAY_H]) / day, -at) for at in begins)
            found[tenant] = short, -at
        return found

    def overall(self, *, after_h: int = 0) -> dict[str, float]:
        """Each tenant's shortfall over the whole time, as a part of capacity."""
        return {
            tenant: sum(hours[after_h:]) / (self.capacity * HOUR_S * max(1, len(hours) - after_h))
            for tenant, hours in self.hours.items()
        }
