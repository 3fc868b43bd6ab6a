"""Explanations on crowded clusters are true: the cause, what lifts it, and when it may start."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import JobCancelled, RunEnded
from suan.model.job import JobState
from suan.model.plan import Explanation, Place, Stop
from suan.model.policy import Policy
from suan.model.refusal import Refusal, RefusalCode
from suan.model.spec import PRIORITY_MAX
from suan.model.units import MINUTE
from tests.core.crowd import LIMITS, POLICY, Crowd, crowd, steps
from tests.core.world import DONE

SURE = st.sampled_from(LIMITS)
PERHAPS = st.sampled_from((None, *LIMITS))


@given(POLICY, steps(SURE))
@settings(max_examples=60, deadline=None)
def test_it_starts_between_the_earliest_and_the_latest(policy: Policy, todo: list[tuple]) -> None:
    """If all ends are as told and nothing new comes in; and to ask changes nothing."""
    world = crowd(policy, todo)
    twin = world.scheduler.fork()
    names = world.waiting()[:4]
    said = {name: explain(world.scheduler, name, world.now) for name in names}
    assert twin.decide(world.now) == world.scheduler.fork().decide(world.now)
    world.started.clear()  # earlier runs of jobs that were displaced
    for _ in range(2000):
        at = world.soonest()
        if at is None or all(name in world.started for name in names):
            break
        world.advance(at)
    for name, told in said.items():
        if told.refusals and all(refusal.permanent for refusal in told.refusals):
            assert told.earliest is told.latest is None
            continue
        assert told.earliest is not None, told
        assert told.latest is not None, told
        assert told.earliest <= world.started[name] <= told.latest, told
        # what waits for others to be old enough to displace rests on nobody's end
        assert "the time" in told.rests_on or told.earliest == told.latest
        assert "nothing new coming in" in told.rests_on


@given(POLICY, steps(PERHAPS))
@settings(max_examples=60, deadline=None)
def test_what_it_says_of_now_is_what_is_decided(policy: Policy, todo: list[tuple]) -> None:
    world = crowd(policy, todo)
    for name in world.waiting()[:6]:
        told = explain(world.scheduler, name, world.now)
        placed = place_of(world.scheduler.fork(), name, world.now)
        assert (placed and placed.pool) == (told.costs[0].pool if told.costs else None)
        assert bool(told.costs) or bool(told.refusals)


@given(POLICY, steps(PERHAPS), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_who_lifts_what_the_summary_names_sees_it_start(
    policy: Policy, todo: list[tuple], number: int
) -> None:
    world = crowd(policy, todo)
    waiting = world.waiting()
    if not waiting:
        return
    name = waiting[number % len(waiting)]
    lifted = []
    for _ in range(2 * len(world.jobs) + 10):
        told = explain(world.scheduler, name, world.now)
        if told.state == JobState.RUNNING:
            return
        if told.costs:
            assert place_of(world.scheduler, name, world.now)
            return
        cause = cause_of(told)
        if cause.permanent:
            return
        lifted.append((cause.code.value, cause.pool, cause.behind))
        lift(world, cause)
    raise AssertionError(lifted)


def cause_of(told: Explanation) -> Refusal:
    """The refusal that the summary speaks of."""
    (cause,) = [each for each in told.refusals if f"{each.detail}" in told.summary][:1]
    assert cause.pool is None or cause.pool in told.summary
    assert cause.unblocked_by in told.summary
    return cause


def lift(world: Crowd, cause: Refusal) -> None:
    """Remove what a refusal names, and nothing else."""
    if cause.code is RefusalCode.BEHIND_EARLIER_JOB and cause.behind is None:
        assert cause.until is not None
        world.pass_by(cause.until - world.now)
    elif cause.code is RefusalCode.BEHIND_EARLIER_JOB:
        assert world.scheduler.job_state(cause.behind) is JobState.PENDING
        world.scheduler.apply(JobCancelled(world.now, cause.behind))
    else:
        assert cause.code is RefusalCode.NO_CAPACITY
        for name in world.jobs:
            for attempt in range(1, 20):
                run = world.scheduler.run(f"{name}-r{attempt}")
                if run is not None and run.pool == cause.pool:
                    world.scheduler.apply(RunEnded(world.now, run.run, DONE))
    world.decide()


@given(POLICY, steps(PERHAPS))
@settings(max_examples=60, deadline=None)
def test_without_what_the_summary_names_it_does_not_start_there(
    policy: Policy, todo: list[tuple]
) -> None:
    """Though all others leave the line: while the job it is behind waits, or the pool is full."""
    world = crowd(policy, todo)
    for name in world.waiting()[:6]:
        cause = cause_of(explain(world.scheduler, name, world.now))
        if "something there ends" in cause.unblocked_by or "is not known" in cause.detail:
            continue  # found when the pool was last looked at; any change brings a new look
        fork = world.scheduler.fork()
        for other in world.waiting():
            if other not in (name, cause.behind):
                fork.apply(JobCancelled(world.now, other))
        placed = place_of(fork, name, world.now)
        if placed is not None and placed.pool == cause.pool:
            assert cause.behind is not None
            assert fork.job_state(cause.behind) is JobState.RUNNING


@given(POLICY, steps(PERHAPS))
@settings(max_examples=60, deadline=None)
def test_a_time_limit_that_it_asks_for_lets_the_job_pass(policy: Policy, todo: list[tuple]) -> None:
    world = crowd(policy, todo)
    for name in world.waiting()[:6]:
        told = explain(world.scheduler, name, world.now)
        for refusal in told.refusals:
            if "time limit of at most" in refusal.unblocked_by:
                assert refusal.until is not None
                assert refusal.until - world.now >= MINUTE
                again = replace(world.jobs[name], time_limit=refusal.until - world.now)
                assert resubmitted(world, again), refusal
            elif "is safe for" in refusal.detail:
                fork = world.scheduler.fork()
                plan = fork.decide(refusal.until)
                assert any(isinstance(each, Stop) for each in plan.decisions)


@given(POLICY, steps(PERHAPS))
@settings(max_examples=60, deadline=None)
def test_preemption_helps_where_it_says_so(policy: Policy, todo: list[tuple]) -> None:
    world = crowd(policy, todo)
    for name in world.waiting()[:4]:
        for refusal in explain(world.scheduler, name, world.now).refusals:
            if refusal.code is not RefusalCode.NO_CAPACITY or refusal.permanent:
                continue
            demand = world.jobs[name].demand
            options = tuple(replace(each, infra=refusal.pool) for each in demand.options)
            bold = replace(
                world.jobs[name],
                job="bold",
                priority=PRIORITY_MAX,
                demand=replace(demand, options=options),
            )
            fork = world.scheduler.fork()
            fork.apply(bold)
            plan = fork.decide(world.now + policy.min_run_time)
            makes_room = [
                each for each in plan.decisions if "job bold" in getattr(each, "detail", "")
            ]
            if refusal.preemption_helps:
                assert makes_room or place_of(fork, "bold", world.now, plan)


def explain(scheduler: Scheduler, name: str, now: int) -> Explanation:
    found = scheduler.explain(name, now)
    assert found is not None
    return found


def place_of(scheduler: Scheduler, name: str, now: int, plan: object = None) -> Place | None:
    plan = plan or scheduler.decide(now)
    return next((d for d in plan.decisions if isinstance(d, Place) and d.job == name), None)


def resubmitted(world: Crowd, event: object) -> Place | None:
    """Where a job goes that is cancelled and submitted anew, at its old place."""
    fork = world.scheduler.fork()
    fork.apply(JobCancelled(world.now, event.job))
    fork.apply(replace(event, job="again"))
    return place_of(fork, "again", world.now)
