"""What there is and what is free: pools, their flavors and nodes, kept as runs come and go.

A *flavor* is a kind of node inside one pool: equal processors, accelerators, and memory to the
GiB, and kept by the same reservations. Every growth is noted in ``Capacity.awake``, one bit a
flavor: work follows change. Not for: deciding who gets what.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from suan.core.advance import Advance
from suan.core.ends import Ends
from suan.core.flavors import Flavor, FlavorKey, index, refile, unindex
from suan.core.nodes import (
    NOTHING,
    Held,
    Node,
    Vector,
    charge,
    reach_of,
    recharge,
    refund,
    vector_of,
)
from suan.core.racks import Changes
from suan.core.stranding import Typical
from suan.core.without import Begun, Without
from suan.model.offer import NodeStatus, Offer
from suan.model.refusal import Refusal
from suan.model.units import Duration, Instant, JobId, NodeName, PoolName, RunId, Thousandths

if TYPE_CHECKING:
    from suan.core.records import RunRecord

_MIB_A_GIB = 1024


class Pool:
    """One pool: its offer, flavors and nodes. ``open`` has the runs in it: ``ends`` those that are
    expected to end, ``begun`` all by priority and when they began, ``leaving`` those that were told
    to stop; ``without`` is the pool as it would be without those below some priority. ``behind`` is
    the last refusal that named an earlier job, and that job; ``changes`` has the nodes whose racks
    are known, and ``typical`` is that of the capacity. ``refiled`` counts how often a node was
    observed anew, or kept by other reservations."""

    __slots__ = (
        "_kinds",
        "available",
        "begun",
        "behind",
        "changes",
        "detail",
        "drained",
        "ends",
        "flavors",
        "graces",
        "leaving",
        "name",
        "nodes",
        "observed_at",
        "offer",
        "open",
        "refiled",
        "typical",
        "version",
        "without",
    )

    def __init__(self, name: PoolName) -> None:
        self.name = name
        self.offer = Offer(pool=name, kind="")
        self.available = False
        self.drained = False
        self.detail = "it has not been observed yet"
        self.observed_at: Instant | None = None
        self.nodes: dict[NodeName, Node] = {}
        self.flavors: dict[FlavorKey, Flavor] = {}
        self.open: dict[RunId, RunRecord] = {}
        self.ends = Ends()
        self.begun = Begun(self.open)
        self.leaving: dict[RunId, RunRecord] = {}
        self.without: dict[int, Without] = {}
        self.changes = Changes()
        self.typical = Typical()
        self.graces: dict[Duration, int] = {}  # of the open runs, and how many have each
        self.version = 0  # counts changes of what is free, and of when what runs should end
        self.refiled = 0
        self.behind: tuple[JobId, Refusal] | None = None
        self._kinds: tuple[tuple[Flavor, ...], tuple[str, ...]] | None = None

    def enter(self, run: "RunRecord", grace: Duration) -> None:
        """A run is open here, and may take its grace to end once it was told to."""
        self.open[run.id] = run
        self.begun.add(run)
        if run.told is not None:
            self.leaving[run.id] = run
        self.graces[grace] = self.graces.get(grace, 0) + 1

    def leave(self, run: "RunRecord", grace: Duration) -> None:
        """A run has ended."""
        del self.open[run.id]
        self.ends.drop(run)
        self.begun.drop(run)
        self.leaving.pop(run.id, None)
        self.graces[grace] -= 1
        if not self.graces[grace]:
            del self.graces[grace]

    def touch(self, node: Node) -> None:
        """What is free of a node, or would be without some runs, has changed."""
        self.version += 1
        for each in self.without.values():
            each.touched[node] = None

    def longest_grace(self) -> Duration:
        """How long what runs here may take to end, once it was told to."""
        return max(self.graces, default=0)

    @property
    def kinds(self) -> tuple[Flavor, ...]:
        """The flavors, those with the fewest accelerators first, then the smallest. Of equals
        those come first that are reserved now, which none but the admitted may use, and those last
        that are going to be."""
        return self._sorted()[0]

    @property
    def models(self) -> tuple[str, ...]:
        """Every accelerator model that some node has, by name."""
        return self._sorted()[1]

    def _sorted(self) -> tuple[tuple[Flavor, ...], tuple[str, ...]]:
        if self._kinds is None:
            kinds = sorted(self.flavors.values(), key=_smallness)
            models = sorted({model for flavor in kinds for model in flavor.models})
            self._kinds = (tuple(kinds), tuple(models))
        return self._kinds

    def add_flavor(self, key: FlavorKey, mask: int) -> Flavor:
        """A new kind of node."""
        self._kinds = None
        flavor = self.flavors[key] = Flavor(key, mask)
        return flavor

    def drop_flavor(self, flavor: Flavor) -> None:
        """The last node of a kind has gone."""
        self._kinds = None
        del self.flavors[flavor.key]


class Capacity:
    """All pools. ``awake`` has the bits of flavors worth another look: they
    grew, or another job is first in line for them;
    ``changed`` the pools whose offer, nodes or readiness changed, which must be matched anew.
    For who may pass others, ``fresh`` has the nodes on which there is more room since that was
    last decided, and ``renewed`` the bits of flavors all of whose nodes count as such.
    ``typical`` knows what kinds of task were asked for."""

    __slots__ = (
        "_bits",
        "_closed",
        "advance",
        "awake",
        "changed",
        "fresh",
        "pools",
        "renewed",
        "typical",
    )

    def __init__(self) -> None:
        self.advance = Advance()
        self.pools: dict[PoolName, Pool] = {}
        self.typical = Typical()
        self.awake = 0
        self.changed: dict[PoolName, None] = {}
        self.fresh: dict[Node, None] = {}
        self.renewed = 0
        self._bits = 0  # the flavors' bits in use
        self._closed: dict[int, int] = {}  # flavors, by those whom their reservations bar

    def pool(self, name: PoolName) -> Pool:
        """A pool, made (unavailable, and empty) if nothing was heard of it yet."""
        found = self.pools.get(name)
        if found is None:
            found = self.pools[name] = Pool(name)
            found.typical = self.typical
            self.changed[name] = None
        return found

    def remove(self, name: PoolName) -> None:
        """Forget a pool. Its flavors' bits are free for others once shapes are matched anew."""
        del self.pools[name]
        self.changed[name] = None
        self._closed.clear()

    def observe(
        self,
        pool: Pool,
        nodes: Iterable[NodeStatus],
        removed: Iterable[NodeName],
        *,
        complete: bool,
    ) -> None:
        """Bring a pool's nodes up to date; what has not changed costs a comparison."""
        seen = set()
        for status in nodes:
            seen.add(status.name)
            node = pool.nodes.get(status.name)
            if node is None or not node.known or node.status != status:
                self._observe_node(pool, status)
        gone = [name for name in pool.nodes if name not in seen] if complete else removed
        for name in gone:
            self._lose_node(pool, name)

    def _observe_node(self, pool: Pool, status: NodeStatus) -> None:
        node = pool.nodes.setdefault(status.name, Node(status.name))
        self._unfile(pool, node)
        node.status, node.known = status, True
        self.file(pool, node)
        self.changed[pool.name] = None

    def _lose_node(self, pool: Pool, name: NodeName) -> None:
        node = pool.nodes.get(name)
        if node is None or not node.known:
            return
        self._unfile(pool, node)
        self.changed[pool.name] = None
        if node.runs:
            node.known = False
            node.status = NodeStatus(name=name, total=NOTHING)
            recharge(node)
        else:
            del pool.nodes[name]

    def file(self, pool: Pool, node: Node) -> None:
        """Put a node under its flavor, with its runs charged."""
        pool.touch(node)
        pool.refiled += 1
        total = node.status.total
        kept = self.advance.names(pool.name, node.name)
        key = (total.accelerators, total.cpu_milli, total.memory_mib // _MIB_A_GIB, kept)
        flavor = pool.flavors.get(key) or self.add_flavor(pool, key, self._new_bit())
        node.flavor = flavor
        node.changes = pool.changes if node.status.rack else None
        reach = recharge(node)
        _count(flavor.totals, vector_of(total), 1)
        if node.status.schedulable:
            _count(flavor.reach, reach, 1)
            index(node)
        self.grow(flavor)

    def _unfile(self, pool: Pool, node: Node) -> None:
        pool.touch(node)
        pool.refiled += 1
        flavor = node.flavor
        if flavor is None:
            return
        unindex(node)
        pool.changes.forget(node)
        node.changes = None
        _count(flavor.totals, vector_of(node.status.total), -1)
        if node.status.schedulable:
            _count(flavor.reach, reach_of(node.status), -1)
        node.flavor = None
        if not flavor.totals:
            pool.drop_flavor(flavor)
            self._closed.clear()

    def file_anew(self, name: PoolName, nodes: Iterable[NodeName]) -> None:
        """Other reservations keep these nodes now, or one of them has begun."""
        pool = self.pools.get(name)
        if pool is None:
            return
        known = [n for node in nodes if (n := pool.nodes.get(node)) is not None and n.known]
        for node in known:
            self._unfile(pool, node)
        for node in known:
            self.file(pool, node)
            self.changed[name] = None

    def add_flavor(self, pool: Pool, key: FlavorKey, mask: int) -> Flavor:
        """A new kind of node."""
        self._closed.clear()
        flavor = pool.add_flavor(key, mask)
        flavor.has_begun = self.advance.has_begun(key[3])
        return flavor

    def closed_to(self, bars: int) -> int:
        """The flavors that a job may not start on, by the bits of the reservations that bar it."""
        found = self._closed.get(bars)
        if found is None:
            found = 0
            for name in self.advance.of_node if bars else ():
                pool = self.pools.get(name)
                for flavor in pool.flavors.values() if pool is not None else ():
                    found |= flavor.mask if self.advance.bits(flavor.key[3]) & bars else 0
            self._closed[bars] = found
        return found

    def _new_bit(self) -> int:
        bit = ~self._bits & (self._bits + 1)
        self._bits |= bit
        return bit

    def settle(self) -> None:
        """Every shape has been matched anew: free the bits of flavors that are gone, and look at
        all that is there in the changed pools."""
        self._bits = 0
        for pool in self.pools.values():
            for flavor in pool.flavors.values():
                self._bits |= flavor.mask
                if pool.name in self.changed:
                    self.grow(flavor)
        self.awake &= self._bits
        self.changed.clear()

    def grow(self, flavor: Flavor) -> None:
        """Note that a flavor's nodes have changed: there may be room for anything."""
        flavor.renew()
        self.awake |= flavor.mask
        self.renewed |= flavor.mask

    def hold(self, pool: Pool, name: NodeName, run: RunId, *, held: Held) -> None:
        """A run takes part of a node, which need not be known, or more of it than before; the very
        devices that it is granted already, if any."""
        node = pool.nodes.get(name)
        if node is None:
            node = pool.nodes[name] = Node(name)
        pool.touch(node)
        before = node.runs.get(run)
        node.runs[run] = held
        if held.grant:
            refund(node, held, -1)
        else:
            charge(node, held)
        refile(node, devices_changed=bool(held.grant))
        if before is not None:
            held.tasks += before.tasks
            held.grant = before.grant + held.grant

    def release(self, pool: Pool, name: NodeName, run: RunId) -> None:
        """A run leaves a node."""
        node = pool.nodes[name]
        pool.touch(node)
        held = node.runs.pop(run)
        refund(node, held)
        refile(node, devices_changed=bool(held.grant))
        flavor = node.flavor
        if flavor is not None:
            flavor.grow(node)
            self.awake |= flavor.mask
            self.fresh[node] = None
        elif not node.runs:
            del pool.nodes[name]


def devices_of(key: FlavorKey) -> Thousandths:
    """The accelerators of one node of a flavor."""
    return sum(amount for _, amount in key[0])


def _smallness(flavor: Flavor) -> tuple[object, ...]:
    """Sorts flavors of one pool."""
    return devices_of(flavor.key), flavor.key[:3], not flavor.has_begun, flavor.key[3]


def _count(counts: dict[Vector, int], vector: Vector, by: int) -> None:
    left = counts.get(vector, 0) + by
    if left:
        counts[vector] = left
    else:
        counts.pop(vector, None)
