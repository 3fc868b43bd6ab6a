"""Place: find nodes for a whole gang in one pool, or nothing.

Best fit, in this order: the smallest kind of node that will do, the node whose devices are most
used already, the one with the fewest processors, then the least memory left, then by name. A node
takes as many tasks of the gang as it holds. So whole nodes and whole accelerators stay free.
"""

from bisect import bisect_left

from suan.core.capacity import Node
from suan.core.matching import Candidate
from suan.model.units import NodeName

Spots = list[tuple[Node, int]]  # a node, and how many tasks it takes


def find(candidate: Candidate, allowed: int) -> Spots | None:
    """Nodes for every task, on the flavors whose bits are in ``allowed``; ``None`` if too few."""
    left = candidate.tasks
    spots: Spots = []
    for flavor, need in candidate.kinds:
        if not flavor.mask & allowed:
            continue
        cpu, memory = need.cpu, need.memory
        for bucket, slots in flavor.orders.get(need.accelerators) or flavor.order(need):
            nodes = bucket.nodes
            if not nodes or nodes[-1][0] < cpu:
                continue
            for at in range(bisect_left(nodes, (cpu,)), len(nodes)):
                free_cpu, free_memory, _, node = nodes[at]
                if free_memory < memory:
                    continue
                takes = min(left, slots)
                if takes > 1:
                    if cpu:
                        takes = min(takes, free_cpu // cpu)
                    if memory:
                        takes = min(takes, free_memory // memory)
                spots.append((node, takes))
                left -= takes
                if not left:
                    return spots
    return None


def fits(candidate: Candidate, allowed: int) -> bool:
    """Whether the whole gang has room now on ``allowed``, which are some of its flavors."""
    growth = candidate.pool.growth
    if candidate.missed_at == growth and not allowed & ~candidate.missed_in:
        return False
    if _fits_one(candidate, allowed) if candidate.tasks == 1 else find(candidate, allowed):
        return True
    candidate.missed_at, candidate.missed_in = growth, allowed
    return False


def _fits_one(candidate: Candidate, allowed: int) -> bool:
    """The same for a single task, looking at the freest nodes first: most often one look."""
    for flavor, need in reversed(candidate.kinds):
        if not flavor.mask & allowed:
            continue
        cpu, memory = need.cpu, need.memory
        for bucket, _ in reversed(flavor.orders.get(need.accelerators) or flavor.order(need)):
            for free_cpu, free_memory, _, _ in reversed(bucket.nodes):
                if free_cpu < cpu:
                    break
                if free_memory >= memory:
                    return True
    return False


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
