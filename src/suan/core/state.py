"""Everything the scheduler knows, and the few ways in which a job moves from phase to phase."""

from collections import deque
from dataclasses import dataclass
from heapq import heappush
from operator import itemgetter
from typing import TYPE_CHECKING

from suan.core.budgets import ran
from suan.core.capacity import Capacity
from suan.core.deadlines import Deadlines, grace_of, latest_start
from suan.core.devices import Grant
from suan.core.disciplines import CLAIM, HURRY, MOVED, rank_of
from suan.core.durations import Durations
from suan.core.forecast import Outlook
from suan.core.line import Line
from suan.core.matching import Candidate
from suan.core.nodes import Held, Node
from suan.core.packing import Spots, by_rank
from suan.core.quotas import NOBODY, Quotas
from suan.core.records import Holding, JobRecord, Part, Phase, RunRecord
from suan.core.search import Promise
from suan.core.shares import Amounts, Holder, Shares, amounts_of
from suan.model.events import JobSubmitted
from suan.model.job import Cause, Outcome
from suan.model.policy import POLICIES, Discipline, Policy
from suan.model.quota import Limits, Quota, Spent
from suan.model.resources import Resources
from suan.model.units import MINUTE, Duration, Instant, JobId, NodeName, QueueName, RunId

if TYPE_CHECKING:
    from suan.core.promises import Promises

BY_ITSELF = frozenset({Cause.SUCCEEDED, Cause.FAILED, Cause.TIMED_OUT, Cause.OUT_OF_MEMORY})
"""Ends that say how long a job's runs take."""


@dataclass(slots=True, frozen=True)
class Kept:
    """What is left of a reservation when its cycle is over: when and where. It stands until the
    first end that it may rest on should have come. The ``outlook`` knows what it rests on."""

    at: Instant
    stands_until: Instant
    nodes: tuple[Node, ...]
    outlook: Outlook | None = None


@dataclass(slots=True, frozen=True)
class Closed:
    """Flavors that a job holds because it cannot be told when it starts; asked again after a
    while."""

    mask: int
    until: Instant


Heard = tuple[int, JobSubmitted, Duration, int, Resources]
"""A run that came to an end of its own: its number, its job, how long it took, with how many tasks,
and what each of them held."""


class QueueState:
    """A queue's settings, and how many unfinished jobs it has. Without a discipline it follows the
    policy's."""

    __slots__ = ("discipline", "is_open", "jobs", "running", "weight")

    def __init__(self) -> None:
        self.weight = 1
        self.discipline: Discipline | None = None
        self.is_open = True
        self.jobs = 0
        self.running = 0


@dataclass(slots=True)
class Unsettled:
    """What the next cycle must answer: a job whose run has ended, or that ends without one.

    Without a run, ``skipped`` says why the job can never start; empty, that it was cancelled.
    """

    job: JobRecord
    run: RunRecord | None = None
    outcome: Outcome | None = None
    skipped: str = ""


class State:
    """The scheduler's memory.

    ``alarms`` says when flavors are worth another look though nothing happens, by their bits;
    ``priorities`` counts open runs by the priority of their jobs. ``kept`` are the reservations as
    last made, ``closed`` the flavors held by jobs that wait without one, and ``barred_jobs`` the
    jobs that a quota or limit keeps from some of what could take them, or from all of it without
    keeping others out: these are looked at again when it is eased. ``stretched`` are the open
    runs with more than their minimum, ``growable`` those that save their work and have less than
    their maximum, to be looked at again at ``grow_at``, and ``resuming`` those that ended to have
    another size. ``promised`` are the starts that conservative backfill keeps. ``heard`` are the
    runs that ended since the last cycle: durations are learned of them when the next one begins,
    and ``room_for`` whom runs make room for as an earlier leader told them, looked up then, too."""

    __slots__ = (
        "advance",
        "alarms",
        "back_off",
        "barred_jobs",
        "capacity",
        "closed",
        "deadlines",
        "durations",
        "grow_at",
        "growable",
        "heard",
        "jobs",
        "kept",
        "line",
        "policy",
        "priorities",
        "promised",
        "promises",
        "queues",
        "quotas",
        "resuming",
        "room_for",
        "runs",
        "shares",
        "started",
        "stops",
        "stretched",
        "unsettled",
        "waiters",
    )

    def __init__(self) -> None:
        self.capacity = Capacity()
        self.advance = self.capacity.advance
        self.line = Line(self.capacity)
        self.durations = Durations()
        self.deadlines = Deadlines()
        self.quotas = Quotas()
        self.shares = Shares(POLICIES["default"].half_life)
        self.policy = POLICIES["fifo"]
        self.started = 0
        self.alarms: dict[int, Instant] = {}
        self.kept: dict[JobRecord, Kept] = {}
        self.closed: dict[JobRecord, Closed] = {}
        self.barred_jobs: dict[JobRecord, None] = {}
        self.heard: list[Heard] = []
        self.room_for: dict[RunId, JobId] = {}
        self.priorities: dict[int, int] = {}
        self.promised: dict[JobRecord, Promise] = {}
        self.promises: Promises | None = None
        self.queues: dict[QueueName, QueueState] = {}
        self.jobs: dict[JobId, JobRecord] = {}
        self.runs: dict[RunId, RunRecord] = {}
        self.waiters: dict[JobId, list[JobRecord]] = {}  # who waits for a job to end
        self.back_off: list[tuple[Instant, int, JobRecord]] = []  # a heap
        self.unsettled: deque[Unsettled] = deque()
        self.stops: deque[RunRecord] = deque()
        self.resuming: deque[RunRecord] = deque()
        self.stretched: dict[RunId, RunRecord] = {}
        self.growable: dict[RunId, RunRecord] = {}
        self.grow_at: Instant | None = None
        self.set_policy(POLICIES["default"])

    def set_policy(self, policy: Policy) -> None:
        """From now on another policy decides: everyone in line takes the place it gives him."""
        self.policy = policy
        self.line.windowed = policy.backfill != "none"
        self._promise_anew()
        if policy.backfill != "conservative":
            self.promised.clear()
        self.shares.half_life = policy.half_life
        if policy.fair_share != self.shares.counts:
            self.shares.count(policy.fair_share)
            for run in self.runs.values() if policy.fair_share else ():
                self._take(run, run.began)
        self.reorder(None)

    def _promise_anew(self) -> None:
        """What starts are promised rests on other things now: each promise is looked at."""
        self.promises = self.line.joined = None

    def reorder(self, queue: QueueName | None) -> None:
        """What orders the jobs of a queue (``None``: of all) has changed: they enter anew."""
        waiting = [
            job
            for job in self.jobs.values()
            if job.phase is Phase.IN_LINE and queue in (None, job.told.queue)
        ]
        for job in waiting:
            self.line.leave(job)
        for job in waiting:
            self.enter(job)

    def refresh(self) -> None:
        """Match shapes and pools that are new or changed, and weigh shares by what is there."""
        if self.capacity.changed:
            self.shares.set_capacity(self._total())
        self.line.refresh()

    def _total(self) -> Amounts:
        total: Amounts = {}
        for pool in self.capacity.pools.values():
            for flavor in pool.flavors.values():
                for (cpu, memory, devices), nodes in flavor.totals.items():
                    amounts = {"cpu": cpu, "memory": memory}
                    amounts.update(zip(flavor.models, map(sum, devices), strict=True))
                    for kind, amount in amounts.items():
                        if not amount:
                            continue  # nobody can have a share of nothing
                        total[kind] = total.get(kind, 0) + nodes * amount
        return total

    def alarm(self, mask: int, at: Instant) -> None:
        """Look at some flavors again at an instant, though nothing happens."""
        self.alarms[mask] = min(at, self.alarms.get(mask, at))

    def set_quota(self, holder: Holder, quota: Quota) -> None:
        """How much a queue or a tenant may hold is set anew."""
        self._begin_to_count()
        self.quotas.set_quota(holder, quota)
        self._promise_anew()

    def set_limits(self, user: str, limits: Limits, spent: tuple[Spent, ...] = ()) -> None:
        """How much a user may have is set anew, who has spent so much of it."""
        self._begin_to_count()
        self.quotas.set_limits(user, limits, spent=spent, runs=self.runs.values())
        self._promise_anew()

    def frees_at(self) -> Instant | None:
        """When enough falls out of the budgets' window for somebody who waits for that."""
        if not self.quotas.budgets.purses:
            return None
        waiting = dict.fromkeys((*self.line.blocked.values(), *self.barred_jobs))
        found = (
            self.quotas.over(job, candidate)
            for job in waiting
            if job.shape is not None
            for candidate in job.shape.candidates
        )
        times = (over.frees_at for over in found if over is not None)
        return min((at for at in times if at is not None), default=None)

    def _begin_to_count(self) -> None:
        if not self.quotas.count:
            self.quotas.held.clear()
            self.quotas.running.clear()
            for run in self.runs.values():
                self.quotas.take(run)

    def claim(self, job: JobRecord, candidate: Candidate) -> None:
        """A job in line takes back by a candidate what was lent: it comes first of all, so that
        nobody, whom it displaced least of all, takes that again."""
        self.quotas.claim(job, candidate)
        self.line.leave(job)
        job.claims = True
        self.enter(job)

    def clear(self, job: JobRecord) -> None:
        """Others move for a job in line: it comes before them, and all of its class."""
        if not job.clears:
            self.line.leave(job)
            job.clears = True
            self.enter(job)

    def give_up(self, job: JobRecord) -> None:
        """A job starts, or is not in line any more: it claims nothing."""
        if job.claims:
            job.claims = False
            self.quotas.give_up(job)

    def block(self, job: JobRecord) -> None:
        """A job is first and may not start now: its queue, tenant or user waits with it."""
        self.line.block(self.quotas.barrier(job), job)

    def barred(self, job: JobRecord) -> frozenset[int]:
        """The numbers of the candidates by which a job may not start now. One that may by others is
        looked at again when what bars these is eased."""
        if not self.quotas.count:
            return NOBODY
        found = self.quotas.barred(job)
        assert job.shape is not None
        if found and len(found) < len(job.shape.candidates):
            self.barred_jobs[job] = None
        return found

    def _again(self) -> None:
        for job in self.barred_jobs:
            if job.phase is Phase.IN_LINE and job.shape is not None and job.lane is not None:
                self.capacity.awake |= job.shape.mask
                self.line.arrived[job.lane] = None
        self.barred_jobs.clear()

    def unblock(self) -> None:
        """Those whose blocker may start now, or has left the line, may go on."""
        if self.quotas.eased:
            self.quotas.eased = False
            self._again()
            for blocker in list(dict.fromkeys(self.line.blocked.values())):
                assert blocker.shape is not None
                gone = blocker.phase is not Phase.IN_LINE
                if gone or len(self.quotas.barred(blocker)) < len(blocker.shape.candidates):
                    self.line.unblock(blocker)

    def settle_order(self) -> None:
        """Put jobs where the standing of their accounts now says."""
        moved = self.shares.moved
        if moved:
            for account in moved:
                for blocker in self.line.blockers(account):  # another may come first there now
                    self.line.unblock(blocker)
            self.line.move(moved)
            moved.clear()

    def record(self, told: JobSubmitted) -> JobRecord:
        """A job that was just told of."""
        return JobRecord(told, self.shares.account(told.queue, told.tenant, told.user))

    def enter(self, job: JobRecord) -> None:
        """A job takes its place in line."""
        if self.deadlines:
            self.deadlines.drop(job)
        self.assess(job)
        job.bars = self.advance.judge(job)
        if job.latest is not None:
            self.deadlines.add(job)
        self._join(job)

    def hurry(self, job: JobRecord, *, hurries: bool) -> None:
        """A job in line comes first of its class from now on, or goes back to its own place."""
        self.line.leave(job)
        was_first = job.hurries or job.clears
        job.hurries, job.nobody_yields_until = hurries, 0
        job.rank += HURRY * (was_first - (hurries or job.clears))
        self._join(job)

    def _join(self, job: JobRecord) -> None:
        for blocker in self.line.blockers(job.account):
            if job.order < blocker.order:
                self.line.unblock(blocker)  # until its turn comes again
        self.line.enter(job)

    def assess(self, job: JobRecord) -> None:
        """How long a job will need, as far as is known now, and so where it stands."""
        told, policy = job.told, self.policy
        discipline = self.queue(told.queue).discipline or policy.discipline
        sorts, limits = discipline in ("sjf", "qssf"), self.line.windowed
        expected, window = told.expected, told.time_limit or told.expected
        if policy.predict and ((sorts and expected is None) or (limits and window is None)):
            learned = self.durations.expect(told)
            if learned is not None:
                expected = expected or learned.mean
                window = window or learned.high
        job.expected = expected or told.time_limit or 0
        job.window = window or 0
        job.latest = latest_start(job) if policy.preemption and policy.deadlines else None
        job.hurries = job.hurries and job.latest is not None
        job.rank = rank_of(told, discipline, expected=job.expected, served=job.served)
        if job.claims or job.hurries or job.clears or job.moved:
            first = HURRY * (job.hurries or job.clears) + MOVED * job.moved
            job.rank -= CLAIM * job.claims + first

    def queue(self, name: QueueName) -> QueueState:
        """A queue; one that nobody made is open."""
        found = self.queues.get(name)
        if found is None:
            found = self.queues[name] = QueueState()
        return found

    def admit(self, job: JobRecord) -> None:
        """A job is new: it joins the line, or waits for others."""
        self.jobs[job.id] = job
        self.queue(job.told.queue).jobs += 1
        job.shape = self.line.shape_of(job.told.demand, job.rejected_by)
        job.shape.jobs += 1
        if not job.told.after:
            if job.not_before:
                self.requeue(job, job.not_before, job.told.at)
            else:
                self.enter(job)
            return
        job.waits_for = {}
        for dependency, condition in job.told.after:
            if dependency not in job.waits_for:
                self.waiters.setdefault(dependency, []).append(job)
            job.waits_for[dependency] = (*job.waits_for.get(dependency, ()), condition)

    def start(
        self, run: RunRecord, now: Instant, grants: dict[NodeName, Grant] | None = None
    ) -> None:
        """A run takes its nodes, and its job leaves the line. It gets the devices that ``grants``
        says, or else those that fit best."""
        job = run.job
        in_line, job.phase = job.phase is Phase.IN_LINE, Phase.RUNS
        job.run = run
        if job.claims:
            self.give_up(job)
        if self.deadlines:
            self.deadlines.drop(job)
        self.runs[run.id] = run
        self.started += 1
        run.number = self.started
        self.note_size(run)
        self.queues[job.told.queue].running += 1
        priority = job.told.priority
        self.priorities[priority] = self.priorities.get(priority, 0) + 1
        run.began = now
        pool = self.capacity.pool(run.pool)
        pool.enter(run, grace_of(run))
        nodes = run.nodes
        for name, tasks in _tally(run).items() if len(nodes) > 1 else ((nodes[0], 1),):
            held = Held(run.per_task, tasks)
            if grants is not None:
                held.grant = grants[name]
            self.capacity.hold(pool, name, run.id, held=held)
        self.begin(run, now)
        if self.shares.counts:
            self._take(run, now)
        if self.quotas.count:
            self.quotas.take(run)
        if in_line:
            self.line.leave(job)

    def begin(self, run: RunRecord, now: Instant) -> None:
        """A run begins now, and is expected to end by and by."""
        told, until = run.job.told, None
        if told.time_limit or told.expected:
            until = now + run.job.window
        elif run.job.window:
            until = now + self.durations.ends_after(told, 0)
        if now != run.began:
            pool = self.capacity.pools[run.pool]
            pool.begun.drop(run)
            run.began = now
            pool.begun.add(run)
        self.quotas.budgets.changed(run)
        self.expect_end(run, until)

    def tell(self, run: RunRecord, cause: Cause) -> None:
        """A run is told to stop."""
        run.told = cause
        self.capacity.pools[run.pool].leaving[run.id] = run

    def expect_end(self, run: RunRecord, until: Instant | None) -> None:
        """A run will end by then; ``None``: nothing is known."""
        pool = self.capacity.pool(run.pool)
        pool.version += 1
        pool.ends.drop(run)
        run.until = until
        pool.ends.add(run)

    def put_off(self, now: Instant) -> None:
        """Runs that have outlived what was expected of them are given more time: that of the runs
        alike that took longer still, or what those need that are never heard of; but runs that were
        told to stop are about to end all the same."""
        for pool in self.capacity.pools.values():
            for run in pool.ends.overdue(now) if pool.ends.first(now + 1) <= now else ():
                until = now + MINUTE
                if run.stopping is None:
                    total = self.durations.ends_after(run.job.told, now - run.began)
                    until = max(run.began + total, until)
                self.expect_end(run, until)

    def stretch(self, run: RunRecord, spots: Spots, now: Instant) -> None:
        """A run that is being placed takes more tasks than its job needs at least."""
        pool = self.capacity.pools[run.pool]
        for node, tasks in spots:
            self.capacity.hold(pool, node.name, run.id, held=Held(run.per_task, tasks))
        extra = Part(run, by_rank(spots))
        had = len(run.nodes)
        ranked = sorted((pool.nodes[name].status.rack, name) for name in (*run.nodes, *extra.nodes))
        run.nodes = tuple(name for _, name in ranked)
        self.note_size(run)
        run.hourly = run.hourly * len(run.nodes) // had
        self.quotas.budgets.changed(run)
        if self.shares.counts:
            self._take(extra, now)
        if self.quotas.count:
            self.quotas.hold(extra)

    def note_size(self, run: RunRecord) -> None:
        """Whether an elastic run has more than its minimum, and could have more than it has."""
        told = run.job.told
        if len(run.nodes) > told.demand.tasks:
            self.stretched[run.id] = run
        if told.checkpoint is not None and len(run.nodes) < told.demand.most:
            self.growable[run.id] = run
        else:
            self.growable.pop(run.id, None)

    def _take(self, run: Holding, now: Instant, times: int = 1) -> None:
        amounts = amounts_of(run.per_task, len(run.nodes))
        self.shares.take(run.job.account, amounts, now, times=times)

    def end(
        self, run: RunRecord, outcome: Outcome, now: Instant, *, used: Spent | None = None
    ) -> None:
        """A run gives its nodes back; what becomes of its job is decided in the next cycle."""
        job = run.job
        del self.runs[run.id]
        self.stretched.pop(run.id, None)
        self.growable.pop(run.id, None)
        job.run, job.hurries = None, False
        job.phase = Phase.SETTLES
        self.queues[job.told.queue].running -= 1
        self._uncount(job.told.priority)
        pool = self.capacity.pools[run.pool]
        pool.leave(run, grace_of(run))
        nodes = run.nodes
        for name in nodes if len(nodes) == 1 else dict.fromkeys(nodes):
            self.capacity.release(pool, name, run.id)
        if self.shares.counts:
            self._take(run, now, -1)
        if self.quotas.count:
            self.quotas.take(run, -1)
            self.quotas.budgets.close(run, used or ran(run, outcome.cause, now))
        job.moved = run.moves and outcome.cause is Cause.PREEMPTED
        if run.makes_room_for is not None and run.makes_room_for.making_room:
            run.makes_room_for.making_room.discard(run.id)
        took = max(now - run.began, 0)
        job.served += took * run.devices
        if self.policy.predict and outcome.cause in BY_ITSELF:
            tasks, demand = len(nodes), job.told.demand
            if demand.max_tasks is not None:  # what its minimum would have taken for all of it
                tasks = demand.tasks
                took = job.served * len(nodes) // max(run.devices * tasks, 1)
            self.heard.append((run.number, job.told, took, tasks, run.per_task))
        self.unsettled.append(Unsettled(job, run, outcome))

    def hear(self) -> None:
        """Put in an order of its own what was told since the last cycle, so that nothing rests on
        the order in which that was. Not before now do runs that ended tell of durations."""
        for _, told, took, tasks, per_task in sorted(self.heard, key=itemgetter(0)):
            self.durations.learn(told, took, tasks=tasks, per_task=per_task)
        self.heard.clear()
        if len(self.unsettled) > 1:
            self.unsettled = deque(sorted(self.unsettled, key=lambda each: each.job.told.seq))
        if len(self.stops) > 1:
            self.stops = deque(sorted(self.stops, key=lambda run: run.number))

    def _uncount(self, priority: int) -> None:
        left = self.priorities[priority] - 1
        if left:
            self.priorities[priority] = left
        else:
            del self.priorities[priority]

    def withdraw(self, job: JobRecord, skipped: str = "") -> None:
        """A job without a run leaves wherever it stands, to be settled."""
        self.quotas.eased = True  # it may have kept others of its queue waiting
        self.give_up(job)
        self.deadlines.drop(job)
        in_line, job.phase = job.phase is Phase.IN_LINE, Phase.SETTLES
        if in_line:
            self.line.leave(job)
        self.unsettled.append(Unsettled(job, skipped=skipped))

    def requeue(self, job: JobRecord, not_before: Instant, now: Instant) -> None:
        """A job goes back to its place, at once or when its back-off is over."""
        job.not_before = not_before
        if not_before > now:
            job.phase = Phase.BACKS_OFF
            heappush(self.back_off, (not_before, job.told.seq, job))
        else:
            self.enter(job)

    def forget(self, job: JobRecord) -> None:
        """A job has ended for good."""
        job.phase = Phase.ENDED
        del self.jobs[job.id]
        self.queues[job.told.queue].jobs -= 1
        if job.shape is not None:
            job.shape.jobs -= 1


def _tally(run: RunRecord) -> dict[NodeName, int]:
    """How many tasks of a run each node has."""
    tally: dict[NodeName, int] = {}
    for name in run.nodes:
        tally[name] = tally.get(name, 0) + 1
    return tally
