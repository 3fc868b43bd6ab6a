"""Racks: which nodes stand close together, and where a gang finds room close together.

A node tells its rack as a path from the outside in: ``spine1/leaf3`` is a rack of the subtree
``spine1``. Whoever asks keeps an index of how much each rack and subtree of a pool has room for,
and brings it up to date from the nodes that changed since: no search goes over the nodes. Not
for: deciding whether a gang starts. Closeness is preferred, and nobody is refused for want of it.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from suan.core.nodes import NOTHING
from suan.core.wording import counted
from suan.model.resources import Resources

if TYPE_CHECKING:
    from suan.core.flavors import Flavor, Need
    from suan.core.nodes import Node

Counts = Callable[["Node"], int]  # how much a node has room for
Needs = Iterable[tuple["Flavor", "Need"]]
Portions = list[tuple[str, int]]  # a rack, and how many tasks go there
MOST = 1 << 30  # tasks on one node
_MANY_INDEXES = 64
EVERYWHERE = ""  # the path of a pool as a whole


class Changes:
    """The nodes of one pool whose racks are known, each with the number of its last change, in
    the order of these; and the ``indexes`` of what gangs asked for lately, by what a task needs
    and the flavors that were allowed."""

    __slots__ = ("indexes", "last", "of")

    def __init__(self) -> None:
        self.last = 0
        self.of: dict[Node, int] = {}
        self.indexes: dict[tuple[Resources, int], Index] = {}

    def note(self, node: "Node") -> None:
        """What is free of a node has changed."""
        self.last += 1
        self.of.pop(node, None)
        self.of[node] = self.last

    def forget(self, node: "Node") -> None:
        """A node is gone or is seen anew: everything is counted anew."""
        self.of.pop(node, None)
        self.indexes.clear()

    def index(self, per_task: Resources, allowed: int, needs: "Needs") -> "Index":
        """How many tasks of a gang each rack has room for now, on flavors in ``allowed``."""
        key = per_task, allowed
        found = self.indexes.pop(key, None)
        if found is None:
            if len(self.indexes) >= _MANY_INDEXES:
                del self.indexes[next(iter(self.indexes))]
            found = Index(self, _slots_of(needs, allowed))
        self.indexes[key] = found
        found.refresh()
        return found


class Index:
    """How much every rack, and every subtree of racks, has room for now.

    The racks of a subtree, and the subtrees within it, are sorted by that, then by path."""

    __slots__ = ("_changes", "_counts", "_racks", "_seen", "_subtrees", "_sums", "nodes", "total")

    def __init__(self, changes: Changes, counts: Counts) -> None:
        self._changes = changes
        self._counts = counts
        self._seen = 0
        self._racks: dict[str, list[tuple[int, str]]] = {}  # by the subtree they are in
        self._subtrees: dict[str, list[tuple[int, str]]] = {}
        self._sums: tuple[dict[str, int], dict[str, int]] = ({}, {})  # of racks, of subtrees
        self.nodes: dict[Node, int] = {}  # those that have room
        self.total = 0

    def refresh(self) -> None:
        """Count what has changed since the last time."""
        changes, by_rack = self._changes.of, dict[str, int]()
        for node in reversed(changes):
            if changes[node] <= self._seen:
                break
            before, now = self.nodes.get(node, 0), self._counts(node)
            if now != before:
                rack = node.status.rack
                by_rack[rack] = by_rack.get(rack, 0) + now - before
                if now:
                    self.nodes[node] = now
                else:
                    del self.nodes[node]
        self._seen = self._changes.last
        for rack, more in by_rack.items():
            self._add(rack, more)

    def _add(self, rack: str, more: int) -> None:
        """A rack, and whatever it is in, has room for so much more."""
        if not more:
            return
        self.total += more
        path, within, lists, sums = rack, _outer(rack), self._racks, self._sums[0]
        while True:
            before = sums.get(path, 0)
            entries = lists.setdefault(within, [])
            if before:
                del entries[bisect_left(entries, (before, path))]
            sums[path] = before + more
            if sums[path]:
                insort(entries, (sums[path], path))
            else:
                del sums[path]
            if not within:
                return
            path, within, lists, sums = within, _outer(within), self._subtrees, self._sums[1]

    def tightest_rack(self, tasks: int) -> str | None:
        """The rack with the least room that has enough; of equals the one whose subtree has the
        least, and so on outwards, then the first by path."""
        found = self._tightest(self._racks, tasks)
        return None if found is None else found[-1]

    def _tightest(
        self, lists: dict[str, list[tuple[int, str]]], tasks: int
    ) -> tuple[int, tuple[int, ...], str] | None:
        best: tuple[int, tuple[int, ...], str] | None = None
        for within, entries in lists.items():
            at = bisect_left(entries, (tasks,))
            if at == len(entries) or (best is not None and entries[at][0] > best[0]):
                continue
            found = (entries[at][0], self._around(within), entries[at][1])
            if best is None or found < best:
                best = found
        return best

    def _around(self, path: str) -> tuple[int, ...]:
        """What a subtree, and whatever it is in, has room for."""
        found = []
        while path:
            found.append(self._sums[1][path])
            path = _outer(path)
        return tuple(found)

    def portions(self, tasks: int, without: Mapping[str, int]) -> Portions | None:
        """How many of a gang's tasks go to which racks: all to one, or else to few racks of the
        smallest subtree that holds them. ``None`` if these racks have no room for all; what they
        have is less by ``without``."""
        for rack, less in without.items():
            self._add(rack, -less)
        found = self._portions(tasks) if self.total >= tasks else None
        for rack, less in without.items():
            self._add(rack, less)
        return found

    def _portions(self, tasks: int) -> Portions:
        rack = self.tightest_rack(tasks)
        if rack is not None:
            return [(rack, tasks)]
        depths = sorted({_depth(path) for path in self._subtrees}, reverse=True)
        for depth in depths:
            lists = {at: found for at, found in self._subtrees.items() if _depth(at) == depth}
            best = self._tightest(lists, tasks)
            if best is not None:
                return self._over(best[-1], tasks)
        return self._over(EVERYWHERE, tasks)

    def _over(self, subtree: str, tasks: int) -> Portions:
        """Over few racks of a subtree that holds so many tasks: the largest parts whole, and the
        rest in the tightest part that holds it, if possible in one rack."""
        racks, subtrees = self._racks.get(subtree, []), self._subtrees.get(subtree, [])
        parts = [(room, path, False) for room, path in racks]
        parts = sorted([*parts, *((room, path, True) for room, path in subtrees)])
        found: Portions = []
        while tasks:
            room, path, inner = parts.pop(self._next(parts, tasks))
            takes = min(tasks, room)
            found += self._over(path, takes) if inner else [(path, takes)]
            tasks -= takes
        return found

    def _next(self, parts: list[tuple[int, str, bool]], tasks: int) -> int:
        """Which part comes next for what is left of a gang."""
        first = bisect_left(parts, (tasks,))
        for at in range(first, len(parts)):
            _, path, inner = parts[at]
            if not inner or ((racks := self._racks.get(path)) and racks[-1][0] >= tasks):
                return at
        return first if first < len(parts) else bisect_left(parts, (parts[-1][0],))


def _outer(path: str) -> str:
    """What a rack or a subtree is in."""
    return path.rpartition("/")[0]


def _depth(path: str) -> int:
    return path.count("/") + 1 if path else 0


def _slots_of(kinds: "Needs", allowed: int) -> Counts:
    """Counts the tasks that a node holds of what they need there."""
    needs = {flavor: need for flavor, need in kinds if flavor.mask & allowed}

    def count(node: "Node") -> int:
        need = needs.get(node.flavor) if node.flavor is not None else None
        if need is None or node.home is None or node.cpu < need.cpu or node.memory < need.memory:
            return 0
        return need.slots((node.cpu, node.memory, node.home.devices), MOST)

    return count


def is_whole(node: "Node") -> bool:
    """Whether nobody has anything of a node."""
    return not node.runs and node.status.others_use == NOTHING and node.home is not None


def from_broken_rack(flavor: "Flavor", need: "Need", node: "Node") -> "Node":
    """Instead of a whole node, the best fit for one task, one like it in the rack (and subtree)
    of which the least is whole: so other racks stay whole for gangs."""
    changes, home = node.changes, node.home
    if changes is None or home is None or not is_whole(node):
        return node
    index = flavor.whole
    if index is None:
        index = flavor.whole = Index(changes, lambda n: n.flavor is flavor and is_whole(n))
    index.refresh()
    rack = index.tightest_rack(1) or ""
    entries = home.racks.get(rack, ())
    for entry in entries[bisect_left(entries, (need.cpu,)) :]:
        if entry[1] >= need.memory and is_whole(entry[3]):
            return entry[3]
    return node


def closeness(racks: Iterable[str]) -> str:
    """How close nodes stand, each told by its rack, in words: ``in one rack (spine1/leaf3)``,
    ``over 2 racks of spine1``. Empty for one node, and where no rack is known."""
    told = list(racks)
    known = sorted({rack for rack in told if rack})
    unknown = told.count("")
    if len(told) < 2 or not known:
        return ""
    if unknown:
        rest = f"{counted(unknown, 'node')} whose rack is not known"
        return f"in {counted(len(known), 'rack')}, and on {rest}"
    if len(known) == 1:
        return f"in one rack ({known[0]})"
    shared = _shared(known)
    return f"over {counted(len(known), 'rack')}{f' of {shared}' if shared else ''}"


def _shared(paths: list[str]) -> str:
    """The smallest subtree that all are in."""
    found = _outer(paths[0])
    while found and not all(path.startswith(f"{found}/") for path in paths):
        found = _outer(found)
    return found
