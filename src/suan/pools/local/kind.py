"""The table's entry for the local pool: reading its declaration, and opening it."""

import os
from dataclasses import replace
from itertools import count
from pathlib import Path

from suan.content.cache import Cache
from suan.facts.accelerators import canonical
from suan.jobfile.quantities import parse_memory
from suan.model.offer import NodeStatus, Offer
from suan.model.resources import Resources
from suan.model.units import DAY, SECOND, NodeName
from suan.pools import quantities, terms
from suan.pools.declaration import PoolDeclaration
from suan.pools.fields import Fields
from suan.pools.local.allocation import Allocation, numbered
from suan.pools.local.discovery.machine import Machine, discover
from suan.pools.local.environment import inherited
from suan.pools.local.launcher import Launcher
from suan.pools.local.pool import LocalPool
from suan.pools.local.runs import RunStore, Settings

_DEFAULT_GRACE_US = 10 * SECOND
_DEFAULT_KEEP_US = 7 * DAY


class LocalKind:
    """Declares and opens local pools."""

    def declare(self, fields: Fields, *, home: Path, where: str) -> PoolDeclaration:
        """Read an entry. Without ``nodes`` the pool is this machine, as found when opened.

        Raises:
            InputError: with ``file:line``.
        """
        del home
        offer = terms.offered(fields, "local", LocalPool)
        entries = fields.mappings("nodes")
        nodes = _nodes(fields, offer.pool, entries) if entries is not None else None
        return PoolDeclaration(
            offer=_powered(offer, nodes or ()),
            nodes=nodes,
            options=_options(fields),
            where=where,
        )

    def open(self, declaration: PoolDeclaration, *, home: Path) -> LocalPool:
        """Open it; its runs live under ``home/pools/NAME``."""
        machine = discover() if declaration.nodes is None else None
        nodes = (machine.node,) if machine else declaration.nodes or ()
        pools = home.resolve() / "pools"
        runs = RunStore(
            directory=pools / declaration.name,
            settings=Settings(
                grace_us=int(declaration.options.get("grace_us", _DEFAULT_GRACE_US)),
                keep_us=int(declaration.options.get("keep_us", _DEFAULT_KEEP_US)),
                cgroup=declaration.options.get("cgroup"),
                inherited=inherited(os.environ),
                real_devices=machine is not None,
            ),
            allocation=_allocation(nodes, machine),
            launcher=Launcher(pools),
            cache=Cache(str(home.resolve() / "content")),  # the server's own, unless it has another
        )
        return LocalPool(_with_notes(declaration.offer, machine), nodes, runs)


def _allocation(nodes: tuple[NodeStatus, ...], machine: Machine | None) -> Allocation:
    if machine is not None:
        return Allocation({machine.node.name: machine.devices})
    return Allocation({node.name: numbered(node.total) for node in nodes})


def _with_notes(offer: Offer, machine: Machine | None) -> Offer:
    if machine is None:
        return offer
    offer = _powered(offer, (machine.node,))
    return replace(offer, terms=replace(offer.terms, notes=offer.terms.notes + machine.notes))


def _powered(offer: Offer, nodes: tuple[NodeStatus, ...]) -> Offer:
    models = (model for node in nodes for model, _ in node.total.accelerators)
    return replace(offer, terms=terms.powered(offer.terms, models))


def _options(fields: Fields) -> dict[str, str]:
    grace = fields.parsed("grace_s", quantities.seconds)
    keep = fields.parsed("keep_days", quantities.days)
    cgroup = fields.text("cgroup")
    options = {"grace_us": grace, "keep_us": keep, "cgroup": cgroup}
    return {name: str(value) for name, value in options.items() if value is not None}


def _nodes(fields: Fields, pool: str, entries: list[Fields]) -> tuple[NodeStatus, ...]:
    nodes: dict[NodeName, NodeStatus] = {}
    numbers = count(1)
    for entry in entries:
        named = entry.text("name")
        copies = entry.parsed("count", quantities.count) or 1
        total = _total(entry)
        rack = entry.parsed("rack", quantities.rack) or ""
        entry.end()
        for copy in range(copies):
            if named is None:
                name = NodeName(f"{pool}-{next(numbers)}")
            else:
                name = NodeName(named if copies == 1 else f"{named}-{copy + 1}")
            if name in nodes:
                raise entry.error(f"two nodes are called {name!r}", name="name", mend="rename one")
            nodes[name] = NodeStatus(name=name, total=total, rack=rack)
    if not nodes:
        raise fields.error(
            f"pool {pool!r} lists no nodes",
            name="nodes",
            mend="declare at least one, or drop `nodes` to use this machine as it is",
        )
    return tuple(nodes.values())


def _total(entry: Fields) -> Resources:
    cpu_milli = entry.parsed("cpus", quantities.thousandths)
    memory_mib = entry.parsed("memory", parse_memory)
    if not cpu_milli or not memory_mib:
        raise entry.error(
            "a node needs cpus and memory", mend="write for example `cpus: 64` and `memory: 512GB`"
        )
    models = entry.mapping("accelerators")
    counts = models.each(quantities.thousandths) if models else {}
    amounts: dict[str, int] = {}
    for model, amount in counts.items():
        amounts[canonical(model)] = amounts.get(canonical(model), 0) + amount
    return Resources(
        cpu_milli=cpu_milli,
        memory_mib=memory_mib,
        accelerators=tuple(sorted((m, a) for m, a in amounts.items() if a)),
    )
