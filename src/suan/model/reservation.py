"""Advance reservations: nodes that are kept from one instant to another, for some or for nobody."""

from collections.abc import Iterable
from dataclasses import dataclass

from suan.model.units import Instant, NodeName, PoolName, TenantName


@dataclass(frozen=True, slots=True)
class Reservation:
    """From ``begin`` until ``end`` only jobs of these ``tenants`` and ``users`` may start on some
    nodes of a pool; without either, none may: that is maintenance. A tenant stands for those below
    it, too (``lab`` for ``lab/vision``). ``made_at`` is when and ``by`` who made it."""

    name: str
    pool: PoolName
    nodes: tuple[NodeName, ...]  # sorted
    begin: Instant
    end: Instant
    tenants: tuple[TenantName, ...] = ()  # sorted
    users: tuple[str, ...] = ()  # sorted
    reason: str = ""
    by: str = ""
    made_at: Instant = 0

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("nodes: none is named")
        for name in ("nodes", "tenants", "users"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name}: must be sorted, each named once")
        if self.end <= self.begin:
            raise ValueError("end: must be after the beginning")

    @property
    def maintenance(self) -> bool:
        """Whether it admits nobody."""
        return not self.tenants and not self.users

    def admits(self, tenant: TenantName, user: str) -> bool:
        """Whether a job of this tenant and user may start on its nodes at any time."""
        if user and user in self.users:
            return True
        return any(tenant == each or tenant.startswith(f"{each}/") for each in self.tenants)

    def meets(self, other: "Reservation") -> bool:
        """Whether both keep a node at the same time."""
        if self.pool != other.pool or self.end <= other.begin or other.end <= self.begin:
            return False
        return not set(self.nodes).isdisjoint(other.nodes)


def first_met(asked: Reservation, among: Iterable[Reservation]) -> Reservation | None:
    """The first of others that would keep a node at the same time, by name; one of the same name
    counts as well, where it is not over when the one asked for is made."""
    met = (
        each
        for each in among
        if asked.meets(each) or (each.name == asked.name and each.end > asked.made_at)
    )
    return min(met, key=lambda each: each.name, default=None)
