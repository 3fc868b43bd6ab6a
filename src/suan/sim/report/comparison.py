"""The same groups side by side under several policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, TypeAlias

from suan.sim.results import Group, Result, largest

Dimension: TypeAlias = Literal["tenants", "pools", "priorities", "sizes"]
DIMENSIONS: dict[Dimension, str] = {
    "sizes": "size",
    "priorities": "priority",
    "pools": "pool",
    "tenants": "tenant",
}
MANY = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One group under each policy, in their order; ``None`` where it has no job that ran.

    ``others`` is how many groups it stands for: more than 0 only for the rest together.
    """

    name: str
    groups: tuple[Group | None, ...]
    others: int = 0

    @property
    def jobs(self) -> int:
        """The most jobs of it that ran under any policy."""
        return max((each.jobs for each in self.groups if each), default=0)


def groups_of(result: Result, dimension: Dimension) -> tuple[Group, ...]:
    """Every group of one dimension."""
    found: tuple[Group, ...] = attrgetter(dimension)(result)
    return found


def compared(
    results: Sequence[Result], dimension: Dimension, *, many: int = MANY
) -> tuple[Row, ...]:
    """The groups with the most device time over all policies together, and the rest in one row.

    Tenants and pools come by device time, sizes and priorities by their own order.
    """
    together: dict[str, Group] = {}
    for result in results:
        for each in groups_of(result, dimension):
            found = together.get(each.name)
            together[each.name] = found.plus(each) if found else each
    kept, rest = largest(tuple(together.values()), many)
    if dimension in ("sizes", "priorities"):
        kept = tuple(sorted(kept, key=lambda each: each.key))
    names = [each.name for each in kept]
    by_name = [{each.name: each for each in groups_of(result, dimension)} for result in results]
    rows = [Row(name, tuple(groups.get(name) for groups in by_name)) for name in names]
    if rest.groups:
        rows.append(_rest(by_name, frozenset(names), rest.groups))
    return tuple(rows)


def _rest(by_name: Sequence[dict[str, Group]], shown: frozenset[str], many: int) -> Row:
    left = [
        largest(tuple(each for name, each in groups.items() if name not in shown), 0)[1].together
        for groups in by_name
    ]
    return Row(f"{many:,} others", tuple(each if each.jobs else None for each in left), many)
