"""Small worlds for the scheduler, and a witness that checks every plan by its own books."""

from dataclasses import dataclass, field

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import (
    Event,
    JobSubmitted,
    PolicyChanged,
    PoolDrained,
    PoolLost,
    PoolObserved,
    QueueChanged,
    RunEnded,
    RunStarted,
)
from suan.model.job import SAVING, Cause, JobState, Outcome
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.plan import Decision, Finish, Place, Plan, Requeue, Stop
from suan.model.policy import POLICIES, Policy
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import run_id

GIB = 1024
DONE = Outcome(Cause.SUCCEEDED, exit_code=0)


def res(cpu: float = 1, gib: int = 1, **accelerators: float) -> Resources:
    """``res(2, 4, A=0.5)``: 2 processors, 4 GiB, half an accelerator A (``any_`` for ``*``)."""
    models = {ANY_ACCELERATOR if m == "any_" else m: a for m, a in accelerators.items()}
    amounts = tuple(sorted((m, int(a * 1000)) for m, a in models.items()))
    return Resources(int(cpu * 1000), gib * GIB, amounts)


ONE = res()
FREE = Terms()
_OF_DEMAND = ("ordered", "framework", "max_hourly_cost", "max_tasks", "brings_files", "reservation")


def pool(name: str, *sizes: Resources, at: int = 0, terms: Terms = FREE, **offer) -> PoolObserved:
    nodes = tuple(NodeStatus(f"{name}{i}", size) for i, size in enumerate(sizes))
    return PoolObserved(at, Offer(name, offer.pop("kind", "local"), terms, **offer), nodes)


def job(seq: int, need: Resources | tuple[Resources, ...] = ONE, tasks: int = 1, **rest):
    """``rest`` goes to the demand where it has such a field, else to the event. With ``more`` it
    is elastic: so many tasks above ``tasks``."""
    needs = need if isinstance(need, tuple) else (need,)
    infra = rest.pop("infra", None)
    if more := rest.pop("more", 0):
        rest["max_tasks"] = tasks + more
    of_demand = {k: rest.pop(k) for k in _OF_DEMAND if k in rest}
    demand = Demand(tasks, tuple(Option(n, infra) for n in needs), **of_demand)
    return JobSubmitted(at=seq, job=f"j{seq}", seq=seq, demand=demand, **rest)


def told(*events: Event) -> Scheduler:
    scheduler = Scheduler()
    for event in events:
        scheduler.apply(event)
    return scheduler


def places(plan: Plan) -> dict[str, Place]:
    return {d.job: d for d in plan.decisions if isinstance(d, Place)}


def ended(run: str, cause: Cause = Cause.SUCCEEDED, exit_code: int | None = None, at: int = 1):
    return RunEnded(at, run, Outcome(cause, exit_code=exit_code))


def codes(scheduler: Scheduler, name: str, now: int = 0) -> dict[str | None, str]:
    explanation = scheduler.explain(name, now)
    assert explanation is not None
    return {refusal.pool: refusal.code.value for refusal in explanation.refusals}


@dataclass
class Witness:
    """A scheduler, and books of its own on what it was told and what it decided."""

    scheduler: Scheduler = field(default_factory=Scheduler)
    nodes: dict[str, dict[str, NodeStatus]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)  # pools that take nothing now
    jobs: dict[str, JobSubmitted] = field(default_factory=dict)
    runs: dict[str, Place] = field(default_factory=dict)
    states: dict[str, JobState] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    stopped: dict[str, Cause] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)  # placed or, once that is told, started
    started: set[str] = field(default_factory=set)
    makes_room_for: dict[str, str] = field(default_factory=dict)  # a run, and the job it yields to
    hurried: set[str] = field(default_factory=set)  # jobs that others yielded to for a deadline
    resized: dict[str, list[int]] = field(default_factory=dict)  # when each job was told
    policy: Policy = POLICIES["default"]
    disciplines: dict[str, str] = field(default_factory=dict)  # of queues that name one

    def apply(self, event: Event) -> None:
        self.scheduler.apply(event)
        if isinstance(event, JobSubmitted):
            self.jobs[event.job] = event
            self.states[event.job] = JobState.PENDING
        elif isinstance(event, PoolObserved):
            self._observe(event)
        elif isinstance(event, PoolLost):
            self.closed.add(event.pool + "?")
        elif isinstance(event, PoolDrained):
            (self.closed.add if event.drained else self.closed.discard)(event.pool + "!")
        elif isinstance(event, RunStarted):
            if event.run in self.runs and event.run not in self.started:
                self.started.add(event.run)
                self.began[event.run] = event.at
        elif isinstance(event, RunEnded):
            ended_run = self.runs.pop(event.run, None)
            if ended_run is not None:
                self.hurried.discard(ended_run.job)
        elif isinstance(event, PolicyChanged):
            self.policy = event.policy
        elif isinstance(event, QueueChanged):
            self.disciplines[event.queue] = event.discipline

    def discipline(self, name: str) -> str:
        """The one that orders a job."""
        return self.disciplines.get(self.jobs[name].queue) or self.policy.discipline

    def _observe(self, event: PoolObserved) -> None:
        name = event.offer.pool
        self.closed.discard(name + "?")
        known = {} if event.complete else self.nodes.setdefault(name, {})
        known.update({status.name: status for status in event.nodes})
        for gone in event.removed:
            known.pop(gone, None)
        self.nodes[name] = known

    def decide(self, now: int, limit: int = 1000) -> Plan:
        plan = self.scheduler.decide(now, limit)
        assert len(plan.decisions) <= limit
        for decision in plan.decisions:
            self._check(decision, now)
        return plan

    def _check(self, decision: Decision, now: int) -> None:
        if isinstance(decision, Place):
            self._check_place(decision)
            self.began[decision.run] = now
        elif isinstance(decision, Finish):
            assert not self.states[decision.job].final
            assert decision.state.final
            assert all(run.job != decision.job for run in self.runs.values())
            self.states[decision.job] = decision.state
        elif isinstance(decision, Requeue):
            assert self.states[decision.job] is JobState.RUNNING
            self.states[decision.job] = JobState.PENDING
        elif isinstance(decision, Stop):
            self._check_stop(decision, now)

    def _check_stop(self, stop: Stop, now: int) -> None:
        """Each run is told once, and nobody makes room for an equal or a better."""
        assert stop.run in self.runs
        assert self.stopped.get(stop.run) is not stop.cause, "nobody is told the same twice"
        self.stopped[stop.run] = stop.cause
        if stop.cause not in SAVING:
            return
        victim = self.jobs[self.runs[stop.run].job]
        assert self.policy.preemption
        if stop.detail.startswith("it goes on with up to"):
            self._check_growth(stop, victim, now)
            return
        displacer = self.jobs[stop.detail.split()[-1]]
        assert self.states[displacer.job] is JobState.PENDING
        assert self.runs[stop.run].pool not in {name[:-1] for name in self.closed}
        assert now - self.began[stop.run] >= self.policy.min_run_time
        if stop.cause is Cause.RESIZED:
            self.resized.setdefault(victim.job, []).append(now)
            assert victim.checkpoint is not None
            assert len(self.runs[stop.run].nodes) > victim.demand.tasks, "it has extras"
            assert victim.priority <= displacer.priority
        elif victim.priority == displacer.priority and self._contend_by_service(victim, displacer):
            if stop.detail.startswith("it makes room for the deadline of"):  # it has one, too
                self.hurried.add(displacer.job)
        elif stop.detail.startswith("it makes room for the deadline of"):
            self._check_deadline(victim, displacer, now)
        elif self.policy.even_out and victim.priority == displacer.priority:
            moves = stop.detail.startswith("it is to go on elsewhere")
            assert moves or _account(victim) != _account(displacer)
        else:
            assert victim.priority < displacer.priority
        self.makes_room_for[stop.run] = displacer.job

    def _contend_by_service(self, victim: JobSubmitted, displacer: JobSubmitted) -> bool:
        """Whether what they have had says who of the two comes first."""
        return {self.discipline(victim.job), self.discipline(displacer.job)} == {"las"}

    def _check_deadline(self, victim: JobSubmitted, displacer: JobSubmitted, now: int) -> None:
        """It helps, and nobody's own deadline is missed for it, as far as their users told."""
        assert self.policy.deadlines
        assert victim.priority <= displacer.priority
        assert displacer.deadline is not None
        self.hurried.add(displacer.job)
        if victim.priority < displacer.priority:
            return
        assert victim.job not in self.hurried, "who displaced others is not displaced for that"
        grace = victim.checkpoint.grace if victim.checkpoint else None
        free = now + (10_000_000 if grace is None else grace)
        takes = displacer.expected or displacer.time_limit or 0
        assert free + takes <= displacer.deadline
        if victim.deadline is not None:
            assert free + takes + (victim.expected or victim.time_limit or 0) <= victim.deadline

    def _check_growth(self, stop: Stop, job: JobSubmitted, now: int) -> None:
        """Only what saves its work is stopped to grow, and not before it has run for a while."""
        assert stop.cause is Cause.RESIZED
        assert job.checkpoint is not None
        size, wanted = len(self.runs[stop.run].nodes), int(stop.detail.split()[-2])
        assert size < wanted <= job.demand.most
        assert now - self.began[stop.run] >= self.policy.min_run_time
        self.resized.setdefault(job.job, []).append(now)

    def _check_place(self, place: Place) -> None:
        asked = self.jobs[place.job]
        assert self.states[place.job] is JobState.PENDING
        self.states[place.job] = JobState.RUNNING
        self.attempts[place.job] = self.attempts.get(place.job, asked.attempts) + 1
        assert place.attempt == self.attempts[place.job]
        assert place.run == run_id(place.job, place.attempt)
        assert asked.demand.tasks <= len(place.nodes) <= asked.demand.most, "a gang is whole"
        assert place.costs[0].pool == place.pool
        assert not any(model == ANY_ACCELERATOR for model, _ in place.per_task.accelerators)
        assert not {place.pool + "?", place.pool + "!"} & self.closed
        self.runs[place.run] = place
        told_of = [cost.pool for cost in place.costs] + [r.pool for r in place.refusals]
        assert len(told_of) == len(set(told_of)), "each pool has one word to say"
        for name in set(place.nodes):
            self._check_node(self.nodes[place.pool][name], place)

    def _check_node(self, status: NodeStatus, place: Place) -> None:
        """A place never exceeds capacity of what it asks: sums, and shares that fit devices whole.

        Only of what it asks: a node seen anew without the devices that a run still holds is
        short of those, and may yet take a job that wants none.
        """
        assert status.schedulable
        left = status.total.plus(status.others_use, times=-1)
        shares: dict[str, list[int]] = {}
        for model, amount in status.others_use.accelerators:
            shares.setdefault(model, []).append(amount)
        for run in self.runs.values():
            if run.pool != place.pool:
                continue
            for _ in range(run.nodes.count(status.name)):
                left = left.plus(run.per_task, times=-1)
                for model, amount in run.per_task.accelerators:
                    shares.setdefault(model, []).append(amount)
        assert left.cpu_milli >= 0
        assert left.memory_mib >= 0
        for model, _ in place.per_task.accelerators:
            devices = [1000] * (status.total.accelerator(model) // 1000)
            assert packs(devices, shares[model]), (status, shares[model])


def _account(told: JobSubmitted) -> tuple[str, str, str]:
    return told.queue, told.tenant, told.user


def packs(devices: list[int], amounts: list[int]) -> bool:
    """Whether whole devices and shares fit together: tried exhaustively."""
    whole = sum(amount // 1000 for amount in amounts)
    if whole > len(devices):
        return False
    shares = sorted((amount % 1000 for amount in amounts if amount % 1000), reverse=True)
    return _packs(devices[whole:], shares)


def _packs(devices: list[int], shares: list[int]) -> bool:
    if not shares:
        return True
    for at in sorted({free: at for at, free in enumerate(devices)}.values()):
        if devices[at] >= shares[0]:
            rest = [free - shares[0] * (at == i) for i, free in enumerate(devices)]
            if _packs(rest, shares[1:]):
                return True
    return False
