"""Choosing who goes: of runs (or parts of them) that may stop for a job, those that are enough.

Not for: who may stop for whom (``core.preemption``, ``core.resizing``).
"""

from collections.abc import Callable
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

    __slots__ = ("candidate", "job", "needs", "quotas", "spares")

    def __init__(
        self,
        state: State,
        job: JobRecord,
        candidate: Candidate,
        *,
        allowed: int,
        spares: Callable[[T, list[T]], bool] | None = None,
    ) -> None:
        """``spares`` tells whom others' going keeps from going as well."""
        self.quotas = state.quotas
        self.spares = spares
        self.job = job
        self.candidate = candidate
        self.needs = {id(f): need for f, need in candidate.kinds if f.mask & allowed}

    def of(self, willing: list[tuple[int, T]], *, by_cost: bool = True) -> list[T]:
        """Of runs with what stopping them costs, in this order; empty if all do not do.
        ``by_cost`` says that the cheapest come first, so that not all need be looked at."""
        if self.single:
            return self._on_one_node(willing, by_cost=by_cost)
        going = _Going(self, self._free_now())
        for _, run in willing:
            if going.add(run):
                return going.least()
        return []

    def _on_one_node(self, willing: list[tuple[int, T]], *, by_cost: bool) -> list[T]:
        """Those of the node where it costs least: one task needs no more than one node."""
        best: tuple[int, int, str] | None = None  # what it costs, how many go, the node's name
        found: list[T] = []
        costs = {run: cost for cost, run in willing}
        below_zero = sum(cost < 0 for cost, _ in willing)
        of_node: dict[Node, _Going[T]] = {}
        settled: set[Node] = set()
        for cost, run in willing:
            if by_cost and best is not None and cost > best[0] + below_zero:
                break  # without the last who goes the task would not fit, so he must
            for node in self.nodes_of(run):
                if node in settled:
                    continue
                going = of_node.get(node)
                if going is None:
                    going = of_node[node] = _Going(self, 0)
                if going.add(run):
                    settled.add(node)
                    chosen = going.least()
                    cost_of_all = sum([costs[each] for each in chosen])
                    this = cost_of_all, len(chosen), node.name
                    if chosen and (best is None or this < best):
                        best, found = this, chosen
        return found

    @property
    def single(self) -> bool:
        """Whether one node is all that is needed."""
        return self.candidate.tasks == 1 and self.within_quota([])

    def gain(self, run: T) -> int:
        """How many more tasks fit without a run."""
        return _Going(self, 0).free(run, 1)

    def nodes_of(self, run: T) -> list[Node]:
        """Where a run holds what the job could use."""
        pool, needs = self.candidate.pool, self.needs
        if run.pool != pool.name:
            return []
        names = run.nodes if len(run.nodes) == 1 else dict.fromkeys(run.nodes)
        nodes = [pool.nodes[name] for name in names]
        return [n for n in nodes if n.home is not None and id(n.flavor) in needs]

    def within_quota(self, chosen: list[T]) -> bool:
        """Whether the job's quota allows it once some runs have ended."""
        quotas = self.quotas
        return not quotas.count or quotas.short(self.job, self.candidate, chosen) is None

    def covered(self, run: T, chosen: list[T]) -> bool:
        """Whether, with others gone already, another's guarantee or share covers a run."""
        if self.spares is not None and self.spares(run, chosen):
            return True
        return bool(self.quotas.quotas) and self.quotas.protects(run, self.job, chosen)

    def _free_now(self) -> int:
        found = 0
        for flavor, need in self.candidate.kinds:
            if id(flavor) in self.needs:
                held = (held for _, held in flavor.holding(need))
                found += sum(min(each, self.candidate.tasks) for each in held)
        return found


class _Going(Generic[T]):
    """Those who go for a job, one after the other, and the ``room`` in tasks that there is then."""

    __slots__ = ("choice", "chosen", "futures", "room")

    def __init__(self, choice: Choice[T], room: int) -> None:
        self.choice = choice
        self.room = room
        self.chosen: list[T] = []
        self.futures: dict[Node, Future] = {}

    def add(self, run: T) -> bool:
        """One more goes, unless it is covered; whether that is enough."""
        choice = self.choice
        if choice.covered(run, self.chosen):
            return False
        self.room += self.free(run, 1)
        self.chosen.append(run)
        return self._enough(self.room, self.chosen)

    def least(self) -> list[T]:
        """Those of them who must go."""
        chosen, must = self.chosen, list[T]()
        for at in range(len(chosen) - 1, -1, -1):
            run = chosen[at]
            room = self.room + self.free(run, -1)
            gone = chosen[:at] + must[::-1] if self.choice.quotas.count else []
            if self._enough(room, gone):
                self.room = room
            else:
                self.free(run, 1)
                must.append(run)
        return must[::-1]

    def _enough(self, room: int, gone: list[T]) -> bool:
        choice = self.choice
        return room >= choice.candidate.tasks and choice.within_quota(gone)

    def free(self, run: T, times: int) -> int:
        """How many more tasks fit without a run (fewer, with ``times`` of -1: with it again)."""
        choice, gained = self.choice, 0
        tasks = choice.candidate.tasks
        for node in choice.nodes_of(run):
            future = self.futures.get(node)
            if future is None:
                future = self.futures[node] = Future(node)
            need = choice.needs[id(node.flavor)]
            before = future.slots(need, tasks)
            future.refund(run.held(node), times)
            gained += future.slots(need, tasks) - before
        return gained
