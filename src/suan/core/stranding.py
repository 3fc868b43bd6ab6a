"""Stranding: free accelerators that jobs like those seen could not use, and the node on which a
task strands the fewest.

Of a node's free accelerators a kind of task strands those that it could not take: what devices
have left that is too little for it, or what processors and memory do not suffice for, whichever
is more; all, where not one such task fits. A node's stranding is the sum over the kinds of task
seen, each times how often it was asked for. Not for: refusing anybody, or choosing a pool. It
counts only once a job has asked for part of an accelerator.
"""

from itertools import islice
from typing import TYPE_CHECKING

from suan.core.devices import WHOLE, choose, fits
from suan.model.resources import ANY_ACCELERATOR
from suan.model.units import Thousandths

if TYPE_CHECKING:
    from suan.core.flavors import Flavor, Need
    from suan.core.matching import Candidate
    from suan.core.nodes import Node, Vector
    from suan.model.demand import Demand

Kind = tuple[Thousandths, int, str, Thousandths]  # processors, memory, model, accelerators
Fit = tuple["Flavor", "Need", "Node"]
_MANY_KINDS = 192  # that are weighed
_MANY_JOBS = 1 << 14  # then each counts half
_MANY_SCORES = 1 << 17
_MANY_BUCKETS = 24  # of a flavor, the tightest, that are looked at
_INFINITE = 1 << 200


class Typical:
    """What tasks with accelerators are like: how often each kind was asked for (``counts``), and
    how many were ``seen``; from so many as are ``due`` on they are looked at again.

    ``kinds`` are those that nodes are weighed by, with their weights: as of the beginning of a
    cycle, taken anew after every eighth more jobs, and none while ``parts`` of accelerators were
    not asked for. How nodes were weighed is kept until then."""

    __slots__ = ("_scores", "_stranded", "counts", "due", "kinds", "parts", "seen")

    def __init__(self) -> None:
        self.counts: dict[Kind, int] = {}
        self.seen = 0
        self.due = 1
        self.parts = False
        self.kinds: tuple[tuple[Kind, int], ...] = ()
        self._scores: dict[Need, dict[Vector, int]] = {}
        self._stranded: dict[tuple[Flavor, Vector], int] = {}

    def copy(self, other: "Typical") -> None:
        """Know what another knows."""
        self.counts = dict(other.counts)
        self.seen, self.due = other.seen, other.due
        self.kinds, self.parts = other.kinds, other.parts

    def note(self, demand: "Demand") -> None:
        """A job was submitted: its first option counts."""
        per_task = demand.options[0].per_task
        for model, amount in per_task.accelerators:
            kind = (per_task.cpu_milli, per_task.memory_mib, model, amount)
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.seen += 1
            self.parts = self.parts or bool(amount % WHOLE)

    def renew(self) -> None:
        """Weigh by what was seen until now, if that has become much more."""
        if self.seen < self.due:
            return
        while self.seen >= _MANY_JOBS:
            self.counts = {kind: n // 2 for kind, n in self.counts.items() if n > 1}
            self.seen = sum(self.counts.values())
        self.due = self.seen + self.seen // 8 + 1
        self.parts = any(amount % WHOLE for _, _, _, amount in self.counts)
        most = sorted(self.counts.items(), key=lambda each: (-each[1], each[0]))
        self.kinds = tuple(most[:_MANY_KINDS]) if self.parts else ()
        self._forget()

    def _forget(self) -> None:
        self._scores.clear()
        self._stranded.clear()

    def best(self, candidate: "Candidate", allowed: int, first: Fit) -> Fit:
        """Where one task strands the fewest accelerators; of equals the best fit. ``first`` is
        the best fit of all, and only flavors that the same reservations keep are compared."""
        if len(self._stranded) > _MANY_SCORES:
            self._forget()
        keeps = first[0].key[3]
        least, best = _INFINITE, first
        for flavor, need in candidate.kinds:
            if flavor.mask & allowed and flavor.key[3] == keeps and not flavor.misses(need):
                found = self._of_flavor(flavor, need)
                if found is not None and found[0] < least:
                    least, best = found[0], (flavor, need, found[1])
        return best

    def _of_flavor(self, flavor: "Flavor", need: "Need") -> "tuple[int, Node] | None":
        """Of the tightest nodes, one for each that devices can be free, the best."""
        known = self._scores.setdefault(need, {})
        best: tuple[int, Node] | None = None
        for vector, node in islice(flavor.tightest_of_each(need), _MANY_BUCKETS):
            more = known.get(vector)
            if more is None:
                more = known[vector] = self._more(flavor, need, vector)
            if best is None or more < best[0]:
                best = more, node
        return best

    def _more(self, flavor: "Flavor", need: "Need", vector: "Vector") -> int:
        """How much more is stranded once a node holds a task, times the weights."""
        cpu, memory, devices = vector
        left = [list(free) for free in devices]
        for model, amount in need.kin.accelerators:
            for at, part in choose(left[model], amount):
                left[model][at] -= part
        then = tuple([tuple(sorted(free, reverse=True)) for free in left])
        after = (cpu - need.cpu, memory - need.memory, then)
        return self._on(flavor, after) - self._on(flavor, vector)

    def _on(self, flavor: "Flavor", vector: "Vector") -> int:
        """How much is stranded on a node, times the weights."""
        found = self._stranded.get((flavor, vector))
        if found is None:
            cpu, memory, devices = vector
            each = zip(flavor.models, devices, strict=True)
            found = sum(
                [self._of_model(model, free, cpu=cpu, memory=memory) for model, free in each]
            )
            self._stranded[flavor, vector] = found
        return found

    def _of_model(
        self, model: str, devices: tuple[Thousandths, ...], *, cpu: Thousandths, memory: int
    ) -> int:
        total = sum([free for free in devices if free > 0])
        found = 0
        unfit: dict[Thousandths, Thousandths] = {}  # what is too little, by what is asked for
        for (task_cpu, task_memory, asked, amount), weight in self.kinds if total else ():
            small = unfit.get(amount)
            if small is None:
                small = unfit[amount] = _too_little(devices, amount, total)
            if small < total:
                if task_cpu > cpu or task_memory > memory or asked not in (model, ANY_ACCELERATOR):
                    small = total
                else:
                    if task_cpu:
                        small = max(small, total - cpu * amount // task_cpu)
                    if task_memory:
                        small = max(small, total - memory * amount // task_memory)
            found += small * weight
        return found


def _too_little(
    devices: tuple[Thousandths, ...], amount: Thousandths, total: Thousandths
) -> Thousandths:
    """What devices have free that no task with ``amount`` could take, however many came."""
    if not fits(devices, amount, 1):
        return total
    least = min(amount, WHOLE)
    return sum([free for free in devices if 0 < free < least])
