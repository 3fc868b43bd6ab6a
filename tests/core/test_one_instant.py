"""What happens in one instant may be told in any order: the plans are the same.

What happens to one thing is told in its own order (a run starts before it ends, a job is submitted
before it is cancelled); and what an operator sets counts from where he sets it.
"""

from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.core.durations import RUNS_KEPT
from suan.model.events import (
    Event,
    JobCancelled,
    JobSubmitted,
    LimitsChanged,
    PolicyChanged,
    PoolDrained,
    PoolObserved,
    QuotaChanged,
    RunEnded,
    RunStarted,
)
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Finish, Place, Plan
from suan.model.policy import POLICIES, Policy
from suan.model.quota import Limits, Quota
from suan.model.resources import Resources
from suan.model.spec import Checkpoint, RetryPolicy
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.world import DONE, ended, job, pool, res, told

DEFAULT = POLICIES["default"]
POLICY = st.sampled_from(
    (
        *POLICIES.values(),
        replace(DEFAULT, discipline="sjf"),
        replace(DEFAULT, discipline="qssf", min_run_time=0),
        replace(DEFAULT, discipline="las", fair_share=False),
        replace(POLICIES["deadline"], fair_share=True),
    )
)
NEEDS = (res(1, 1), res(4, 2), res(2, 2, A=1), res(1, 1, A=0.4), res(2, 2, A=4), res(1, 1, any_=1))
SIZES = (res(8, 32, A=4), res(8, 16), res(8, 16, B=2), res(4, 8))
CAUSES = (Cause.SUCCEEDED, Cause.SUCCEEDED, Cause.FAILED, Cause.LOST, Cause.PREEMPTED)

submitted = st.fixed_dictionaries(
    {
        "need": st.sampled_from(NEEDS),
        "tasks": st.sampled_from((1, 1, 1, 2)),
        "more": st.sampled_from((0, 0, 0, 2)),
        "priority": st.sampled_from((0, 0, 0, 5)),
        "queue": st.sampled_from(("default", "batch")),
        "tenant": st.sampled_from(("default", "lab/v", "lab/w")),
        "user": st.sampled_from(("ann", "bob")),
        "name": st.sampled_from(("train", "check")),
        "time_limit": st.sampled_from((None, None, None, 10 * MINUTE, HOUR)),
        "deadline": st.sampled_from((None, None, HOUR, 3 * HOUR)),
        "checkpoint": st.sampled_from((None, None, Checkpoint(grace=MINUTE))),
        "retry": st.sampled_from((RetryPolicy(), RetryPolicy(max_failures=2, backoff=MINUTE))),
        "after": st.sampled_from((0, 0, 0, 1, 2)),
    }
)
happenings = st.one_of(
    st.tuples(st.just("submit"), submitted),
    st.tuples(st.just("submit"), submitted),
    st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from(CAUSES)),
    st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from(CAUSES)),
    st.tuples(st.just("start"), st.integers(0, 50)),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("observe"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("drain"), st.booleans()),
)
instants = st.lists(
    st.tuples(
        st.sampled_from((SECOND, MINUTE, 7 * MINUTE, 40 * MINUTE)),
        st.lists(happenings, min_size=1, max_size=6),
    ),
    min_size=3,
    max_size=14,
)


@dataclass
class Story:
    """What happens, and what it is to be told of: the same for each way of telling it."""

    policy: Policy
    now: int = 0
    seq: int = 0
    runs: dict[str, str] = field(default_factory=dict)  # open ones, and their jobs
    waiting: dict[str, None] = field(default_factory=dict)

    def begin(self) -> list[Event]:
        quota = Quota(ceiling=(("cpu", 16_000),))
        return [
            PolicyChanged(0, self.policy),
            QuotaChanged(0, "batch", quota),
            LimitsChanged(0, "bob", Limits(running=3)),
            *(event for number in range(4) for _, event in self.observe(number, True)),
        ]

    def submit(self, asked: dict) -> list[tuple[str, Event]]:
        self.seq += 1
        asked = dict(asked)
        back, deadline = asked.pop("after"), asked.pop("deadline")
        other = f"j{self.seq - back}"
        if back and other in self.waiting:
            asked["after"] = ((other, "ended"),)
        if deadline is not None:
            asked["deadline"] = self.now + deadline
        event: JobSubmitted = replace(job(self.seq, **asked), at=self.now)
        self.waiting[event.job] = None
        return [(event.job, event)]

    def end(self, number: int, cause: Cause) -> list[tuple[str, Event]]:
        if not self.runs:
            return []
        run = sorted(self.runs)[number % len(self.runs)]
        del self.runs[run]
        return [(run, RunEnded(self.now, run, Outcome(cause, exit_code=1)))]

    def start(self, number: int) -> list[tuple[str, Event]]:
        if not self.runs:
            return []
        run = sorted(self.runs)[number % len(self.runs)]
        return [(run, RunStarted(self.now, run))]

    def cancel(self, number: int) -> list[tuple[str, Event]]:
        name = f"j{number % (self.seq + 1)}"
        return [(name, JobCancelled(self.now, name))]

    def observe(self, number: int, schedulable: bool) -> list[tuple[str, Event]]:
        name = "pq"[number % 2]
        return [(name, node(name, number, SIZES[number], self.now, schedulable=schedulable))]

    def drain(self, drained: bool) -> list[tuple[str, Event]]:
        return [("q", PoolDrained(self.now, "q", drained))]

    def note(self, plan: Plan) -> None:
        for decision in plan.decisions:
            if isinstance(decision, Place):
                self.runs[decision.run] = decision.job
            elif isinstance(decision, Finish):
                self.waiting.pop(decision.job, None)


def node(pool: str, number: int, size: Resources, now: int, *, schedulable: bool) -> PoolObserved:
    status = NodeStatus(f"{pool}{number}", size, schedulable=schedulable)
    return PoolObserved(now, Offer(pool, "local"), (status,), complete=False)


def otherwise(told: list[tuple[str, Event]], order: Random) -> list[Event]:
    """The same in another order, but what is of one thing in its own."""
    things = [thing for thing, _ in told]
    order.shuffle(things)
    left = {thing: [event for of, event in told if of == thing] for thing in things}
    return [left[thing].pop(0) for thing in things]


@given(POLICY, instants, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_order_within_an_instant_decides_nothing(policy, todo, order) -> None:
    story = Story(policy)
    one, other = Scheduler(), Scheduler()
    for event in story.begin():
        one.apply(event)
        other.apply(event)
    for passes, happens in todo:
        story.now += passes
        told = [each for name, *rest in happens for each in getattr(story, name)(*rest)]
        for _, event in told:
            one.apply(event)
        for event in otherwise(told, order):
            other.apply(event)
        more = True
        while more:
            plan = one.decide(story.now)
            assert other.decide(story.now) == plan
            story.note(plan)
            more = plan.more


def both_ways(
    events: list[Event], happens: list[Event], now: int, *, before: tuple[Event, ...] = ()
) -> list[Scheduler]:
    """The same world twice: what happens in an instant is told forwards, and backwards."""
    found = []
    for order in (happens, happens[::-1]):
        scheduler = told(*events)
        scheduler.decide(0)
        for event in (*before, *order):
            scheduler.apply(event)
        found.append(scheduler)
    one, other = found
    plan = one.decide(now)
    assert plan.decisions
    assert other.decide(now) == plan
    return found


def test_jobs_cancelled_in_one_instant_are_told_to_stop_in_the_order_of_their_starts() -> None:
    running = [pool("p", *[res(1, 1)] * 9), *(job(n) for n in range(9))]
    both_ways(running, [JobCancelled(1, f"j{n}") for n in (3, 1, 7)], 1)


def test_those_who_waited_for_the_same_are_answered_in_the_order_of_their_submission() -> None:
    waiting = [replace(job(n, after=(("j0", "succeeded"),)), at=1) for n in range(1, 5)]
    events = [pool("p", res(1, 1)), job(0)]
    for scheduler in both_ways(events, [*waiting, ended("j0-r1", Cause.FAILED, 1)], 1):
        assert scheduler.pending == 0


def test_a_group_keeps_the_same_runs_of_those_that_ended_in_one_instant() -> None:
    """More than it can hold, each of another length."""
    count = 2 * RUNS_KEPT
    events: list[Event] = [pool("p", *[res(1, 1)] * count), *(job(n) for n in range(count))]
    starts = tuple(RunStarted(n, f"j{n}-r1") for n in range(count))
    ends = [RunEnded(HOUR, f"j{n}-r1", DONE) for n in range(count)]
    one, other = both_ways(events, ends, HOUR, before=starts)
    asked = job(count + 1)
    known = [each._state.durations.expect(asked) for each in (one, other)]
    assert known[0] == known[1]
    assert known[0] is not None
    assert known[0].samples == RUNS_KEPT


def test_a_submission_is_not_helped_by_an_end_of_its_own_instant() -> None:
    """It is helped by one of an instant before."""
    for gap in (0, 1):
        scheduler = told(PolicyChanged(0, POLICIES["qssf"]), pool("p", res(1, 1)), job(1))
        scheduler.decide(0)
        scheduler.apply(ended("j1-r1", at=HOUR))
        if gap:
            scheduler.decide(HOUR)
        scheduler.apply(job(2, res(9, 9)))
        assert (scheduler._state.jobs["j2"].expected > 0) is bool(gap)
