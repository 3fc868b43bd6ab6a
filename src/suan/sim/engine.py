"""The loop: a heap of what will happen, the real scheduler, and pools that do as they are told.

Everything of one instant is told before the scheduler is asked: first what was in the heap (runs
that end, nodes that fail or return) in the order it was put there, then submissions in the
trace's order. Then it is asked until it has no more to say. What it asks for takes effect at
once: a placed run starts in that instant, a stopped one ends when its grace is over.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from suan.model.events import Event, JobSubmitted, PoolObserved, RunEnded, RunStarted
from suan.model.job import Cause, JobState, Outcome
from suan.model.offer import NodeStatus
from suan.model.plan import Finish, Place, Plan, Stop
from suan.model.resources import Resources
from suan.model.spec import Checkpoint
from suan.model.units import Duration, Instant, JobId, NodeName, PoolName, RunId
from suan.sim.dependencies import Ends
from suan.sim.failures import Failures
from suan.sim.living import SUCCEEDED, Living, NodeTurn, Running, Told
from suan.sim.pools import SimulatedPool
from suan.sim.results import Ended, Recorder
from suan.sim.scaling import done_in, lasts
from suan.sim.settings import Settings
from suan.sim.traces.job import TraceJob

TIMED_OUT = Outcome(Cause.TIMED_OUT)
HOPELESS = 1000  # wake-ups in a row after which nothing was decided, with nothing running
TOLD_EVERY = 1024  # jobs that leave between two calls of ``progress``


class Decider(Protocol):
    """What the engine needs of ``suan.core.Scheduler``."""

    def apply(self, event: Event) -> None: ...

    def decide(self, now: Instant) -> Plan: ...


class Engine:
    """One policy over one trace. Made anew for each run."""

    def __init__(
        self,
        scheduler: Decider,
        pools: tuple[SimulatedPool, ...],
        recorder: Recorder,
        *,
        told: Sequence[Event],
        settings: Settings,
        dependent: bool = False,
    ) -> None:
        """``told`` is what the scheduler hears first: its policy, its queues; what of it is of a
        later instant, it hears then. With ``dependent`` the trace has jobs that wait for others,
        and how jobs ended is remembered."""
        self._scheduler = scheduler
        self._recorder = recorder
        self._settings = settings
        self._requested = settings.durations == "requested"
        self._actual = settings.durations == "actual"
        self._apply = scheduler.apply
        self._pools = {pool.offer.pool: pool for pool in pools}
        self._heap: list[tuple[Instant, int, Running | NodeTurn | Told]] = []
        self._numbers = count()
        self._living: dict[JobId, Living] = {}
        self._runs: dict[RunId, Running] = {}
        self._ends = Ends() if dependent else None
        self._idle = 0
        self._wake: Instant | None = None
        self._submitted = self._left = 0
        self._progress: Callable[[int], None] | None = None
        self._cpu = self._accelerators = 0
        self._now: Instant = 0
        self._loads: dict[int, tuple[Resources, int, int]] = {}
        self._failures = Failures(settings) if settings.mtbf is not None else None
        self._down: set[tuple[PoolName, NodeName]] = set()
        interval = settings.checkpoint_every
        self._checkpoint = Checkpoint(interval=interval) if interval else None
        for event in told:
            if event.at > 0:
                heappush(self._heap, (event.at, next(self._numbers), Told(event)))
            else:
                scheduler.apply(event)
        for pool in pools:
            scheduler.apply(pool.observed())
            if self._failures is not None:
                for node in pool.nodes:
                    self._turn(pool.offer.pool, node, 0, fails=True)
        self._tell_capacity(0)

    def run(self, jobs: Iterator[TraceJob], progress: Callable[[int], None] | None = None) -> None:
        """Go on until every job has left, or nothing more can happen. ``progress`` is told now
        and then how many jobs have left."""
        self._progress = progress
        heap, upcoming, changed = self._heap, next(jobs, None), self._recorder.changed
        living, runs = self._living, self._runs
        while (now := self._next(upcoming)) is not None:
            while heap and heap[0][0] == now:
                what = heappop(heap)[2]
                if isinstance(what, Running):
                    if not what.over:
                        self._end(what, now, what.outcome)
                elif isinstance(what, NodeTurn):
                    self._node_turns(what, now)
                else:
                    self._apply(what.event)
            while upcoming is not None and upcoming.submit == now:
                self._submit(upcoming, now)
                upcoming = next(jobs, None)
            self._decide(now)
            changed(
                now,
                pending=len(living) - len(runs),
                running=len(runs),
                cpu_milli=self._cpu,
                accelerators_milli=self._accelerators,
            )
            self._now = now
        self._leave_behind()

    def _next(self, upcoming: TraceJob | None) -> Instant | None:
        """The next instant at which anything happens; ``None`` when nothing will."""
        heap = self._heap
        while heap and heap[0][2].over:
            heappop(heap)
        now = self._wake
        if upcoming is not None:
            if now is None or upcoming.submit < now:
                now = upcoming.submit
        elif not self._living or not (self._runs or self._down or self._hopes(now)):
            return None
        if heap and (now is None or heap[0][0] < now):
            now = heap[0][0]
        return now

    def _hopes(self, wake: Instant | None) -> bool:
        """Whether asking again at ``wake`` may start what nothing else will: once, surely; but not
        for ever, where the scheduler wakes up by habit."""
        return wake is not None and self._idle < HOPELESS

    def _submit(self, job: TraceJob, now: Instant) -> None:
        number = self._submitted = self._submitted + 1
        limit, expected = None, None
        if self._requested:
            limit, expected = job.requested, job.expected
        elif self._actual:
            expected = job.runtime
        living = Living(job, limit)
        after = job.after
        if self._ends is not None:
            open_after = self._ends.still_open(job)
            if open_after is None:
                self._ended(living, now, JobState.SKIPPED)
                return
            after = open_after
        self._living[job.job] = living
        event = JobSubmitted(
            now,
            job.job,
            number,
            job.demand,
            job.queue,
            job.tenant,
            job.user,
            job.name,
            job.priority,
            job.retry,
            after,
            limit,
            expected,
            job.deadline,
            0,
            (),
            job.command,
            job.checkpoint or self._checkpoint,
        )
        self._apply(event)

    def _decide(self, now: Instant) -> None:
        """Ask until there is no more, and do as told."""
        decide, more = self._scheduler.decide, True
        while more:
            plan = decide(now)
            self._idle = 0 if plan.decisions else self._idle + 1
            for decision in plan.decisions:
                if isinstance(decision, Place):
                    self._place(decision, now)
                elif isinstance(decision, Finish):
                    self._ended(self._living.pop(decision.job), now, decision.state)
                elif isinstance(decision, Stop):
                    self._stop(decision, now)
            more = plan.more
        wake = plan.wake_at
        self._wake = None if wake is None else max(wake, now + 1)

    def _place(self, place: Place, now: Instant) -> None:
        living = self._living[place.job]
        living.attempts += 1
        living.place = place
        warm = 0
        if living.started is None:
            living.started = now
        else:
            warm = self._settings.restart_cost
        run = Running(living, place, now, warm=warm)
        per_task, tasks = place.per_task, len(place.nodes)
        left, limit = living.job.runtime - living.kept, living.limit
        length = warm + (left if tasks == living.job.demand.tasks else self._lasts(left, run))
        if limit is not None and length > limit:
            length, run.outcome = limit, TIMED_OUT
        until = run.until = now + length
        # the same few Resources again and again; each is kept, so its identity stays its own
        known = self._loads.get(id(per_task))
        if known is None:
            known = (per_task, per_task.cpu_milli, per_task.accelerators_total)
            self._loads[id(per_task)] = known
        run.cpu, run.accelerators = known[1] * tasks, known[2] * tasks
        self._cpu += run.cpu
        self._accelerators += run.accelerators
        self._runs[place.run] = run
        heappush(self._heap, (until, next(self._numbers), run))
        self._apply(RunStarted(now, place.run, tasks))

    def _stop(self, stop: Stop, now: Instant) -> None:
        """A run is to end: after its grace, unless it ends by itself before."""
        run = self._runs.get(stop.run)
        if run is None or run.stopping:
            return
        run.stopping = True
        checkpoint = run.of.job.checkpoint
        grace = (checkpoint.grace or 0) if checkpoint is not None else 0
        if grace:
            run.saved_at = now
        if now + grace < run.until:
            run.until, run.outcome = now + grace, Outcome(stop.cause, detail=stop.detail)
            heappush(self._heap, (run.until, next(self._numbers), run))

    def _end(self, run: Running, now: Instant, outcome: Outcome) -> None:
        living, place = run.of, run.place
        run.over = True
        del self._runs[place.run]
        self._cpu -= run.cpu
        self._accelerators -= run.accelerators
        served = now - run.began
        kept = living.job.runtime
        if outcome is not SUCCEEDED:
            kept = self._kept(run, now, outcome)
            if outcome.cause is Cause.PREEMPTED:
                living.preempted += 1
        living.served += served
        useful, extra = kept - living.kept, len(place.nodes) - living.job.demand.tasks
        if extra:
            living.extra += served * extra
            useful = self._lasts(useful, run)
        living.lost += served - useful
        living.kept = kept
        self._apply(RunEnded(now, place.run, outcome))
        self._recorder.ran(
            place.job,
            place.pool,
            place.nodes[0],
            began=run.began,
            until=now,
            tenant=living.job.tenant,
        )

    def _kept(self, run: Running, now: Instant, outcome: Outcome) -> Duration:
        """The work that a job need not do again after a run that did not succeed."""
        living = run.of
        done = max(0, now - run.began - run.warm)
        if outcome.cause is Cause.TIMED_OUT:
            # its limit is no accident: nothing was thrown away
            return living.kept + self._done(done, run)
        if run.saved_at is not None and outcome.cause is not Cause.LOST:
            saved = max(0, run.saved_at - run.began - run.warm)
            return living.kept + self._done(saved, run)
        checkpoint = living.job.checkpoint or self._checkpoint
        if checkpoint is None or checkpoint.interval is None:
            return living.kept
        return living.kept + self._done(done - done % checkpoint.interval, run)

    def _lasts(self, work: Duration, run: Running) -> Duration:
        """How long some of a job's work takes where it runs."""
        least = run.of.job.demand.tasks
        return lasts(work, least, len(run.place.nodes), parallel=self._settings.parallel)

    def _done(self, time: Duration, run: Running) -> Duration:
        """How much work a run does in some time."""
        least = run.of.job.demand.tasks
        return done_in(time, least, len(run.place.nodes), parallel=self._settings.parallel)

    def _ended(self, living: Living, now: Instant, state: JobState) -> None:
        """A job leaves."""
        self._left += 1
        if self._progress is not None and not self._left % TOLD_EVERY:
            self._progress(self._left)
        job, place = living.job, living.place
        per_task = job.demand.options[0].per_task if place is None else place.per_task
        if self._ends is not None:
            self._ends.note(job.job, state)
        self._recorder.ended(
            Ended(
                job.job,
                job.line,
                job.name,
                job.user,
                job.tenant,
                job.queue,
                job.priority,
                None if place is None else place.pool,
                living.of_gang(1),
                living.of_gang(per_task.cpu_milli),
                living.of_gang(per_task.accelerators_total) if per_task.accelerators else 0,
                job.submit,
                living.started,
                now,
                living.served,
                living.lost,
                living.attempts,
                living.preempted,
                state.value,
                job.deadline,
            )
        )

    def _leave_behind(self) -> None:
        """Jobs that nothing will ever start have waited until the end."""
        for living in self._living.values():
            self._ended(living, self._now, JobState.PENDING)

    def _turn(self, pool: PoolName, node: NodeStatus, now: Instant, *, fails: bool) -> None:
        """Put a node's next failure or return in the heap."""
        assert self._failures is not None
        draw = self._failures.lasts if fails else self._failures.heals
        at = now + draw(pool, node.name)
        heappush(self._heap, (at, next(self._numbers), NodeTurn(pool, node, fails=fails)))

    def _node_turns(self, turn: NodeTurn, now: Instant) -> None:
        """A node fails and its runs are lost, or it is back."""
        pool, node = turn.pool, turn.node
        offer = self._pools[pool].offer
        if turn.fails:
            self._down.add((pool, node.name))
            seen = replace(node, schedulable=False)
        else:
            self._down.discard((pool, node.name))
            seen = node
        self._apply(PoolObserved(now, offer, (seen,), complete=False))
        if turn.fails:
            lost = Outcome(Cause.LOST, detail=f"node {node.name} failed")
            for run in list(self._runs.values()):
                if run.place.pool == pool and node.name in run.place.nodes:
                    self._end(run, now, lost)
        self._turn(pool, node, now, fails=not turn.fails)
        self._tell_capacity(now)

    def _tell_capacity(self, now: Instant) -> None:
        cpu = accelerators = 0
        for name, pool in self._pools.items():
            for node in pool.nodes:
                if node.schedulable and (name, node.name) not in self._down:
                    cpu += node.total.cpu_milli
                    accelerators += node.total.accelerators_total
        self._recorder.capacity(now, cpu, accelerators)
