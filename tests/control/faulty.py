"""A pool that does what real pools do at their worst. It keeps count of what really happened."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.pool import Launch, Observation, RunReport
from suan.model.resources import Resources
from suan.model.units import Duration, Instant, NodeName, PoolName, RunId

HANG = "hang"  # never answer


@dataclass
class Fault:
    """What goes wrong in a call: before it has its effect, or after."""

    error: BaseException | str
    after: bool = False


@dataclass
class FakeRun:
    launch: Launch
    ref: str
    started_at: Instant | None = None
    ended_at: Instant | None = None
    outcome: Outcome | None = None


@dataclass
class FaultyPool:
    """Runs that end when the test says so, and faults in the order they were planned."""

    name: str = "faulty"
    cpu_price: int = 0
    nodes: int = 4
    kind: ClassVar[str] = "faulty"
    runs: dict[RunId, FakeRun] = field(default_factory=dict)
    begun: Counter[RunId] = field(default_factory=Counter)
    cancelled: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    lies: list[RunReport] = field(default_factory=list)
    instant: bool = False  # runs end at once, with success
    stubborn: bool = False  # a cancelled run says nothing
    now: Callable[[], Instant] = field(default_factory=lambda: itertools.count(10**15).__next__)
    faults: dict[str, deque[Fault]] = field(default_factory=dict)

    @property
    def offer(self) -> Offer:
        return Offer(PoolName(self.name), "faulty", Terms(cpu_hour=self.cpu_price))

    def plan(self, call: str, *errors: BaseException | str, after: bool = False) -> None:
        """Faults for the next calls of a method."""
        self.faults.setdefault(call, deque()).extend(Fault(error, after) for error in errors)

    async def observe(self, cursor: str | None) -> Observation:
        await self._pass("observe", after=False)
        reports = [self._report(run) for run in self.runs]
        node = Resources(cpu_milli=4000, memory_mib=8192)
        nodes = tuple(NodeStatus(NodeName(f"{self.name}-{i}"), node) for i in range(self.nodes))
        return Observation(
            cursor="now",
            nodes=nodes if cursor is None else None,
            reports=(*reports, *self.lies),
        )

    async def launch(self, launch: Launch) -> str:
        fault = await self._pass("launch", after=False)
        run = self.runs.get(launch.run)
        if run is None:
            self.begun[launch.run] += 1
            run = self.runs[launch.run] = FakeRun(launch, f"ref-{launch.run}", self.now())
            if self.instant:
                self.finish(launch.run)
        await self._fail(fault)
        return run.ref

    async def find(self, run: RunId) -> str | None:
        await self._pass("find", after=False)
        return self.runs[run].ref if run in self.runs else None

    async def cancel(self, ref: str, grace: Duration) -> None:
        fault = await self._pass("cancel", after=False)
        self.cancelled.append(ref)
        for run in self.runs.values():
            if run.ref == ref and run.outcome is None and not self.stubborn:
                self.finish(run.launch.run, Cause.CANCELLED, None)
        await self._fail(fault)

    async def close(self) -> None:
        """Nothing is held."""

    def finish(self, run: RunId, cause: Cause = Cause.SUCCEEDED, exit_code: int | None = 0) -> None:
        """A run's tasks end."""
        self.runs[run].ended_at = self.now()
        self.runs[run].outcome = Outcome(cause, exit_code)

    def forget(self, run: RunId) -> None:
        """The pool loses a run without a trace."""
        del self.runs[run]

    async def _pass(self, call: str, *, after: bool) -> Fault | None:
        self.calls[call] += 1
        planned = self.faults.get(call)
        fault = planned.popleft() if planned else None
        if fault is not None and not fault.after:
            await self._fail(fault)
        return fault

    async def _fail(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if isinstance(fault.error, str):
            await asyncio.Event().wait()
        else:
            raise fault.error

    def _report(self, run: RunId) -> RunReport:
        known = self.runs[run]
        return RunReport(run, known.ref, known.started_at, known.ended_at, known.outcome)
