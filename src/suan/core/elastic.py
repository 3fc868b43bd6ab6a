"""Elastic jobs: what a run has above its job's minimum, its *extras*.

The minimum follows every rule of an ordinary job. Extras are given when a cycle has started all
who may start, of what none of those who still wait could use now: no flavor that is held for a job
without a forecast, none that an advance reservation keeps from it, and of what is reserved only
what the reservation leaves to spare, or for as long as the job is known to need before its instant.
They stay within the quota of the queue and the job's limit on cost, as the minimum does.
"""

from collections.abc import Iterable
from dataclasses import replace

from suan.core.ask import Ask
from suan.core.backfill import Backfill
from suan.core.filters import hourly_cost
from suan.core.matching import Candidate, mask_of
from suan.core.nodes import Node
from suan.core.packing import Spots
from suan.core.records import RunRecord
from suan.core.room import Room
from suan.core.scorers import cost_of
from suan.core.state import State
from suan.model.demand import Demand
from suan.model.plan import Place
from suan.model.units import Instant


def is_elastic(demand: Demand) -> bool:
    """Whether runs of a job may have more tasks than it needs at least."""
    return demand.most > demand.tasks


class Extras:
    """What may be given in one cycle, after all who may start have started."""

    __slots__ = ("_backfill", "now", "state")

    def __init__(self, state: State, now: Instant, runs: Iterable[RunRecord]) -> None:
        """Make the reservations that the ``runs`` could meet."""
        self.state = state
        self.now = now
        self._backfill = Backfill(state, now)
        if state.line.windowed:
            self._backfill.reserve_for(mask_of(filter(None, map(candidate_of, runs))))
            self._backfill.watch()

    def give(self, run: RunRecord, place: Place) -> Place:
        """Give a run that is placed in this cycle what it may have; its placement with that."""
        candidate = candidate_of(run)
        spots = [] if candidate is None else self._room(run, candidate)
        if candidate is None or not spots:
            return place
        self.state.stretch(run, spots, self.now)
        self._spare_less(run, spots)
        demand = replace(run.job.told.demand, tasks=len(run.nodes))
        cost = cost_of(Ask(demand, run.option, run.per_task), candidate.pool.offer)
        return replace(place, nodes=run.nodes, costs=(cost, *place.costs[1:]))

    def count(self, run: RunRecord) -> int:
        """How many more tasks a run could have."""
        candidate = candidate_of(run)
        return 0 if candidate is None else sum(tasks for _, tasks in self._room(run, candidate))

    def _room(self, run: RunRecord, candidate: Candidate) -> Spots:
        """Where a run may have more tasks now. What it has already is not to spare for it, though
        it be expected to end."""
        left = self._within_limits(run, candidate)
        if not left:
            return []
        self._goes_on(run, -1)
        spots = self._spots(run, candidate, left)
        self._goes_on(run, 1)
        return spots

    def _spots(self, run: RunRecord, candidate: Candidate, left: int) -> Spots:
        spots = Spots()
        closed = self.state.capacity.closed_to(self.state.advance.bars(run.job, self.now))
        allowed = candidate.mask & ~self._held() & ~closed
        reserved = self._backfill.nodes
        room = Room(candidate, allowed, reserved, now=self.now, job=None)
        racks = self._racks(run)
        for flavor, need in candidate.kinds:
            if not flavor.mask & allowed or flavor.misses(need):
                continue
            for node, held in sorted(
                flavor.holding(need), key=lambda each: each[0].status.rack not in racks
            ):
                takes = most = min(left, held)
                if node in reserved and not self._ends_before(run, node):
                    takes = room.beside(node, most)
                if takes:
                    spots.append((node, takes))
                    left -= takes
                    if not left:
                        return spots
        return spots

    def _racks(self, run: RunRecord) -> set[str]:
        """Where its other tasks are: extras are best put there."""
        nodes = self.state.capacity.pools[run.pool].nodes
        return {nodes[name].status.rack for name in run.nodes}

    def _within_limits(self, run: RunRecord, candidate: Candidate) -> int:
        """How many more tasks a run may have, whatever is free."""
        least, most = 0, run.job.told.demand.most - len(run.nodes)
        while least < most:
            middle = (least + most + 1) // 2
            if self._may_have(run, candidate, middle):
                least = middle
            else:
                most = middle - 1
        return least

    def _may_have(self, run: RunRecord, candidate: Candidate, more: int) -> bool:
        demand, quotas = run.job.told.demand, self.state.quotas
        whole = Ask(replace(demand, tasks=len(run.nodes) + more), run.option, run.per_task)
        if hourly_cost.check(whole, candidate.pool) is not None:
            return False
        extra = replace(candidate, tasks=more)
        return not quotas.count or not (quotas.short(run.job, extra) or quotas.over(run.job, extra))

    def _held(self) -> int:
        """The flavors of which nothing is to be given."""
        held = 0
        if self.state.line.windowed:
            for mask, _ in self._backfill.closed:
                held |= mask
        else:
            for _, mask, _ in self.state.line.front:
                held |= mask
        return held

    def _ends_before(self, run: RunRecord, node: Node) -> bool:
        """Whether a run is known to end before a node is needed that is reserved."""
        return 0 < run.job.window <= self._backfill.nodes[node].at - self.now

    def _goes_on(self, run: RunRecord, times: int) -> None:
        """Take what a run has from the reservations for which it is expected to end in time."""
        nodes = self.state.capacity.pools[run.pool].nodes
        for node in map(nodes.__getitem__, dict.fromkeys(run.nodes)):
            kept = self._backfill.nodes.get(node)
            if kept is None or run.until is None or run.until > kept.at:
                continue
            if not self._ends_before(run, node):
                kept.spots[node].then.refund(node.runs[run.id], times)

    def _spare_less(self, run: RunRecord, spots: Spots) -> None:
        """What was given on reserved nodes is not to spare for the next run."""
        for node, tasks in spots:
            kept = self._backfill.nodes.get(node)
            if kept is not None and not self._ends_before(run, node):
                kept.spots[node].then.refund(node.runs[run.id].last(tasks), -1)


def candidate_of(run: RunRecord) -> Candidate | None:
    """By which of its job's candidates a run was placed; ``None`` if there is no such any more."""
    shape = run.job.shape
    assert shape is not None
    for candidate in shape.candidates:
        if (candidate.pool.name, candidate.option) == (run.pool, run.option) and (
            candidate.per_task == run.per_task
        ):
            return candidate
    return None
