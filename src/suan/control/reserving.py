"""Drawing up a reservation: from what an operator asks for to nodes by name, or why it cannot be.

What is drawn up changes nothing: it is asked for in the store as any command is, and compared with
the others once more when the leader takes it (``Draft``).
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from suan.control.book import Book
from suan.facts.accelerators import canonical
from suan.model.errors import InputError, NotFound, StoreConflict
from suan.model.reservation import Reservation, ReservationAsked, first_met
from suan.model.units import Instant, NodeName, RunId


def draw_up(
    book: Book,
    asked: ReservationAsked,
    outlasting: Mapping[NodeName, tuple[RunId, ...]],
    *,
    now: Instant,
) -> tuple[Reservation, tuple[RunId, ...]]:
    """The reservation that was asked for, and the runs on its nodes that are not sure to end before
    it begins. ``outlasting`` has such runs of the pool by node.

    Raises:
        InputError: it cannot be.
        StoreConflict: another keeps one of the nodes at the same time, or has its name.
    """
    if asked.end <= now:
        raise InputError("it would be over already", where="end", mend="name a later end")
    sight = book.pools.get(asked.pool)
    if sight is None:
        there = ", ".join(sorted(book.pools)[:20]) or "none"
        raise NotFound(
            f"there is no pool {asked.pool[:80]!r}; there are {there}",
            where="pool",
            mend="see `suan pool list`",
        )
    nodes = asked.nodes or _found(book, asked, outlasting, now=now)
    unknown = [node for node in nodes if node not in sight.nodes]
    if unknown:
        raise InputError(
            f"pool {asked.pool} has no node {unknown[0][:80]!r}",
            where="nodes",
            mend=f"see `suan pool show {asked.pool}`",
        )
    drawn = Reservation(
        name=asked.name,
        pool=asked.pool,
        nodes=tuple(sorted(set(nodes))),
        begin=asked.begin,
        end=asked.end,
        tenants=tuple(sorted(set(asked.tenants))),
        users=tuple(sorted(set(asked.users))),
        reason=asked.reason,
        by=asked.by,
        made_at=now,
    )
    met = first_met(drawn, book.reservations.values())
    if met is not None:
        raise conflict(drawn, met)
    return drawn, tuple(
        dict.fromkeys(run for node in drawn.nodes for run in outlasting.get(node, ()))
    )


def conflict(asked: Reservation, met: Reservation) -> StoreConflict:
    """Why two reservations cannot both be."""
    if asked.name == met.name:
        detail = f"there is a reservation {met.name} already, which is not over"
    else:
        node = min(set(asked.nodes) & set(met.nodes))
        detail = f"reservation {met.name} keeps {node} at the same time"
    return StoreConflict(
        detail, mend=f"choose other nodes, another time or name, or cancel {met.name} first"
    )


def _found(
    book: Book,
    asked: ReservationAsked,
    outlasting: Mapping[NodeName, tuple[RunId, ...]],
    *,
    now: Instant,
) -> tuple[NodeName, ...]:
    """Nodes that will do: those first on which nothing may still run then, of equals by name."""
    fitting = [
        name
        for name, status in book.pools[asked.pool].nodes.items()
        if fnmatchcase(name, asked.match)
        and (not asked.accelerator or status.total.accelerator(canonical(asked.accelerator)))
    ]
    if not fitting:
        model = f" with {asked.accelerator}" if asked.accelerator else ""
        raise InputError(
            f"no node of pool {asked.pool}{model} has a name like {asked.match[:80]!r}",
            where="match",
            mend=f"see `suan pool show {asked.pool}`",
        )
    if asked.count is None:
        return tuple(fitting)
    free = [name for name in fitting if not _taken(book, asked, name, now=now)]
    if len(free) < asked.count:
        raise StoreConflict(
            f"{len(free)} of {len(fitting)} such nodes are not reserved at that time, and"
            f" {asked.count} are wanted",
            mend="ask for fewer, choose another time, or see `suan reservations list`",
        )
    free.sort(key=lambda name: (name in outlasting, name))
    return tuple(free[: asked.count])


def _taken(book: Book, asked: ReservationAsked, node: NodeName, *, now: Instant) -> bool:
    """Whether another keeps a node at the same time."""
    return any(
        each.pool == asked.pool
        and node in each.nodes
        and each.begin < asked.end
        and asked.begin < each.end
        and each.end > now
        for each in book.reservations.values()
    )
