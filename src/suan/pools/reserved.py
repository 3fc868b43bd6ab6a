"""The key ``reservations`` of a pools file: what is reserved in a simulation.

A server keeps its reservations in its store (``suan reservations``) and takes no file that has
the key. Times count from the first submission of the trace.
"""

from collections.abc import Mapping, Sequence

from suan.jobfile.quantities import parse_duration
from suan.model.reservation import Reservation, first_met
from suan.model.units import NodeName, PoolName, TenantName
from suan.pools.fields import Fields


def reservations(
    entries: Sequence[Fields], nodes: Mapping[str, Sequence[NodeName]]
) -> tuple[Reservation, ...]:
    """What the entries say; ``nodes`` are those of each pool, all of which are meant where an entry
    names none.

    Raises:
        InputError: with ``file:line``: a pool or a node is not declared, there is no time in which
            it could be, or two would keep one node at the same time.
    """
    found: list[Reservation] = []
    for entry in entries:
        made = _reservation(entry, nodes)
        met = first_met(made, found)
        if met is not None:
            raise entry.error(
                f"reservation {made.name!r} meets {met.name!r}, or has its name",
                name="name",
                mend="give other nodes, another time or another name",
            )
        found.append(made)
    return tuple(found)


def _reservation(entry: Fields, nodes: Mapping[str, Sequence[NodeName]]) -> Reservation:
    name, pool = entry.text("name"), entry.text("pool")
    if not name or pool is None or pool not in nodes:
        raise entry.error(
            "a reservation needs a name, and a pool that is declared in this file",
            name="pool" if name else "name",
            mend=f"declared pools: {', '.join(nodes)}",
        )
    named = entry.texts("nodes") or nodes[pool]
    unknown = sorted(set(named) - set(nodes[pool]))
    if unknown:
        raise entry.error(
            f"reservation {name!r}: pool {pool!r} has no node {unknown[0]!r}",
            name="nodes",
            mend=f"its nodes are {', '.join(nodes[pool][:8])}",
        )
    begin, lasts = entry.parsed("begin", parse_duration), entry.parsed("for", parse_duration)
    if not lasts:
        raise entry.error(
            f"reservation {name!r} takes no time", name="for", mend="write `for: 4h`, for example"
        )
    tenants = tuple(TenantName(each) for each in sorted(set(entry.texts("tenants"))))
    users, begins = tuple(sorted(set(entry.texts("users")))), begin or 0
    entry.end()
    kept = tuple(NodeName(each) for each in sorted(set(named)))
    return Reservation(name, PoolName(pool), kept, begins, begins + lasts, tenants, users)
