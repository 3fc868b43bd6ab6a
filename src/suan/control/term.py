"""One term of leadership: the scheduler rebuilt from the store, then cycle after cycle.

Each cycle takes a bounded piece of what has happened, so that requests served by the same process
get their turn however long the line is; where there is more, the next cycle follows at once.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from suan.control.agent import PoolAgent
from suan.control.book import Book, PoolSight
from suan.control.calls import Surroundings
from suan.control.clock import SteadyClock
from suan.control.dependencies import Never, resolve
from suan.control.draft import BillOf, Draft
from suan.control.happenings import Happening, Over
from suan.control.intake import OnceForEach, hypothesis_of, launch_of, needs_of, submission_of
from suan.control.lease import LeaseKeeper
from suan.control.metrics import ControlMetrics
from suan.control.recorder import PASSING, Recorder
from suan.control.reserving import draw_up
from suan.control.settings import ControlSettings
from suan.control.takeover import opening, remembering, returning
from suan.control.tasks import all_until_first_ends
from suan.control.trouble import OnTrouble
from suan.killpoints import passing
from suan.model.errors import InvariantViolation, StoreError
from suan.model.events import Event, JobSubmitted
from suan.model.job import Job, JobState, Outcome, Run
from suan.model.live import PoolStatus
from suan.model.plan import Explanation, Plan, Stop
from suan.model.pool import Content, Launch, Pool
from suan.model.quota import BUDGET_WINDOW
from suan.model.reservation import Reservation, ReservationAsked
from suan.model.spec import Checkpoint, JobSpec
from suan.model.store import Gathered, Store
from suan.model.units import HOUR, Instant, JobId, NodeName, PoolName, RunId, run_id

log = logging.getLogger(__name__)

PRUNE_EVERY = 6 * HOUR
NOTHING_NEW = Gathered((), ())
RECENT_JOBS = 2000  # kept from intake to launch, so that a job that starts at once is read once


class SchedulerProtocol(Protocol):
    """What the loop needs of ``suan.core.Scheduler``."""

    def apply(self, event: Event) -> None: ...

    def decide(self, now: Instant, limit: int) -> Plan: ...

    def explain(self, job: JobId, now: Instant) -> Explanation | None: ...

    def consider(self, event: JobSubmitted, now: Instant) -> Explanation: ...

    def outlasting(self, pool: PoolName, at: Instant) -> Mapping[NodeName, tuple[RunId, ...]]: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process leads with."""

    store: Store
    pools: Mapping[PoolName, Pool]
    content: Content | None
    scheduler_factory: Callable[[], SchedulerProtocol]
    bill: BillOf
    clock: SteadyClock
    settings: ControlSettings
    metrics: ControlMetrics
    keeper: LeaseKeeper
    on_trouble: OnTrouble


class Term:
    """Leads until told to stop, or until the lease or the store is lost."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._settings = parts.settings
        self._clock = parts.clock
        self._recorder = Recorder(
            parts.store,
            parts.keeper,
            parts.settings,
            metrics=parts.metrics,
            on_trouble=parts.on_trouble,
        )
        self._inbox: deque[Happening] = deque()
        self._wake = asyncio.Event()
        self._wake_at: Instant | None = None
        self._told = True  # there is news in the store
        self._looked: Instant = 0  # when it was last read, by the clock that is never set
        self._undecided = False  # the last plan was cut short by its limit
        self._at_once = False
        self._platform = ""
        self._recent: OrderedDict[JobId, Job] = OrderedDict()
        self._agents = {name: self._agent(name) for name in sorted(parts.pools)}
        self.scheduler = parts.scheduler_factory()
        self.book = Book(
            pools={name: PoolSight(parts.pools[name].offer) for name in sorted(parts.pools)}
        )
        self.ready = False

    async def run(self) -> None:
        """Take over, then lead until the term's length is over.

        Raises:
            LeaseLost: another process leads.
            StoreError: the store cannot go on.
            InvariantViolation: a bug; this process must not lead on.
        """
        try:
            await self._take_over()
            crashes = (agent.crashed for agent in self._agents.values())
            await all_until_first_ends(self._lead(), self._prune(), *crashes)
        finally:
            self.ready = False
            await asyncio.gather(*(agent.end() for agent in self._agents.values()))

    def nudge(self) -> None:
        """There is news in the store."""
        self._told = True
        self._wake.set()

    async def explain(self, job: JobId) -> Explanation | None:
        """Why an unfinished job is where it is; ``None`` if the scheduler does not know it."""
        told = self.scheduler.explain(job, self._clock.now())
        if told is None or told.state != JobState.RUNNING:
            return told
        run = self.book.runs.get(run_id(job, self.book.job(job).attempts))
        agent = self._agents.get(run.pool) if run is not None else None
        word = await agent.word_on(run.id) if run is not None and agent is not None else ""
        return replace(told, summary=f"{told.summary} {word}") if word else told

    def pools(self) -> tuple[PoolStatus, ...]:
        """Every configured pool as it is seen now, by name."""
        return tuple(
            replace(each, circuit=agent.circuit, doubts=agent.doubts())
            for each in self.book.statuses()
            for agent in (self._agents[each.offer.pool],)
        )

    def dry_run(self, spec: JobSpec, user: str) -> Explanation:
        """Where a job would go if it were submitted now, last in line."""
        now = self._clock.now()
        event = hypothesis_of(spec, user, now=now)
        return self.scheduler.consider(event, now)

    def draw_up(self, asked: ReservationAsked) -> tuple[Reservation, tuple[RunId, ...]]:
        """A reservation with its nodes, and the runs there that may go on when it begins."""
        outlasting = self.scheduler.outlasting(asked.pool, asked.begin)
        return draw_up(self.book, asked, outlasting, now=self._clock.now())

    # Taking over -----------------------------------------------------------------------------

    async def _take_over(self) -> None:
        passing("takeover.before_term")
        await self._recorder.begin()
        began, settings = self._clock.now(), self._settings
        self.book.open(await self._store.open_runs())
        self._platform = await self._store.peers.platform()
        bill, policy = self._parts.bill, settings.policy
        draft = await opening(self._store, self.book, began, bill=bill, policy=policy)
        draft.led(settings.holder, settings.url, self._parts.keeper.lease.token)
        await self._enter(draft, kind="term")
        async for draft in remembering(
            self._store,
            self.book,
            began,
            bill=bill,
            policy=policy,
            most=settings.remembered_runs,
        ):
            await self._enter(draft)
        async for draft in returning(self._store, self.book, began, bill=bill):
            await self._enter(draft)
        passing("takeover.after_term")
        for run in self.book.runs.values():
            if (agent := self._agents.get(run.pool)) is not None:
                agent.adopt(run)
            else:
                log.warning("run=%s is open in %s, which is not configured", run.id, run.pool)
        for stop in self.book.stopping.values():  # an earlier leader may not have come to it
            self._stop(stop)
        for agent in self._agents.values():
            agent.begin()
        await self._first_look()
        self._undecided = self._at_once = self.ready = True
        self._parts.metrics.terms += 1
        self._gauge()
        log.info("leading jobs=%d runs=%d", self.book.pending, self.book.running)

    async def _enter(self, draft: Draft, *, kind: str = "cycle") -> None:
        """One entry of the term's beginning: nothing is decided yet."""
        await self._apply(draft.events)
        token = self._parts.keeper.lease.token
        entry = draft.entry(self._recorder.next_number, token, kind=kind)
        await self._recorder.record(draft.cycle(entry))

    async def _first_look(self) -> None:
        """Wait for the pools, so that the first plan sees all that answer."""
        looks = [asyncio.ensure_future(agent.first_look()) for agent in self._agents.values()]
        if looks:
            _, late = await asyncio.wait(looks, timeout=self._settings.first_look / 1e6)
            for look in late:
                look.cancel()

    # Cycles ----------------------------------------------------------------------------------

    async def _lead(self) -> None:
        ends_at = self._clock.elapsed() + self._settings.term_length
        while self._clock.elapsed() < ends_at:
            if not self._at_once:
                await self._rest()
            try:
                gathered, states = await self._gather()
            except PASSING as error:
                self._told = True
                self._parts.on_trouble("read", f"the store cannot be read: {error}")
                await asyncio.sleep(self._settings.retry_first / 1e6)
                continue
            self._parts.on_trouble("read", "")
            await self._cycle(gathered, states)
            await asyncio.sleep(0)

    async def _rest(self) -> None:
        """Wait for news, for the scheduler's time to come, or for the next look at the store."""
        wait = self._settings.store_poll
        if self._wake_at is not None:
            wait = min(wait, max(0, self._wake_at - self._clock.now()))
        try:
            async with asyncio.timeout(wait / 1e6):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _gather(self) -> tuple[Gathered, dict[JobId, JobState]]:
        """Everything that has to be read, so that nothing can fail between here and the record.
        Pools report more often than there is news in the store."""
        self._wake.clear()
        now = self._clock.elapsed()
        if not self._told and now - self._looked < self._settings.store_poll:
            return NOTHING_NEW, {}
        self._told, self._looked = False, now
        gathered = await self._store.gather(self._settings.jobs_per_cycle)
        waited_for = [other for job in gathered.jobs for other, _ in job.after]
        states = dict(await self._store.job_states(waited_for)) if waited_for else {}
        passing("cycle.gathered")
        return gathered, states

    async def _cycle(self, gathered: Gathered, states: dict[JobId, JobState]) -> None:
        began, now = self._clock.elapsed(), self._clock.now()
        draft = Draft(self.book, now, self._parts.bill)
        for number, command in gathered.commands:  # before what has ended since it was gathered
            draft.command(number, command, gathered.spent.get(command.target, ()))
        self._hear(draft)
        self._take(draft, gathered.jobs, states)
        due = self._wake_at is not None and now >= self._wake_at
        if draft.events or due or self._undecided:
            await self._decide(draft)
        elif not draft.changes_nothing:
            await self._recorder.record(draft.cycle())
        self._carry_out(draft)
        self._told = self._told or self._was_full(gathered)
        self._at_once = self._undecided or bool(self._inbox) or self._told
        self._count(began, len(gathered.jobs))

    def _was_full(self, gathered: Gathered) -> bool:
        limit = self._settings.jobs_per_cycle
        return len(gathered.jobs) >= limit or len(gathered.commands) >= limit

    def _hear(self, draft: Draft) -> None:
        for _ in range(min(len(self._inbox), self._settings.reports_per_cycle)):
            draft.happened(self._inbox.popleft())

    def _take(self, draft: Draft, jobs: tuple[Job, ...], states: dict[JobId, JobState]) -> None:
        needs = OnceForEach(needs_of)
        for job in jobs:
            waits = resolve(job.after, states)
            if isinstance(waits, Never):
                states[job.id] = JobState.SKIPPED
                draft.skipped(job, waits.detail)
                continue
            draft.submitted(job, submission_of(job, waits.open, needs.of(job.spec)))
            self._recent[job.id] = job
        while len(self._recent) > RECENT_JOBS:
            self._recent.popitem(last=False)

    async def _decide(self, draft: Draft) -> None:
        limit = self._settings.decisions_per_cycle
        await self._apply(draft.events)
        began = self._clock.elapsed()
        plan = self.scheduler.decide(draft.now, limit)
        self._parts.metrics.decide.add(self._clock.elapsed() - began)
        draft.decided(plan.decisions)
        for decision in plan.decisions:
            self._parts.metrics.decided(type(decision).__name__.lower())
        passing("cycle.decided")
        entry = draft.entry(self._recorder.next_number, self._parts.keeper.lease.token)
        entry = replace(entry, limit=limit, digest=plan.digest())
        began = self._clock.elapsed()
        await self._recorder.record(draft.cycle(entry))
        self._parts.metrics.record.add(self._clock.elapsed() - began)
        self._wake_at, self._undecided = plan.wake_at, plan.more

    async def _apply(self, events: list[Event]) -> None:
        began = breath = self._clock.elapsed()
        for event in events:
            self.scheduler.apply(event)
            if self._clock.elapsed() - breath > self._settings.breath:
                await asyncio.sleep(0)
                breath = self._clock.elapsed()
        self._parts.metrics.apply.add(self._clock.elapsed() - began)

    def _carry_out(self, draft: Draft) -> None:
        for run in draft.ended:
            if (agent := self._agents.get(run.pool)) is not None:
                agent.forget(run.id)
        for run in draft.placed:
            self._agents[run.pool].launch(run)
        for job, manner in draft.manners.items():
            self._stop_so(job, manner)
        for stop in draft.stops:
            self._stop(stop)

    def _stop_so(self, job: JobId, manner: Checkpoint) -> None:
        run = self.book.runs.get(run_id(job, self.book.job(job).attempts))
        if run is not None and (agent := self._agents.get(run.pool)) is not None:
            agent.stop_so(run.id, manner)

    def _stop(self, stop: Stop) -> None:
        run = self.book.runs[stop.run]
        if (agent := self._agents.get(run.pool)) is not None:
            agent.stop(stop)
        else:
            detail = f"pool {run.pool} is not configured any more"
            self._post(Over(run.id, Outcome(stop.cause, detail=detail)))

    def _count(self, began: int, jobs: int) -> None:
        metrics = self._parts.metrics
        metrics.cycles += 1
        metrics.jobs_taken += jobs
        metrics.cycle.add(self._clock.elapsed() - began)
        self._gauge()

    def _gauge(self) -> None:
        metrics = self._parts.metrics
        metrics.pending, metrics.running = self.book.pending, self.book.running

    async def _prune(self) -> None:
        """Drop what the journal need not keep any more, now and then."""
        while True:
            now = self._clock.now()
            try:
                await self._store.prune(now - self._settings.journal_keep)
                await self._store.forget_spent(now - BUDGET_WINDOW - HOUR)
            except StoreError as error:
                log.warning("the journal was not pruned: %s", error)
            await asyncio.sleep(PRUNE_EVERY / 1e6)

    # What the agents need --------------------------------------------------------------------

    def _agent(self, name: PoolName) -> PoolAgent:
        parts = self._parts
        around = Surroundings(
            post=self._post,
            guard=parts.keeper.ensure_valid,
            build=self._build,
            checkpoint=self._checkpoint,
            recorded=parts.store.run,
            content=parts.content,
            settings=parts.settings.towards(name),
            clock=parts.clock,
            metrics=parts.metrics,
        )
        return PoolAgent(name, parts.pools[name], around)

    def _post(self, happening: Happening) -> None:
        self._inbox.append(happening)
        self._wake.set()

    async def _build(self, run: Run) -> Launch:
        """Secrets are read here, at the last moment, and kept nowhere."""
        job = self._recent.pop(run.job, None) or await self._store.get(run.job)
        if job is None:
            raise InvariantViolation(f"{run.id} is to be launched and its job is not recorded")
        secrets = await self._store.secrets(job)
        return launch_of(job, run, secrets, platform=self._platform)

    async def _checkpoint(self, run: Run) -> Checkpoint | None:
        job = await self._store.get(run.job)
        return job.spec.checkpoint if job is not None else None
