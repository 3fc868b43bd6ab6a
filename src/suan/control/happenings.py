"""What the pools' agents tell the loop, one small value at a time."""

from dataclasses import dataclass
from typing import TypeAlias

from suan.model.job import Outcome
from suan.model.offer import NodeStatus, Offer
from suan.model.pool import RunReport
from suan.model.units import NodeName, PoolName, RunId


@dataclass(frozen=True, slots=True)
class Capacity:
    """A pool answered, and its capacity is new or may be."""

    offer: Offer
    nodes: tuple[NodeStatus, ...]
    removed: tuple[NodeName, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A pool has not answered for so long that nothing new should go there."""

    pool: PoolName
    detail: str


@dataclass(frozen=True, slots=True)
class Delivering:
    """What a run needs is on its way to its pool: so many bytes of so many are there."""

    run: RunId
    pool: PoolName
    done: int
    size: int


@dataclass(frozen=True, slots=True)
class Launched:
    """A pool has taken a run, and this is what it calls it."""

    run: RunId
    ref: str


@dataclass(frozen=True, slots=True)
class Reported:
    """A pool's word on a run."""

    pool: PoolName
    report: RunReport


@dataclass(frozen=True, slots=True)
class Over:
    """A run is known to be over though no pool reports it: refused, stopped unborn, or lost."""

    run: RunId
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Doubted:
    """A pool said what cannot be true, for the first time in a while."""

    pool: PoolName
    doubt: str
    detail: str


Happening: TypeAlias = Capacity | Unreachable | Delivering | Launched | Reported | Over | Doubted
