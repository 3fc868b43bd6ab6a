"""Room without lower priorities: what a job could have if all runs went that its class displaces.

Most jobs that wait for room would not get it though every lower priority went. That is told from
an index of its own, so that nobody looks through a pool's runs in vain; and when the next run may
be displaced is told from their order. Not for: who goes (``core.preemption``).
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from suan.core.flavors import Flavor, Need, index, unindex
from suan.core.nodes import Node, refund
from suan.model.units import Instant, NodeName, RunId

if TYPE_CHECKING:
    from suan.core.capacity import Pool
    from suan.core.matching import Candidate
    from suan.core.records import RunRecord

_MANY = 16  # priorities of one pool that an index is kept for
_LAST = 1 << 62  # more than any run's number


class Begun:
    """The open runs of one pool by priority, and by when they began; kept once somebody asked."""

    __slots__ = ("_entries", "_open")

    def __init__(self, runs: "dict[RunId, RunRecord]") -> None:
        self._open = runs
        self._entries: dict[int, list[tuple[Instant, int, RunRecord]]] | None = None

    def add(self, run: "RunRecord") -> None:
        """A run has begun."""
        if self._entries is not None:
            entries = self._entries.setdefault(run.job.told.priority, [])
            insort(entries, (run.began, run.number, run))

    def drop(self, run: "RunRecord") -> None:
        """A run has ended, or began at another time."""
        if self._entries is None:
            return
        priority = run.job.told.priority
        entries = self._entries[priority]
        del entries[bisect_left(entries, (run.began, run.number))]
        if not entries:
            del self._entries[priority]

    def _by_priority(self) -> "dict[int, list[tuple[Instant, int, RunRecord]]]":
        if self._entries is None:
            self._entries = {}
            for run in self._open.values():
                self.add(run)
        return self._entries

    def below(self, priority: int, at: Instant) -> tuple[bool, Instant | None]:
        """Of the runs of lower priorities that nobody told to stop: whether one had begun by an
        instant, and when the first of the others began."""
        some, first = False, None
        for of, entries in self._by_priority().items():
            if of >= priority:
                continue
            cut = bisect_right(entries, (at, _LAST))
            some = some or any(run.stopping is None for _, _, run in islice(entries, cut))
            for number in range(cut, len(entries)):
                began, _, run = entries[number]
                if run.stopping is None:
                    first = began if first is None else min(first, began)
                    break
        return some, first

    def until(self, priority: int, at: Instant) -> "Iterator[RunRecord]":
        """The runs of lower priorities that had begun by an instant."""
        for of, entries in self._by_priority().items():
            for began, _, run in entries if of < priority else ():
                if began > at:
                    break
                yield run


class Without:
    """A pool as it would be without the runs below a ``priority``. Nodes on which something has
    begun or ended are ``touched``: they are worked out anew when somebody asks."""

    __slots__ = ("_flavors", "_twins", "pool", "priority", "touched")

    def __init__(self, pool: "Pool", priority: int) -> None:
        self.pool = pool
        self.priority = priority
        self.touched: dict[Node, None] = dict.fromkeys(pool.nodes.values())
        self._flavors: dict[Flavor, Flavor] = {}  # by those that there are
        self._twins: dict[Node, Node] = {}  # likewise

    def nodes_for(self, candidate: "Candidate", allowed: int) -> set[NodeName]:
        """The nodes on flavors in ``allowed`` that would hold a task, if all tasks would fit on
        them; or else none."""
        if self.touched:
            self._mend()
        kinds = [
            (flavor, need)
            for each, _ in candidate.kinds
            if each.mask & allowed and (flavor := self._flavors.get(each)) is not None
            if (need := flavor.need(candidate.per_task)) is not None
            if flavor.tightest(need) is not None
        ]
        if not kinds or (candidate.tasks > 1 and not _holds(kinds, candidate.tasks)):
            return set()
        return {node.name for flavor, need in kinds for node, _ in flavor.holding(need)}

    def _mend(self) -> None:
        for node in self.touched:
            twin = self._twins.get(node)
            if twin is not None:
                unindex(twin)
            if node.home is None or node.flavor is None:  # nothing of it is to be had
                self._twins.pop(node, None)
                continue
            if twin is None:
                twin = self._twins[node] = Node(node.name)
            twin.flavor = self._flavor(node.flavor)
            self._work_out(twin, node)
            index(twin)
            twin.flavor.grow(twin)
        self.touched.clear()

    def _work_out(self, twin: Node, node: Node) -> None:
        twin.cpu, twin.memory, twin.models = node.cpu, node.memory, node.models
        twin.devices = tuple([list(free) for free in node.devices])
        for name, held in node.runs.items():
            if self.pool.open[name].job.told.priority < self.priority:
                refund(twin, held)

    def _flavor(self, real: Flavor) -> Flavor:
        found = self._flavors.get(real)
        if found is None:
            there = self.pool.flavors
            kept = {each: own for each, own in self._flavors.items() if there.get(each.key) is each}
            self._flavors = kept
            found = kept[real] = Flavor(real.key, real.mask)
        return found


def without(pool: "Pool", priority: int) -> Without:
    """The pool without the runs below a priority."""
    found = pool.without.get(priority)
    if found is None:
        if len(pool.without) >= _MANY:
            pool.without.clear()
        found = pool.without[priority] = Without(pool, priority)
    return found


def _holds(kinds: list[tuple[Flavor, Need]], tasks: int) -> bool:
    """Whether nodes hold so many tasks together."""
    for flavor, need in kinds:
        for _, held in flavor.holding(need):
            tasks -= held
            if tasks <= 0:
                return True
    return False
