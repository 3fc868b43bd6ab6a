"""Simulated pools, from what a live server reads or from the lists that traces come with.

``pools.yaml`` is read by the same code as in ``suan serve``: declared nodes, prices and sites. CSV
node lists: ``vc,nodes`` (nodes of 8 accelerators, one pool a virtual cluster) and openb's
``sn,cpu_milli,memory_mib,gpu,model`` (one pool).
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from suan.facts.accelerators import canonical
from suan.model.errors import InputError
from suan.model.events import PoolObserved, ReservationMade
from suan.model.offer import NodeStatus, Offer
from suan.model.resources import Resources
from suan.model.units import NodeName, PoolName
from suan.sim.traces.gangs import NODE

_CLUSTERS = ("vc",)
_OPENB = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
_MODEL = "PHILLY-GPU"  # the trace does not say which


@dataclass(frozen=True, slots=True)
class SimulatedPool:
    """A pool of the simulation: its offer, and nodes that are there from the beginning."""

    offer: Offer
    nodes: tuple[NodeStatus, ...]

    @property
    def total(self) -> Resources:
        """What all nodes have together, cordoned ones too."""
        total = Resources()
        for node in self.nodes:
            total = total.plus(node.total)
        return total

    def observed(self) -> PoolObserved:
        """The event that tells the scheduler of it."""
        return PoolObserved(0, self.offer, self.nodes)


def load(path: Path) -> tuple[SimulatedPool, ...]:
    """The pools of a file: CSV by its header, anything else is ``pools.yaml``.

    Raises:
        InputError: with ``file:line`` where one can be named.
    """
    return load_all(path)[0]


def load_all(path: Path) -> tuple[tuple[SimulatedPool, ...], tuple[ReservationMade, ...]]:
    """The pools of a file, and what is reserved of them from the beginning: ``reservations`` in a
    ``pools.yaml``.

    Raises:
        InputError: with ``file:line`` where one can be named.
    """
    header = _header(path)
    if header[:1] == list(_CLUSTERS) and len(header) > 1:
        return tuple(_clusters(path)), ()
    if set(_OPENB) <= set(header):
        return (_openb(path),), ()
    return _declared(path)


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [each.strip() for each in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"the pools file cannot be read: {error}",
            where=str(path),
            mend="give a pools.yaml, or a CSV node list, in UTF-8",
        ) from error


def _declared(path: Path) -> tuple[tuple[SimulatedPool, ...], tuple[ReservationMade, ...]]:
    from suan.pools.declared import load_simulated

    found = []
    declared, reserved = load_simulated(path, home=path.parent)
    for declaration in declared:
        if declaration.nodes is None:
            raise InputError(
                f"pool {declaration.name!r} declares no nodes, and a simulation has none to find",
                where=declaration.where,
                mend="declare them: `nodes: [{count: 4, cpus: 64, memory: 512GB}]`",
            )
        found.append(SimulatedPool(declaration.offer, declaration.nodes))
    return tuple(found), tuple(ReservationMade(0, each) for each in reserved)


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """``file:line`` and fields of every row after the header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        width = len(next(reader))
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if row and len(row) != width:
                raise InputError(
                    f"{len(row)} fields where the header has {width}",
                    where=where,
                    mend="mend that line",
                )
            if row:
                yield where, row


def _count(text: str, where: str) -> int:
    """A whole number that is not negative."""
    try:
        found = int(text or 0)
    except ValueError:
        found = -1
    if found < 0:
        raise InputError(
            f"{text!r} is not a whole number of something", where=where, mend="mend that line"
        )
    return found


def _clusters(path: Path) -> Iterator[SimulatedPool]:
    total = Resources(accelerators=((_MODEL, NODE * 1000),))
    seen = set()
    for where, row in _rows(path):
        name, count = row[0], _count(row[1], where)
        if not count or not name or name in seen:
            raise InputError(
                f"virtual cluster {name!r} has no nodes, or stands here twice",
                where=where,
                mend="give each cluster once, with at least one node",
            )
        seen.add(name)
        width = len(str(count))
        nodes = (NodeStatus(NodeName(f"{name}-{n:0{width}}"), total) for n in range(1, count + 1))
        yield SimulatedPool(Offer(PoolName(name), "simulated"), tuple(nodes))


def _openb(path: Path) -> SimulatedPool:
    at = [_header(path).index(each) for each in _OPENB]
    nodes: dict[NodeName, NodeStatus] = {}
    for where, row in _rows(path):
        name, cpu, memory, gpus, model = [row[each] for each in at]
        count = _count(gpus, where)
        if name in nodes or (count and not model):
            raise InputError(
                f"node {name!r} stands here twice, or has accelerators of no model",
                where=where,
                mend="mend that line",
            )
        accelerators = ((canonical(model), count * 1000),) if count else ()
        total = Resources(_count(cpu, where), _count(memory, where), accelerators)
        nodes[NodeName(name)] = NodeStatus(NodeName(name), total)
    if not nodes:
        raise InputError("the node list is empty", where=f"{path}:1", mend="list nodes below it")
    return SimulatedPool(Offer(PoolName("openb"), "simulated"), tuple(nodes.values()))
