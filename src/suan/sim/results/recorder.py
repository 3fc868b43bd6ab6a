"""What a simulator tells of a run as it goes."""

from dataclasses import replace
from functools import reduce

from suan.model.units import Instant
from suan.sim.results.ended import Ended, RowWriter
from suan.sim.results.groups import NOTHING, Group
from suan.sim.results.result import Result
from suan.sim.results.spans import Span, Spans
from suan.sim.results.tally import Tally
from suan.sim.results.timeline import BATCH, Clock


class Recorder:
    """Gathers one policy's results while it is simulated.

    Its methods are called for each of millions of jobs, so they note what they are told and count
    it a batch at a time. ``rows`` is given every job that ended, in that order; whoever opened it
    closes it, after ``result``.
    """

    def __init__(self, policy: str, rows: RowWriter | None = None) -> None:
        self._policy = policy
        self._rows = rows
        self._clock = Clock()
        self._samples = self._clock.samples
        self._spans = Spans()
        self._until: Instant | None = None
        self._tally = Tally()
        self._ended: list[Ended] = []

    def capacity(self, now: Instant, cpu_milli: int, accelerators_milli: int) -> None:
        """As much can be scheduled from ``now`` on, in thousandths of devices."""
        self._clock.capacity(now, cpu_milli, accelerators_milli)

    def changed(
        self,
        now: Instant,
        *,
        pending: int,
        running: int,
        cpu_milli: int,
        accelerators_milli: int,
    ) -> None:
        """What waits, runs and is in use after an instant's decisions. Time never goes back.

        Told again of the same instant, the last word counts.
        """
        samples = self._samples
        if samples and samples[-1][0] == now:
            samples.pop()
        samples.append((now, pending, running, cpu_milli, accelerators_milli))
        if len(samples) > BATCH:
            self._clock.integrate()

    def ran(
        self, job: str, pool: str, node: str, *, began: Instant, until: Instant, tenant: str
    ) -> None:
        """A run ended, which had been on ``node`` (the first, if several)."""
        if self._until is None or began < self._until:
            self._spans.add(Span(job, pool, node, began, until, tenant))
            self._until = self._spans.until

    def ended(self, job: Ended) -> None:
        """A job has left the system."""
        self._ended.append(job)
        if len(self._ended) >= BATCH:
            self._count()

    def result(self) -> Result:
        """What it all came to so far."""
        self._count()
        tally, whole = self._tally, self._tally.whole
        priorities = tally.groups("priority")
        overall = reduce(Group.plus, priorities, replace(NOTHING, name="all"))
        return Result(
            policy=self._policy,
            jobs=whole.jobs,
            states=tuple(sorted(tally.states.items())),
            attempts=whole.attempts,
            preempted=whole.preempted,
            deadlines=whole.deadlines,
            missed=whole.missed,
            first=whole.first or 0,
            last=whole.last or 0,
            overall=overall,
            tenants=tally.groups("tenant"),
            priorities=priorities,
            sizes=tally.groups("size"),
            pools=tally.groups("pool"),
            timeline=self._clock.timeline(),
            gantt=self._spans.gantt(),
        )

    def _count(self) -> None:
        if not self._ended:
            return
        if self._rows is not None:
            self._rows.write(self._ended)
        self._tally.add(self._ended)
        self._ended.clear()
