"""Jobs that are recorded as a number of accelerators: how many tasks of how many each.

One node's worth is one task. More than that is a gang: whole nodes where the number divides by a
node's, otherwise equal tasks of the largest size that divides both, which may share nodes.
"""

from math import gcd

from suan.model.demand import Demand, Option
from suan.model.resources import ANY_ACCELERATOR, Resources

NODE = 8  # accelerators a node, in the Philly and Helios clusters


def divided(count: int) -> tuple[int, int]:
    """Tasks, and the accelerators of each."""
    if count <= NODE:
        return 1, count
    each = gcd(count, NODE)
    return count // each, each


class Gangs:
    """Demands by size and by the pool they are bound to; equal ones are one object."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Demand, bool]] = {}

    def of(self, size: str, pool: str) -> tuple[Demand, bool]:
        """A demand, and whether it had to be split into less than whole nodes.

        Raises:
            ValueError: ``size`` is no whole number above zero.
        """
        found = self._known.get((size, pool))
        if found is None:
            found = self._known[size, pool] = _demand(int(float(size)), pool)
        return found


def _demand(count: int, pool: str) -> tuple[Demand, bool]:
    if count <= 0:
        raise ValueError("a job without accelerators")
    tasks, each = divided(count)
    per_task = Resources(accelerators=((ANY_ACCELERATOR, each * 1000),))
    return Demand(tasks, (Option(per_task, pool),)), tasks > 1 and each < NODE
