"""Place: find nodes for a whole gang in one pool, or nothing.

Best fit, in this order: the smallest kind of node that will do, the node whose devices are most
used already, the one with the fewest processors, then the least memory left, then by name. A node
takes as many tasks of the gang as it holds. So whole nodes and whole accelerators stay free.
"""

from suan.core.matching import Candidate
from suan.core.nodes import Node
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
                    return number, [(node, 1)]
    return None


def _find_gang(candidate: Candidate, allowed: int) -> Spots | None:
    growth = sum([flavor.growth for flavor, _ in candidate.kinds])
    if candidate.missed_at == growth and not candidate.mask & allowed & ~candidate.missed_in:
        return None
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
    candidate.missed_at, candidate.missed_in = growth, candidate.mask & allowed
    return None


def fits(candidate: Candidate, allowed: int) -> bool:
    """Whether the whole gang has room now on the flavors whose bits are in ``allowed``."""
    return find_first((candidate,), allowed, allowed) is not None


def by_rank(spots: Spots) -> tuple[NodeName, ...]:
    """One node's name for each task, in rank order: by node name, so neighbours stay together."""
    if len(spots) == 1:
        node, tasks = spots[0]
        return (node.name,) * tasks
    ranked = sorted((node.name, tasks) for node, tasks in spots)
    return tuple(name for name, tasks in ranked for _ in range(tasks))


def room(candidate: Candidate) -> int:
    """How many tasks of a gang its pool has room for now, at most as many as the gang has."""
    found = 0
    for flavor, need in candidate.kinds:
        for bucket in flavor.buckets.values():
            for cpu, memory, _, _ in bucket.nodes:
                found += need.slots((cpu, memory, bucket.devices), candidate.tasks)
    return min(found, candidate.tasks)
