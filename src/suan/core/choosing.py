"""Choosing who goes: of runs (or parts of them) that may stop for a job, those that are enough.

Not for: who may stop for whom (``core.preemption``, ``core.resizing``).
"""

from typing import Generic, TypeVar

from suan.core.forecast import Future
from suan.core.matching import Candidate
from suan.core.nodes import Node
from suan.core.records import Holding, JobRecord
from suan.core.state import State

T = TypeVar("T", bound=Holding)


class Choice(Generic[T]):
    """Of what may stop for a job, for one of its candidates: taken one by one until the gang fits,
    then each let off again without whom it fits as well, the dearest first."""

    __slots__ = ("candidate", "futures", "job", "needs", "quotas")

    def __init__(self, state: State, job: JobRecord, candidate: Candidate, *, allowed: int) -> None:
        self.quotas = state.quotas
        self.job = job
        self.candidate = candidate
        self.needs = {id(f): need for f, need in candidate.kinds if f.mask & allowed}
        self.futures: dict[Node, Future] = {}

    def of(self, willing: list[tuple[int, T]]) -> list[T]:
        """Of runs with what stopping them costs, the cheapest first; empty if all do not do."""
        if not self.single:
            return self._least([run for _, run in willing], self._free_now())
        best: tuple[int, int, list[T]] | None = None
        lost = {run: cost for cost, run in willing}
        for runs in self._by_node(willing):
            chosen = self._least(runs, 0)
            if chosen:
                cost = sum(lost[run] for run in chosen)
                if best is None or (cost, len(chosen)) < best[:2]:
                    best = cost, len(chosen), chosen
        return best[2] if best else []

    @property
    def single(self) -> bool:
        """Whether one node is all that is needed."""
        return self.candidate.tasks == 1 and self._within_quota([])

    def gain(self, run: T) -> int:
        """How many more tasks fit without a run."""
        gained = self._free(run, 1)
        self._free(run, -1)
        return gained

    def _by_node(self, willing: list[tuple[int, T]]) -> list[list[T]]:
        """For each node the runs on it: one task needs no more than one node."""
        nodes: dict[Node, list[T]] = {}
        for _, run in willing:
            for node in self.nodes_of(run):
                nodes.setdefault(node, []).append(run)
        return [nodes[node] for node in sorted(nodes, key=lambda node: node.name)]

    def nodes_of(self, run: T) -> list[Node]:
        """Where a run holds what the job could use."""
        pool = self.candidate.pool
        if run.pool != pool.name:
            return []
        nodes = [pool.nodes[name] for name in dict.fromkeys(run.nodes)]
        return [n for n in nodes if n.home is not None and id(n.flavor) in self.needs]

    def _within_quota(self, chosen: list[T]) -> bool:
        """Whether the job's quota allows it once some runs have ended."""
        quotas = self.quotas
        return not quotas.count or quotas.short(self.job, self.candidate, chosen) is None

    def _covered(self, run: T, chosen: list[T]) -> bool:
        """Whether, with others gone already, another's guarantee covers a run."""
        return bool(self.quotas.quotas) and self.quotas.protects(run, self.job, chosen)

    def _free_now(self) -> int:
        found = 0
        for flavor, need in self.candidate.kinds:
            if id(flavor) in self.needs:
                held = (held for _, held in flavor.holding(need))
                found += sum(min(each, self.candidate.tasks) for each in held)
        return found

    def _least(self, runs: list[T], free: int) -> list[T]:
        tasks = self.candidate.tasks
        self.futures.clear()
        room = free
        chosen: list[T] = []
        for run in runs:
            if self._covered(run, chosen):
                continue
            room += self._free(run, 1)
            chosen.append(run)
            if room >= tasks and self._within_quota(chosen):
                break
        else:
            return []
        for run in [*reversed(chosen)]:
            gained = self._free(run, -1)
            rest = [each for each in chosen if each is not run]
            if room + gained >= tasks and self._within_quota(rest):
                room += gained
                chosen = rest
            else:
                self._free(run, 1)
        return chosen

    def _free(self, run: T, times: int) -> int:
        """How many more tasks fit without a run (fewer, with ``times`` of -1: with it again)."""
        gained = 0
        for node in self.nodes_of(run):
            future = self.futures.get(node)
            if future is None:
                future = self.futures[node] = Future(node)
            need = self.needs[id(node.flavor)]
            before = future.slots(need, self.candidate.tasks)
            future.refund(run.held(node), times)
            gained += future.slots(need, self.candidate.tasks) - before
        return gained
