"""Random worlds under every policy, with time limits, preemption and shares: the rules all hold."""

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.model.events import PolicyChanged, QueueChanged, RunEnded, RunStarted
from suan.model.job import Cause, JobState, Outcome
from suan.model.plan import Plan
from suan.model.policy import BACKFILLS, DISCIPLINES, POLICIES, Policy
from suan.model.spec import Checkpoint, RetryPolicy
from suan.model.units import DAY, HOUR, MINUTE, SECOND
from tests.core.test_properties import NEEDS, POOLS, Driver, assert_hopeless, nodes
from tests.core.world import DONE

QUEUES = ("default", "batch")
TIMES = (None, MINUTE, 3 * MINUTE, 10 * MINUTE, HOUR, 5 * HOUR)
CHECKPOINTS = (None, None, Checkpoint(grace=SECOND), Checkpoint(interval=MINUTE))
policies = st.one_of(
    st.sampled_from(tuple(POLICIES.values())),
    st.builds(
        Policy,
        st.sampled_from(DISCIPLINES),
        st.sampled_from(BACKFILLS),
        fair_share=st.booleans(),
        half_life=st.sampled_from((SECOND, HOUR, 7 * DAY)),
        predict=st.booleans(),
        preemption=st.booleans(),
        min_run_time=st.sampled_from((0, MINUTE, 5 * MINUTE)),
    ),
)
jobs = st.fixed_dictionaries(
    {
        "need": st.sampled_from(NEEDS),
        "tasks": st.sampled_from((1, 1, 1, 2, 4)),
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
        until, wake_at = self.now + time, None
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
