"""Advance reservations: nodes that are kept from one instant to another, for some or for nobody."""

from collections.abc import Iterable, Mapping
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


@dataclass(frozen=True, slots=True)
class ReservationAsked:
    """A reservation as an operator asks for it. Without ``nodes`` these are found: ``count`` of
    those in the pool whose names ``match`` and that have the ``accelerator``, or all of them."""

    name: str
    pool: PoolName
    begin: Instant
    end: Instant
    nodes: tuple[NodeName, ...] = ()
    count: int | None = None
    match: str = "*"  # with * and ? as wildcards
    accelerator: str = ""  # a model; empty is any, or none
    tenants: tuple[TenantName, ...] = ()
    users: tuple[str, ...] = ()
    reason: str = ""
    by: str = ""


def args_of(reservation: Reservation) -> dict[str, str]:
    """What a request to the leader says of a reservation."""
    return {
        "pool": reservation.pool,
        "nodes": "\n".join(reservation.nodes),
        "begin": str(reservation.begin),
        "end": str(reservation.end),
        "tenants": "\n".join(reservation.tenants),
        "users": "\n".join(reservation.users),
        "reason": reservation.reason,
    }


def reservation_of(name: str, args: Mapping[str, str], *, by: str, made_at: Instant) -> Reservation:
    """The reservation that such a request means.

    Raises:
        ValueError: it cannot be read, or cannot be.
    """
    several = {key: tuple(args.get(key, "").split("\n")) for key in ("nodes", "tenants", "users")}
    nodes, tenants, users = (each if each != ("",) else () for each in several.values())
    return Reservation(
        name,
        PoolName(args.get("pool", "")),
        tuple(map(NodeName, nodes)),
        int(args.get("begin", "")),
        int(args.get("end", "")),
        tuple(map(TenantName, tenants)),
        users,
        reason=args.get("reason", ""),
        by=by,
        made_at=made_at,
    )


def first_met(asked: Reservation, among: Iterable[Reservation]) -> Reservation | None:
    """The first of others that would keep a node at the same time, by name; one of the same name
    counts as well, where it is not over when the one asked for is made."""
    met = (
        each
        for each in among
        if asked.meets(each) or (each.name == asked.name and each.end > asked.made_at)
    )
    return min(met, key=lambda each: each.name, default=None)
