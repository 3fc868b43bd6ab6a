"""Place: find nodes for a whole gang in one pool, or nothing.

Best fit, in this order: the smallest kind of node that will do, the node whose devices are most
used already, the one with the fewest processors, then the least memory left, then by name. A node
takes as many tasks of the gang as it holds. So whole nodes and whole accelerators stay free.
Once jobs have asked for parts of accelerators, one for a single node goes where it strands the
fewest (``core.stranding``), and by best fit where that is equal.

Where racks are known a gang takes the smallest subtree of them that holds it whole, and that of
these which has the least room; there best fit goes on as above.
"""

from collections.abc import Collection

from suan.core.matching import Candidate
from suan.core.nodes import Node
from suan.core.racks import from_broken_rack
from suan.model.errors import InvariantViolation
from suan.model.units import NodeName

Spots = list[tuple[Node, int]]  # a node, and how many tasks it takes


def find_first(
    candidates: tuple[Candidate, ...],
    allowed: int,
    awake: int,
    *,
    barred: frozenset[int] = frozenset(),
) -> tuple[int, Spots] | None:
    """The number of the first candidate that has room, and where.

    Only on flavors in ``allowed``, only candidates with one in ``awake`` among those, and none
    whose number is ``barred``.
    """
    looked_at = allowed & awake
    for number, candidate in enumerate(candidates):
        if not candidate.mask & looked_at or number in barred:
            continue
        if candidate.tasks > 1:
            spots = _find_gang(candidate, allowed)
            if spots is not None:
                return number, spots
            continue
        for flavor, need in candidate.kinds:
            if need.missed_at != need.kin.stamp and flavor.mask & allowed:
                node = flavor.tightest(need)
                if node is not None:
                    typical = candidate.pool.typical
                    if typical.kinds and flavor.models:
                        flavor, need, node = typical.best(candidate, allowed, (flavor, need, node))
                    if node.changes is not None:
                        node = from_broken_rack(flavor, need, node)
                    return number, [(node, 1)]
    return None


def _find_gang(candidate: Candidate, allowed: int) -> Spots | None:
    growth = sum([flavor.growth for flavor, _ in candidate.kinds])
    if candidate.missed_at == growth and not candidate.mask & allowed & ~candidate.missed_in:
        return None
    for within in by_kind(candidate, allowed):
        spots = close(candidate, within, ()) or _fill(candidate, within)
        if spots:
            return spots
    candidate.missed_at, candidate.missed_in = growth, candidate.mask & allowed
    return None


def _fill(candidate: Candidate, allowed: int) -> Spots | None:
    """The best fit, wherever it stands."""
    left = candidate.tasks
    spots: Spots = []
    for flavor, need in candidate.kinds:
        if not flavor.mask & allowed or flavor.misses(need):
            continue
        before = left
        for node, held in flavor.holding(need):
            takes = min(left, held)
            spots.append((node, takes))
            left -= takes
            if not left:
                return spots
        if left == before:
            flavor.miss(need)
    return None


def by_kind(candidate: Candidate, allowed: int) -> tuple[int, ...]:
    """The flavors that a gang tries together: one without accelerators takes nodes that have
    some only where the others do not hold it, however close these stand."""
    if candidate.pool.changes.of and not candidate.per_task.accelerators:
        bare = sum(flavor.mask for flavor, _ in candidate.kinds if not flavor.models) & allowed
        if bare and bare != candidate.mask & allowed:
            return bare, allowed
    return (allowed,)


def close(candidate: Candidate, allowed: int, without: Collection[Node]) -> Spots | None:
    """Room for a gang close together, on none of the nodes ``without``; ``None`` where no racks
    are known, or those that are do not hold it."""
    if not candidate.pool.changes.of:
        return None
    allowed &= candidate.mask
    index = candidate.pool.changes.index(candidate.per_task, allowed, candidate.kinds)
    less: dict[str, int] = {}
    for node in without:
        if node in index.nodes:
            rack = node.status.rack
            less[rack] = less.get(rack, 0) + index.nodes[node]
    portions = index.portions(candidate.tasks, less)
    if portions is None:
        return None
    return [
        spot
        for portion in portions
        for spot in _of_rack(candidate, allowed, portion, without=without)
    ]


def _of_rack(
    candidate: Candidate, allowed: int, portion: tuple[str, int], *, without: Collection[Node]
) -> Spots:
    """The best fit for some tasks in one rack that holds them."""
    rack, left = portion
    spots: Spots = []
    for flavor, need in candidate.kinds:
        for node, held in flavor.holding(need, rack) if flavor.mask & allowed else ():
            if node not in without:
                spots.append((node, min(left, held)))
                left -= spots[-1][1]
                if not left:
                    return spots
    raise InvariantViolation(f"rack {rack} of pool {candidate.pool.name} lacks room for {left}")


def fits(candidate: Candidate, allowed: int) -> bool:
    """Whether the whole gang has room now on the flavors whose bits are in ``allowed``."""
    return find_first((candidate,), allowed, allowed) is not None


def by_rank(spots: Spots) -> tuple[NodeName, ...]:
    """One node's name for each task, in rank order: by rack, then by node name, so neighbours stay
    together."""
    if len(spots) == 1:
        node, tasks = spots[0]
        return (node.name,) * tasks
    ranked = sorted((node.status.rack, node.name, tasks) for node, tasks in spots)
    return tuple(name for _, name, tasks in ranked for _ in range(tasks))


def room(candidate: Candidate, allowed: int) -> int:
    """How many tasks of a gang there is room for now on the flavors in ``allowed``, at most as many
    as the gang has."""
    found = 0
    for flavor, need in candidate.kinds:
        for bucket in flavor.buckets.values() if flavor.mask & allowed else ():
            for cpu, memory, _, _ in bucket.nodes:
                found += need.slots((cpu, memory, bucket.devices), candidate.tasks)
    return min(found, candidate.tasks)
