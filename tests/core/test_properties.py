"""Random events: capacity is never exceeded, gangs are whole, nobody starves, refusals are true."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import (
    JobCancelled,
    JobSubmitted,
    PoolDrained,
    PoolLost,
    PoolObserved,
    QueueChanged,
    RunEnded,
    RunStarted,
)
from suan.model.job import Cause, JobState, Outcome
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.spec import RetryPolicy
from tests.core.world import DONE, Witness, job, res

SIZES = (res(4, 8), res(8, 16), res(8, 32, A=2), res(8, 32, A=4), res(16, 64, B=2))
NEEDS = (
    res(1, 1),
    res(4, 2),
    res(6, 12),
    res(16, 1),
    res(1, 1, A=1),
    res(2, 4, A=0.4),
    res(1, 1, A=4),
    res(1, 1, any_=1),
    res(1, 2, B=0.7),
    res(1, 1, A=1.5),
    (res(1, 1, B=2), res(8, 8)),
)
POOLS = ("p", "q", "r")
RACKS = {"p": ("", "", "", ""), "q": ("s/1", "s/1", "s/2", "t/1"), "r": ("1", "", "2", "2")}
jobs = st.fixed_dictionaries(
    {
        "need": st.sampled_from(NEEDS),
        "tasks": st.sampled_from((1, 1, 1, 2, 4)),
        "more": st.sampled_from((0, 0, 0, 1, 5)),
        "priority": st.sampled_from((0, 0, 5)),
        "queue": st.sampled_from(("default", "batch")),
        "ordered": st.booleans(),
        "retry": st.sampled_from((RetryPolicy(), RetryPolicy(max_failures=2, backoff=3))),
        "after": st.integers(0, 12),
        "infra": st.sampled_from((None, None, None, "p", "loc*/q")),
    }
)
nodes = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(SIZES),
        st.sampled_from((0, 0, 0, 1, 3)),
        st.sampled_from((True, True, True, False)),
    ),
    max_size=4,
    unique_by=lambda node: node[0],
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), jobs),
        st.tuples(st.just("submit"), jobs),
        st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from(list(Cause))),
        st.tuples(st.just("end"), st.integers(0, 50), st.just(Cause.SUCCEEDED)),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("observe"), st.sampled_from(POOLS), nodes, st.booleans()),
        st.tuples(st.just("lose"), st.sampled_from(POOLS)),
        st.tuples(st.just("drain"), st.sampled_from(POOLS), st.booleans()),
        st.tuples(st.just("queue"), st.sampled_from(("default", "batch")), st.booleans()),
        st.tuples(st.just("decide"), st.sampled_from((1, 2, 1000))),
    ),
    max_size=40,
)


class Driver:
    """Turns random steps into events that make sense."""

    def __init__(self) -> None:
        self.witness = Witness()
        self.now = 0
        self.seq = 0
        self.queues = {"default": True, "batch": True}
        for number, name in enumerate(POOLS):
            self.observe(name, [(0, SIZES[number], 0, True), (1, SIZES[number + 2], 0, True)], True)

    def step(self, step: tuple) -> None:
        self.now += 1
        getattr(self, step[0])(*step[1:])

    def submit(self, asked: dict) -> None:
        self.seq += 1
        asked = dict(asked)
        dependency = f"j{asked.pop('after')}"
        unfinished = dependency in self.witness.jobs and not self.witness.states[dependency].final
        after = ((dependency, "succeeded"),) if unfinished and self.seq % 3 == 0 else ()
        self.witness.apply(job(self.seq, after=after, **asked))

    def end(self, number: int, cause: Cause) -> None:
        runs = sorted(self.witness.runs)
        if runs:
            run = runs[number % len(runs)]
            self.witness.apply(RunStarted(self.now, run))
            self.witness.apply(RunEnded(self.now, run, Outcome(cause, exit_code=1)))

    def cancel(self, number: int) -> None:
        self.witness.apply(JobCancelled(self.now, f"j{number}"))

    def observe(self, name: str, seen: list, complete: bool) -> None:
        terms = Terms(cpu_hour=100 + len(seen) if name == "p" else 100)
        statuses = tuple(
            NodeStatus(f"{name}{i}", size, res(others, others), schedulable, RACKS[name][i])
            for i, size, others, schedulable in seen
        )
        offer = Offer(name, "local", terms)
        gone = () if any(i == 3 for i, *_ in seen) else (f"{name}3",)
        self.witness.apply(PoolObserved(self.now, offer, statuses, gone, complete))

    def lose(self, name: str) -> None:
        self.witness.apply(PoolLost(self.now, name, "it went silent"))

    def drain(self, name: str, drained: bool) -> None:
        self.witness.apply(PoolDrained(self.now, name, drained))

    def queue(self, name: str, is_open: bool) -> None:
        self.queues[name] = is_open
        self.witness.apply(QueueChanged(self.now, name, open=is_open))

    def decide(self, limit: int) -> None:
        """Every plan is checked; and a fork, made anew from the facts, must agree with it."""
        scheduler = self.witness.scheduler
        fork = scheduler.fork()
        plan = self.witness.decide(self.now, limit)
        assert fork.decide(self.now, limit) == plan
        assert scheduler.running == len(self.witness.runs)

    def settle(self) -> None:
        more = True
        while more:
            more = self.witness.decide(self.now).more

    def drive(self, todo: list[tuple]) -> Witness:
        for step in todo:
            self.step(step)
        self.now += 1_000_000_000
        self.settle()
        return self.witness


@given(steps)
@settings(max_examples=200, deadline=None)
def test_plans_keep_every_rule(todo: list[tuple]) -> None:
    Driver().drive(todo)


@given(steps)
@settings(max_examples=100, deadline=None)
def test_nobody_starves(todo: list[tuple]) -> None:
    """When what runs has ended, again and again, only what can never start is left."""
    driver = Driver()
    witness = driver.drive(todo)
    for name in ("default", "batch"):
        driver.queue(name, True)
    for _ in range(1000):
        driver.now += 1_000_000_000
        driver.settle()
        if not witness.runs:
            break
        for run in sorted(witness.runs):
            witness.apply(RunEnded(driver.now, run, DONE))
    assert not witness.runs
    for name, state in witness.states.items():
        if state is JobState.PENDING:
            assert_hopeless(driver, name)


def assert_hopeless(driver: Driver, name: str) -> None:
    """By this test's own books no pool could hold the job now, though nothing runs."""
    witness = driver.witness
    explanation = witness.scheduler.explain(name, driver.now)
    assert explanation is not None
    assert not explanation.costs
    told = {refusal.code for refusal in explanation.refusals}
    assert RefusalCode.BEHIND_EARLIER_JOB not in told
    if told & {RefusalCode.WAITS_FOR_JOBS, RefusalCode.REJECTED_BY_POOL}:
        return
    demand = witness.jobs[name].demand
    for pool_name, known in witness.nodes.items():
        if {pool_name + "?", pool_name + "!"} & witness.closed:
            continue
        for option in demand.options:
            if option.infra is None:
                free = [
                    s.total.plus(s.others_use, times=-1) for s in known.values() if s.schedulable
                ]
                assert count(option.per_task, free, demand.tasks) < demand.tasks


def count(need: Resources, free: list[Resources], most: int) -> int:
    """How many whole tasks fit; shares of devices are left to the scheduler's own tests, and any
    model where there are several."""
    if any(amount % 1000 for _, amount in need.accelerators):
        return 0
    if need.accelerators and need.accelerators[0][0] == ANY_ACCELERATOR:
        models = {model for have in free for model, _ in have.accelerators}
        if len(models) != 1:
            return 0
        need = replace(need, accelerators=((models.pop(), need.accelerators_total),))
    held = 0
    for have in free:
        while held < most and need.fits_in(have):
            have = have.plus(need, times=-1)
            held += 1
    return held


@given(steps)
@settings(max_examples=100, deadline=None)
def test_refusals_are_true(todo: list[tuple]) -> None:
    """Lift each reason that a job is told: in the end it starts."""
    driver = Driver()
    witness = driver.drive(todo)
    waiting = [name for name, state in witness.states.items() if state is JobState.PENDING]
    for name in waiting[:4]:
        assert_startable(witness, witness.scheduler.fork(), name, driver.now)


def assert_startable(witness: Witness, fork: Scheduler, name: str, now: int) -> None:
    lifter = Lifter(witness, fork, name, now)
    lifted = []
    for _ in range(40):
        explanation = fork.explain(name, lifter.now)
        if explanation is None:
            return  # a job it waits for ended otherwise: it was skipped, and says so
        if explanation.state == JobState.RUNNING:
            return
        if explanation.costs:
            plan = fork.decide(lifter.now)
            assert any(str(getattr(d, "run", "")).startswith(f"{name}-r") for d in plan.decisions)
            return
        refusals = [r for r in explanation.refusals if r.code is not RefusalCode.REJECTED_BY_POOL]
        if not refusals:
            return
        assert explanation.summary
        refusals.sort(key=lambda r: r.code is RefusalCode.INFRA_MISMATCH)  # others' pools last
        lifted.append(refusals[0].code.value)
        lifter.lift(refusals[0])
    raise AssertionError(lifted)


class Lifter:
    """Removes the reason that a refusal names, and nothing else."""

    def __init__(self, witness: Witness, fork: Scheduler, name: str, now: int) -> None:
        self.witness = witness
        self.fork = fork
        self.asked = witness.jobs[name]
        self.now = now

    def lift(self, refusal: Refusal) -> None:
        getattr(self, refusal.code.value, self.grow)(refusal)

    def behind_earlier_job(self, refusal: Refusal) -> None:
        """Everyone else who waits leaves; then, at once, it starts."""
        for name in self.witness.jobs:
            if name != self.asked.job and self.fork.job_state(name) is JobState.PENDING:
                self.fork.apply(JobCancelled(self.now, name))
        explanation = self.fork.explain(self.asked.job, self.now)
        assert explanation is not None
        assert refusal.pool in [cost.pool for cost in explanation.costs]

    def no_capacity(self, refusal: Refusal) -> None:
        """What runs there ends, what others hold is free, and cordoned nodes return."""
        for name in self.witness.jobs:
            for attempt in range(1, 30):
                run = self.fork.run(f"{name}-r{attempt}")
                if run is not None and run.pool == refusal.pool:
                    self.fork.apply(RunEnded(self.now, run.run, DONE))
        if "others than suan" in refusal.detail:
            known = self.fork.pool(refusal.pool)
            free = [replace(s, others_use=Resources(), schedulable=True) for s in known.nodes]
            self.fork.apply(PoolObserved(self.now, known.offer, tuple(free)))
        self.behind_earlier_job(replace(refusal))

    def queue_closed(self, refusal: Refusal) -> None:
        self.fork.apply(QueueChanged(self.now, self.asked.queue, open=True))

    def pool_drained(self, refusal: Refusal) -> None:
        self.fork.apply(PoolDrained(self.now, refusal.pool, drained=False))

    def pool_unavailable(self, refusal: Refusal) -> None:
        known = self.fork.pool(refusal.pool)
        self.fork.apply(PoolObserved(self.now, known.offer, known.nodes))

    def waits_for_jobs(self, refusal: Refusal) -> None:
        for name, _ in self.asked.after:
            for attempt in range(1, 30):
                self.fork.apply(RunEnded(self.now, f"{name}-r{attempt}", DONE))
            self.fork.apply(JobCancelled(self.now, name))
        self.fork.decide(self.now)
        self.fork.decide(self.now)

    def backing_off(self, refusal: Refusal) -> None:
        """Time passes."""
        self.now += 10
        self.fork.decide(self.now)

    def infra_mismatch(self, refusal: Refusal) -> None:
        """A pool that matches joins."""
        kind, name = "local", self.asked.demand.options[0].infra.rpartition("/")[2]
        self.join(name, kind)

    def grow(self, refusal: Refusal) -> None:
        """A node joins that is as large as the whole gang needs."""
        assert refusal.permanent
        self.join(refusal.pool, "local")

    def join(self, name: str, kind: str) -> None:
        demand = self.asked.demand
        need = demand.options[0].per_task
        model = {"*": "A"}
        whole = tuple(
            (model.get(m, m), -(-a // 1000) * 1000 * demand.tasks) for m, a in need.accelerators
        )
        size = Resources(need.cpu_milli * demand.tasks, need.memory_mib * demand.tasks, whole)
        node = NodeStatus("joined", size)
        self.fork.apply(PoolObserved(self.now, Offer(name, kind), (node,), complete=False))


@given(steps, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_fork_goes_its_own_way(todo: list[tuple], at: int) -> None:
    """What happens in a fork leaves the original as it was, and the other way round."""
    driver = Driver()
    for step in todo[:at]:
        driver.step(step)
    original = driver.witness.scheduler
    twin, fork = original.fork(), original.fork()
    for name in POOLS:
        fork.apply(PoolObserved(driver.now, Offer(name, "local"), ()))
    fork.decide(driver.now)
    fork.apply(JobSubmitted(driver.now, "other", 10_000, job(1, res(1, 1)).demand))
    assert original.explain("other", driver.now) is None
    assert original.pools() == twin.pools()
    assert original.decide(driver.now) == twin.decide(driver.now)
