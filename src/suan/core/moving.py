"""Moves: runs that make way for a job and go on elsewhere.

A gang may wait though there is room for it, in pieces. Where shares are evened out, whoever may not
be displaced for a job may be moved for it: he stops, too, but there is a place for him on another
node of the same kind, on what is free there or what those leave who may be displaced. So nobody
comes to hold less than before, and what it costs is the work that he has not saved.

Room is made for one task after another, each time where that costs least. The job then comes first
of its class and those who have moved next, so that nobody else takes what was meant for them. Not
for: who may be displaced or moved (``core.preemption``).
"""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

from suan.core.choosing import Choice
from suan.core.devices import WHOLE
from suan.core.flavors import Flavor, Need
from suan.core.forecast import Future
from suan.core.nodes import Held, Node
from suan.core.records import RunRecord
from suan.model.resources import Resources
from suan.model.units import Duration

Costs = Mapping[RunRecord, Duration]  # the work that is lost with each
Offer = tuple[Duration, int, str, Node]  # what room on a node costs, and how many go for it


class Moves:
    """A pool as it would be, with room for a job where others have gone or moved."""

    __slots__ = ("_changes", "_choice", "_costs", "_futures", "_stuck", "_willing", "going")

    def __init__(self, choice: Choice[RunRecord], willing: Costs, movers: Costs) -> None:
        self.going: list[RunRecord] = []
        self._choice = choice
        self._willing = willing
        self._costs = {**willing, **movers}
        self._futures: dict[Node, Future] = {}
        self._changes: list[tuple[Future, Held, int]] = []
        self._stuck: set[tuple[int, Resources, int]] = set()  # for such movers there is no place

    def clear(self) -> bool:
        """Whether the whole gang fits once those who are ``going`` have gone, and the movers among
        them have moved."""
        candidate, needs = self._choice.candidate, self._choice.needs
        left, offers = candidate.tasks, list[Offer]()
        nodes = candidate.pool.nodes.values()
        there = [each for each in nodes if each.home is not None and id(each.flavor) in needs]
        for node in sorted(there, key=self._looseness):
            free = self._future(node).slots(needs[id(node.flavor)], left)
            if free:
                self._charge(node, Held(candidate.per_task, free))
                left -= free
            offers += self._offer(node, needs[id(node.flavor)], self._costs)
        heapify(offers)
        while left and offers:
            offer = heappop(offers)
            need = needs[id(offer[3].flavor)]
            now = self._offer(offer[3], need, self._costs)
            if now and now[0] <= offer:
                if not self._vacate(offer[3], need):
                    continue
                left -= 1
                now = self._offer(offer[3], need, self._costs)
            for each in now:
                heappush(offers, each)
        return not left

    def _offer(self, node: Node, need: Need, among: Costs, *, tasks: int = 1) -> list[Offer]:
        leavers = self._leavers(node, need, among, tasks=tasks)
        if not leavers:
            return []
        return [(sum([among[run] for run in leavers]), len(leavers), node.name, node)]

    def _leavers(self, node: Node, need: Need, among: Costs, *, tasks: int = 1) -> list[RunRecord]:
        """Who must go from a node so that some tasks fit, the cheapest first; empty if none do."""
        future, chosen = self._future(node), list[RunRecord]()
        for run in self._on(node, among):
            if self._may_go(run, chosen):
                future.refund(run.held(node))
                chosen.append(run)
            if future.slots(need, tasks) == tasks:
                break
        fits = future.slots(need, tasks) == tasks
        for run in reversed(tuple(chosen)):
            future.refund(run.held(node), -1)
            if future.slots(need, tasks) == tasks:
                chosen.remove(run)
            else:
                future.refund(run.held(node))
        for run in chosen:
            future.refund(run.held(node), -1)
        return chosen if fits else []

    def _on(self, node: Node, among: Costs) -> list[RunRecord]:
        there = self._choice.candidate.pool.open
        runs = [there[name] for name in node.runs if name in there]
        found = [run for run in runs if run in among and run not in self.going]
        found.sort(key=lambda run: (among[run], run.number))
        return found

    def _may_go(self, run: RunRecord, beside: list[RunRecord]) -> bool:
        if run not in self._willing:
            return self._kind(run) not in self._stuck
        gone = [each for each in (*self.going, *beside) if each in self._willing]
        return not self._choice.covered(run, gone)

    def _vacate(self, node: Node, need: Need) -> bool:
        """Give one more task a node's room, and whoever must move a place; or change nothing."""
        went, changes = len(self.going), len(self._changes)
        for run in self._leavers(node, need, self._costs):
            self._leave(run)
        self._charge(node, Held(self._choice.candidate.per_task, 1))
        movers = [run for run in self.going[went:] if run not in self._willing]
        movers.sort(key=lambda run: (-run.devices, run.number))
        for run in movers:
            if self._settle(run):
                continue
            if run is movers[0]:
                self._stuck.add(self._kind(run))
            for future, held, times in reversed(self._changes[changes:]):
                future.refund(held, -times)
            del self._changes[changes:], self.going[went:]
            return False
        return True

    def _kind(self, run: RunRecord) -> tuple[int, Resources, int]:
        flavor = self._choice.candidate.pool.nodes[run.nodes[0]].flavor
        return id(flavor), run.per_task, len(run.nodes)

    def _settle(self, run: RunRecord) -> bool:
        """Give a mover the tightest place that holds him, or the one that it costs least to make;
        whether there is any."""
        flavor = self._choice.candidate.pool.nodes[run.nodes[0]].flavor
        need = flavor.need(run.per_task) if flavor is not None else None
        if flavor is None or need is None:
            return False
        tasks = len(run.nodes)
        holding = (n for n in self._of(flavor) if self._future(n).slots(need, tasks) == tasks)
        node = min(holding, key=self._looseness, default=None)
        if node is None:
            offers = [
                offer
                for each in self._of(flavor)
                for offer in self._offer(each, need, self._willing, tasks=tasks)
            ]
            if not offers:
                return False
            node = min(offers)[3]
            for each in self._leavers(node, need, self._willing, tasks=tasks):
                self._leave(each)
        self._charge(node, Held(run.per_task, tasks))
        return True

    def _of(self, flavor: Flavor) -> Iterator[Node]:
        for node in self._choice.candidate.pool.nodes.values():
            if node.flavor is flavor and node.home is not None:
                yield node

    def _looseness(self, node: Node) -> tuple[int, int, str]:
        free = [each for devices in self._future(node).devices for each in devices]
        return sum([each >= WHOLE for each in free]), sum(free), node.name

    def _future(self, node: Node) -> Future:
        found = self._futures.get(node)
        if found is None:
            found = self._futures[node] = Future(node)
        return found

    def _leave(self, run: RunRecord) -> None:
        self.going.append(run)
        nodes = self._choice.candidate.pool.nodes
        for name in dict.fromkeys(run.nodes):
            future, held = self._future(nodes[name]), run.held(nodes[name])
            future.refund(held)
            self._changes.append((future, held, 1))

    def _charge(self, node: Node, held: Held) -> None:
        future = self._future(node)
        future.charge(node.models, held)
        self._changes.append((future, held, -1))
