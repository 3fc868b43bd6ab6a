"""Filter and score: what each pool says to each shape, worked out once and kept.

A *shape* is a demand that any number of jobs share (together with the pools that rejected them).
A *match* is one pool's word on one shape: a standing refusal, or the candidates to place it by.
Matches change only when a pool's offer, nodes or readiness do, never as runs come and go.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from suan.core.ask import Ask, asks
from suan.core.capacity import Pool, devices_of
from suan.core.filters import first_refusal
from suan.core.flavors import Asker, Flavor, Kin, Need
from suan.core.scorers import cost_of
from suan.core.wording import amount_of
from suan.model.demand import Demand
from suan.model.plan import Cost
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import Resources
from suan.model.units import PoolName

if TYPE_CHECKING:
    from suan.core.lanes import Lane, Row
    from suan.core.shares import Account


@dataclass(slots=True, eq=False)
class Candidate:
    """One way to run a shape in one pool. ``kinds`` are the flavors that can hold a task of it,
    smallest first, and ``mask`` their bits.

    When its flavors had grown ``missed_at`` times, a gang did not fit on those in ``missed_in``:
    until one of them grows again, it still does not."""

    pool: Pool
    option: int
    tasks: int
    per_task: Resources
    cost: Cost
    kinds: tuple[tuple[Flavor, Need], ...]
    mask: int
    missed_at: int = -1
    missed_in: int = 0

    def open_part(self, closed: int) -> int:
        """The bits of its flavors that are not in ``closed``, if the whole gang would fit there
        though all our runs ended; or else none."""
        left = self.mask & ~closed
        if left == self.mask or not left or self.tasks == 1:
            return left
        room = sum(
            _reach_of(flavor, need, self.tasks) for flavor, need in self.kinds if flavor.mask & left
        )
        return left if room >= self.tasks else 0


@dataclass(slots=True, eq=False)
class Match:
    """One pool's word on one shape. With candidates, ``mask`` has all their flavors, and ``full``
    is what to say while none of them fits."""

    pool: Pool
    refusal: Refusal | None
    candidates: tuple[Candidate, ...] = ()
    mask: int = 0
    full: Refusal | None = None


@dataclass(slots=True, eq=False)
class Grounds:
    """What is always the same when a shape is placed by one of its candidates: the costs of the
    pools not passed over, that candidate's first; the pools ``passed`` over and their flavors;
    and the refusals, if these pools are all full."""

    costs: tuple[Cost, ...]
    passed: tuple[Match, ...]
    mask: int
    all_full: tuple[Refusal, ...]


@dataclass(slots=True, eq=False)
class Shape:
    """Jobs with equal needs. ``mask`` has the bits of every flavor that such a job could use,
    ``candidates`` are all pools' together, the best first, ``standing`` the refusals of pools
    without any, and ``grounds`` the reasons by the number of the candidate that is chosen.
    ``number`` tells shapes apart; ``jobs`` counts its unfinished jobs, and ``waiting`` has those of
    its lanes with anyone; its ``rows`` have them in order, by the bits of what bars them.
    ``of_flavor`` has the numbers of the candidates by the bit of a flavor, and ``needs`` what
    a task takes there."""

    demand: Demand
    rejected_by: tuple[PoolName, ...]
    number: int = 0
    jobs: int = 0
    mask: int = 0
    matches: dict[PoolName, Match] = field(default_factory=dict)
    ordered_matches: tuple[tuple[PoolName, Match], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    standing: tuple[Refusal, ...] = ()
    grounds: dict[int, Grounds] = field(default_factory=dict)
    lanes: "dict[tuple[Account, int, int], Lane]" = field(default_factory=dict)
    waiting: "dict[Lane, None]" = field(default_factory=dict)
    rows: "dict[int, Row]" = field(default_factory=dict)
    asks: list[tuple[Kin, Asker]] = field(default_factory=list)
    of_flavor: dict[int, list[int]] = field(default_factory=dict)
    needs: dict[int, list[tuple[Flavor, Need]]] = field(default_factory=dict)

    def rematch(self, pool: Pool) -> None:
        """Ask one pool anew. ``settle`` must follow."""
        self.matches[pool.name] = match(self.demand, self.rejected_by, pool)

    def settle(self) -> None:
        """Put the candidates in order: cheapest first, or by option if the demand is ordered."""
        self.ordered_matches = tuple(sorted(self.matches.items(), key=lambda item: item[0]))
        refusals = [found.refusal for _, found in self.ordered_matches]
        self.standing = tuple(refusal for refusal in refusals if refusal)
        self.grounds.clear()
        every = [c for _, found in self.ordered_matches for c in found.candidates]
        first_option = self.demand.ordered
        every.sort(
            key=lambda c: (
                c.option if first_option else 0,
                c.cost.total,
                c.pool.name,
                devices_of(c.kinds[0][0].key),  # a node with few accelerators before one with many
                c.option,
            )
        )
        self.candidates = tuple(every)
        self.mask = mask_of(every)
        self.of_flavor.clear()
        self.needs.clear()
        for number, candidate in enumerate(every):
            for flavor, need in candidate.kinds:
                self.of_flavor.setdefault(flavor.mask, []).append(number)
                self.needs.setdefault(flavor.mask, []).append((flavor, need))
        self._ask(every)

    def reaching(self, flavors: int) -> Sequence[int]:
        """The numbers of the candidates that have one of some flavors, in order."""
        left = self.mask & flavors
        if left == self.mask:
            return range(len(self.candidates))
        found: set[int] = set()
        while left:
            bit = left & -left
            found.update(self.of_flavor[bit])
            left ^= bit
        return sorted(found)

    def has_room(self, flavors: int) -> bool:
        """Whether a task fits somewhere on some flavors now."""
        left = self.mask & flavors
        while left:
            bit = left & -left
            left ^= bit
            for flavor, need in self.needs[bit]:
                if need.missed_at != need.kin.stamp and flavor.tightest(need) is not None:
                    return True
        return False

    def usable(self, closed: int) -> int:
        """The bits of the flavors that a job could use which may not start on those in
        ``closed``."""
        if not self.mask & closed:
            return self.mask
        found = 0
        for candidate in self.candidates:
            found |= candidate.open_part(closed)
        return found

    def _ask(self, candidates: list[Candidate]) -> None:
        """Be found from the nodes that could hold a task (``Flavor.askers``)."""
        self.forget()
        for candidate in candidates:
            for _, need in candidate.kinds:
                asker = (need.cpu, need.memory, self.number, self)
                at = bisect_left(need.kin.askers, asker[:3])
                if need.kin.askers[at : at + 1] != [asker]:  # two options may ask alike
                    need.kin.askers.insert(at, asker)
                    self.asks.append((need.kin, asker))

    def forget(self) -> None:
        """Be found no more."""
        for kin, asker in self.asks:
            del kin.askers[bisect_left(kin.askers, asker[:3])]
        self.asks.clear()


def mask_of(parts: Iterable[Candidate | Flavor | Match]) -> int:
    """The bits of every flavor among these."""
    mask = 0
    for part in parts:
        mask |= part.mask
    return mask


def match(demand: Demand, rejected_by: tuple[PoolName, ...], pool: Pool) -> Match:
    """Run the tables of filters and scorers for one shape and one pool.

    Of several options' refusals the one that passed the most filters is told.
    """
    candidates: list[Candidate] = []
    nearest: tuple[int, Refusal | None] = (-1, None)
    for ask in asks(demand, rejected_by, pool):
        passed, refusal = first_refusal(ask, pool)
        if refusal is None:
            candidate = _candidate(ask, pool)
            if candidate is not None:
                candidates.append(candidate)
                continue
            refusal = _held_by_others(ask, pool)
        if passed > nearest[0]:
            nearest = (passed, refusal)
    if not candidates:
        return Match(pool, nearest[1])
    return Match(pool, None, tuple(candidates), mask_of(candidates))


def _candidate(ask: Ask, pool: Pool) -> Candidate | None:
    """The flavors in reach, or ``None`` if the gang would not fit though all our runs ended."""
    kinds: list[tuple[Flavor, Need]] = []
    room, within = 0, ask.demand.reservation
    for flavor in pool.kinds:
        need = flavor.need(ask.per_task)
        if need is None or (within is not None and within not in flavor.key[3]):
            continue
        held = _reach_of(flavor, need, ask.tasks)
        if held:
            kinds.append((flavor, need))
            room += held
    if room < ask.tasks:
        return None
    mask = mask_of(flavor for flavor, _ in kinds)
    cost = cost_of(ask, pool.offer)
    return Candidate(pool, ask.option, ask.tasks, ask.per_task, cost, tuple(kinds), mask)


def _reach_of(flavor: Flavor, need: Need, tasks: int) -> int:
    """How many of so many tasks a flavor would hold if every run of suan's ended."""
    return sum(n * need.slots(vector, tasks) for vector, n in flavor.reach.items())


def _held_by_others(ask: Ask, pool: Pool) -> Refusal:
    return Refusal(
        code=RefusalCode.NO_CAPACITY,
        pool=pool.name,
        detail=f"{_wanted(ask.tasks, ask.per_task)}; what others than suan use here, and cordoned"
        " nodes, leave too little even if every run of suan's ended",
        unblocked_by="the others' work ends, or cordoned nodes return",
    )


def full_of(found: Match) -> Refusal:
    """What a pool with candidates says while none of them fits."""
    if found.full is None:
        found.full = _full(found)
    return found.full


def _full(found: Match) -> Refusal:
    ways = dict.fromkeys(_wanted(c.tasks, c.per_task) for c in found.candidates)
    return Refusal(
        code=RefusalCode.NO_CAPACITY,
        pool=found.pool.name,
        detail=f"{' or '.join(ways)}; that much is not free at once",
        unblocked_by="runs in this pool end",
    )


def _wanted(tasks: int, per_task: Resources) -> str:
    each = f"{tasks} tasks of " if tasks > 1 else ""
    return f"the job needs {each}{amount_of(per_task)}"
