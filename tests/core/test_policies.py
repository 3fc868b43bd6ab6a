"""Random worlds under every policy, with time limits, preemption and shares: the rules all hold."""

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.model.events import JobCancelled, PolicyChanged, QueueChanged, RunEnded, RunStarted
from suan.model.job import Cause, JobState, Outcome
from suan.model.plan import Plan
from suan.model.policy import BACKFILLS, DISCIPLINES, POLICIES, Policy
from suan.model.spec import Checkpoint, RetryPolicy
from suan.model.units import DAY, HOUR, MINUTE, SECOND
from tests.core.test_properties import NEEDS, POOLS, SIZES, Driver, assert_hopeless, nodes
from tests.core.world import DONE, job

QUEUES = ("default", "batch")
TIMES = (None, MINUTE, 3 * MINUTE, 10 * MINUTE, HOUR, 5 * HOUR)
CHECKPOINTS = (None, None, Checkpoint(grace=SECOND), Checkpoint(interval=MINUTE))


def policy_of(discipline: str, backfill: str, *, preemption: bool, **rest) -> Policy:
    """Conservative backfill takes no preemption, and evening out needs that, and shares."""
    preemption = preemption and backfill != "conservative"
    rest["even_out"] = rest["even_out"] and preemption and rest["fair_share"]
    return Policy(discipline, backfill, preemption=preemption, **rest)


policies = st.one_of(
    st.sampled_from(tuple(POLICIES.values())),
    st.builds(
        policy_of,
        st.sampled_from(DISCIPLINES),
        st.sampled_from(BACKFILLS),
        fair_share=st.booleans(),
        half_life=st.sampled_from((SECOND, HOUR, 7 * DAY)),
        predict=st.booleans(),
        preemption=st.booleans(),
        min_run_time=st.sampled_from((0, MINUTE, 5 * MINUTE)),
        deadlines=st.booleans(),
        even_out=st.booleans(),
    ),
)
jobs = st.fixed_dictionaries(
    {
        "need": st.sampled_from(NEEDS),
        "tasks": st.sampled_from((1, 1, 1, 2, 4)),
        "more": st.sampled_from((0, 0, 0, 1, 5)),
        "priority": st.sampled_from((0, 0, 0, 5)),
        "queue": st.sampled_from(QUEUES),
        "tenant": st.sampled_from(("default", "a", "lab/x", "lab/y")),
        "user": st.sampled_from(("", "u")),
        "name": st.sampled_from(("job", "train-1", "train-2")),
        "retry": st.sampled_from((RetryPolicy(), RetryPolicy(max_failures=2, backoff=3))),
        "after": st.integers(0, 12),
        "time_limit": st.sampled_from(TIMES),
        "expected": st.sampled_from(TIMES),
        "deadline": st.sampled_from((None, None, HOUR, 2 * HOUR)),
        "checkpoint": st.sampled_from(CHECKPOINTS),
        "takes": st.sampled_from((1, SECOND, MINUTE, 9 * MINUTE, 2 * HOUR, 9 * HOUR)),
    }
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), jobs),
        st.tuples(st.just("submit"), jobs),
        st.tuples(st.just("submit"), jobs),
        st.tuples(st.just("wait"), st.sampled_from((1, SECOND, MINUTE, 10 * MINUTE, 5 * HOUR))),
        st.tuples(st.just("wait"), st.sampled_from((1, SECOND, MINUTE, 10 * MINUTE, 5 * HOUR))),
        st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from(list(Cause))),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("start"), st.integers(0, 50)),
        st.tuples(st.just("observe"), st.sampled_from(POOLS), nodes, st.booleans()),
        st.tuples(st.just("lose"), st.sampled_from(POOLS)),
        st.tuples(st.just("drain"), st.sampled_from(POOLS), st.booleans()),
        st.tuples(
            st.just("settings"),
            st.sampled_from(QUEUES),
            st.booleans(),
            st.sampled_from((1, 1, 3)),
            st.sampled_from(("", *DISCIPLINES)),
        ),
        st.tuples(st.just("policy"), policies),
        st.tuples(st.just("decide"), st.sampled_from((1, 2, 1000))),
    ),
    max_size=40,
)


class TimedDriver(Driver):
    """Runs end when their time has come, in order of time; those told to stop end in their grace.

    ``takes`` has how long each job really runs, never above its limit.
    """

    looks_at_once = False  # before it waits, too

    def __init__(self) -> None:
        super().__init__()
        self.takes: dict[str, int] = {}
        self.told_at: dict[str, int] = {}

    def submit(self, asked: dict) -> None:
        asked = dict(asked)
        takes, limit = asked.pop("takes"), asked["time_limit"]
        super().submit(asked)
        self.takes[f"j{self.seq}"] = min(takes, limit or takes)

    def start(self, number: int) -> None:
        runs = sorted(self.witness.runs)
        if runs:
            self.witness.apply(RunStarted(self.now, runs[number % len(runs)]))

    def settings(self, name: str, is_open: bool, weight: int, discipline: str) -> None:
        self.queues[name] = is_open
        event = QueueChanged(self.now, name, weight, discipline, open=is_open)
        self.witness.apply(event)

    def policy(self, policy: Policy) -> None:
        """Told between whole cycles: who has been chosen to stop is still told so afterwards."""
        self.settle()
        self.witness.apply(PolicyChanged(self.now, policy))

    def ends(self) -> list[tuple[int, str, Outcome]]:
        """When each open run ends, and how, unless something comes between."""
        witness, found = self.witness, []
        for name, run in witness.runs.items():
            at, outcome = witness.began[name] + self.takes[run.job], DONE
            if name in witness.stopped:
                cause = witness.stopped[name]
                at, outcome = min(at, self.told_at[name] + SECOND), Outcome(cause)
            found.append((max(at, self.now), name, outcome))
        return sorted(found, key=lambda end: end[:2])

    def wait(self, time: int) -> None:
        """What ends meanwhile ends at its time, and wake-ups are heeded."""
        until, wake_at = self.now + time, self.settle() if self.looks_at_once else None
        for _ in range(300):
            ends = self.ends()
            at = min(
                [*(end[0] for end in ends[:1]), *([wake_at] if wake_at else [])], default=until
            )
            if at >= until:
                break
            self.now = max(at, self.now)
            for _, name, outcome in ends:
                if _ <= self.now:
                    self.witness.apply(RunEnded(self.now, name, outcome))
            wake_at = self.settle()
        self.now = until

    def decide(self, limit: int) -> Plan:
        scheduler = self.witness.scheduler
        fork = scheduler.fork()
        plan = self.witness.decide(self.now, limit)
        assert fork.decide(self.now, limit) == plan
        assert scheduler.running == len(self.witness.runs)
        for run in self.witness.stopped:
            self.told_at.setdefault(run, self.now)
        return plan

    def settle(self) -> int | None:
        more = True
        while more:
            plan = self.decide(1000)
            more = plan.more
        return plan.wake_at

    def drive(self, todo: list[tuple]):
        for step in todo:
            self.step(step)
        self.settle()
        return self.witness


@given(steps)
@settings(max_examples=150, deadline=None)
def test_plans_keep_every_rule_under_every_policy(todo: list[tuple]) -> None:
    TimedDriver().drive(todo)


@given(steps, policies)
@settings(max_examples=100, deadline=None)
def test_nobody_starves_under_any_policy(todo: list[tuple], policy: Policy) -> None:
    """When what runs ends again and again, all that can ever start does start."""
    driver = TimedDriver()
    witness = driver.drive(todo)
    driver.policy(policy)
    for name in QUEUES:
        driver.settings(name, is_open=True, weight=1, discipline="")
    for _ in range(300):
        driver.now += 10**10
        driver.settle()
        if not witness.runs:
            break
        for run in sorted(witness.runs):
            witness.apply(RunEnded(driver.now, run, DONE))
    assert not witness.runs
    for name, state in witness.states.items():
        if state is JobState.PENDING:
            assert_hopeless(driver, name)


@given(steps, policies)
@settings(max_examples=60, deadline=None)
def test_what_sleeps_has_nothing_to_do(todo: list[tuple], policy: Policy) -> None:
    """Work follows change: were everything looked at again, nobody would start or stop. (Who may
    pass a reservation is left out: one that moves lets others pass when they are next looked at.)
    """
    driver = TimedDriver()
    driver.policy(replace(policy, backfill="none"))
    for step in todo:
        if step[0] != "policy":
            driver.step(step)
            driver.settle()
            fork = driver.witness.scheduler.fork()
            fork._state.capacity.awake = (1 << 99) - 1
            assert fork.decide(driver.now).decisions == ()


class Backwards(TimedDriver):
    """Told of pools and nodes in the opposite order."""

    def observe(self, name: str, seen: list, complete: bool) -> None:
        if len(self.witness.nodes) == 0:
            for number, first in reversed(list(enumerate(POOLS))):
                sizes = ((1, SIZES[number + 2], 0, True), (0, SIZES[number], 0, True))
                super().observe(first, list(sizes), True)
        super().observe(name, seen[::-1], complete)


@given(steps, policies)
@settings(max_examples=60, deadline=None)
def test_no_order_of_pools_or_nodes_matters(todo: list[tuple], policy: Policy) -> None:
    one, other = TimedDriver(), Backwards()
    for driver in (one, other):
        driver.policy(policy)
    for step in todo:
        for driver in (one, other):
            driver.step(step)
        scheduler, twin = one.witness.scheduler.fork(), other.witness.scheduler.fork()
        assert scheduler.decide(one.now).decisions == twin.decide(one.now).decisions


@given(steps, policies, st.lists(jobs, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_within_an_instant_order_matters_only_for_what_was_learned(
    todo: list[tuple], policy: Policy, new: list[dict], rng: Random
) -> None:
    """Events of one instant in any order lead to the same decisions; but where durations are
    learned, who is submitted (or ordered anew) after a run's end knows of it: ends come first."""
    driver = TimedDriver()
    driver.policy(policy)
    for step in todo:
        if step[0] != "policy":
            driver.step(step)
    driver.settle()
    runs = sorted(driver.witness.runs)
    driver.now += 1
    ends = [RunEnded(driver.now, run, DONE) for run in runs[::2]]
    rest = [RunStarted(driver.now, run) for run in runs[1::2]]
    waiting = [n for n, s in driver.witness.states.items() if s is JobState.PENDING]
    rest += [JobCancelled(driver.now, name) for name in waiting[::3]]
    rest.append(QueueChanged(driver.now, "batch", 2, "sjf"))
    for seq, asked in enumerate(new, 1000):
        told_of = {key: asked[key] for key in asked if key not in ("takes", "after")}
        rest.append(job(seq, **told_of))
    outcomes = set()
    for _ in range(3):
        rng.shuffle(ends)
        rng.shuffle(rest)
        events = [*ends, *rest]
        if not policy.predict:
            rng.shuffle(events)
        outcomes.add(what_follows(driver, events))
    assert len(outcomes) == 1


def what_follows(driver: TimedDriver, events: list) -> frozenset:
    """Who starts where, who stops and who is finished, in no order."""
    fork, found, more = driver.witness.scheduler.fork(), [], True
    for event in events:
        fork.apply(event)
    while more:
        plan = fork.decide(driver.now)
        found += plan.decisions
        more = plan.more
    return frozenset(found)
