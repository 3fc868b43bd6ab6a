"""What follows a run's end: the table of causes, and the back-off."""

import pytest

from suan.core.retry import LONGEST_BACKOFF, Tries, back_off, fate
from suan.model.events import JobCancelled, PastRun, PoolRemoved, RunPlaced
from suan.model.job import Cause, JobState, Outcome
from suan.model.plan import Finish, Requeue, Stop
from suan.model.spec import RetryPolicy
from suan.model.units import HOUR, SECOND
from tests.core.world import codes, ended, job, places, pool, res, told

AGAIN = RetryPolicy(max_failures=2, max_lost=1, max_preempted=1, backoff=10 * SECOND)
PICKY = RetryPolicy(max_failures=2, on_exit_codes=(75,))
F, L, P = Tries(failed=2), Tries(lost=1), Tries(preempted=1)
TABLE = [
    (Cause.SUCCEEDED, 0, AGAIN, Tries(), JobState.SUCCEEDED),
    (Cause.CANCELLED, None, AGAIN, Tries(), JobState.CANCELLED),
    (Cause.TIMED_OUT, None, AGAIN, Tries(), JobState.FAILED),
    (Cause.FAILED, 1, RetryPolicy(), Tries(), JobState.FAILED),
    (Cause.FAILED, 1, AGAIN, Tries(), None),
    (Cause.FAILED, 1, AGAIN, F, JobState.FAILED),
    (Cause.FAILED, 1, AGAIN, L, None),
    (Cause.FAILED, 75, PICKY, Tries(), None),
    (Cause.FAILED, 1, PICKY, Tries(), JobState.FAILED),
    (Cause.OUT_OF_MEMORY, 137, AGAIN, Tries(), None),
    (Cause.OUT_OF_MEMORY, 137, AGAIN, F, JobState.FAILED),
    (Cause.LOST, None, AGAIN, F, None),
    (Cause.LOST, None, AGAIN, L, JobState.FAILED),
    (Cause.PREEMPTED, None, AGAIN, F, None),
    (Cause.PREEMPTED, None, AGAIN, P, JobState.FAILED),
    (Cause.REJECTED, None, RetryPolicy(), F, None),
]


@pytest.mark.parametrize(("cause", "exit_code", "policy", "before", "state"), TABLE)
def test_fate(cause, exit_code, policy, before, state) -> None:
    found = fate(Outcome(cause, exit_code=exit_code), policy, before)
    assert found.state is state
    assert found.elsewhere is (cause is Cause.REJECTED)


def test_back_off_doubles_up_to_an_hour() -> None:
    assert [back_off(10 * SECOND, had) // SECOND for had in range(4)] == [10, 20, 40, 80]
    assert back_off(10 * SECOND, 1000) == LONGEST_BACKOFF == HOUR
    assert back_off(0, 5) == 0


def test_a_retry_keeps_its_place_and_waits_out_its_back_off() -> None:
    policy = RetryPolicy(max_failures=1, backoff=100)
    scheduler = told(pool("p", res(1)), job(1, retry=policy), job(2), job(3))
    assert list(places(scheduler.decide(1))) == ["j1"]
    scheduler.apply(ended("j1-r1", Cause.FAILED, 7))
    plan = scheduler.decide(50)
    requeue, place = plan.decisions
    assert isinstance(requeue, Requeue)
    assert requeue.not_before == plan.wake_at == 150
    assert "exit code 7; retry 1 of 1" in requeue.detail
    assert place.job == "j2"
    assert codes(scheduler, "j1", 60) == {None: "backing_off"}
    assert scheduler.explain("j1", 60).refusals[0].until == 150
    scheduler.apply(ended("j2-r1"))
    plan = scheduler.decide(150)
    assert places(plan)["j1"].run == "j1-r2"
    assert plan.wake_at is None
    scheduler.apply(ended("j1-r2", Cause.FAILED, 7))
    assert scheduler.decide(151).decisions[0].state is JobState.FAILED


def test_a_rejected_job_goes_elsewhere_and_fails_when_nowhere_is_left() -> None:
    scheduler = told(pool("p", res(1)), pool("q", res(1)), job(1), job(2, res(5)))
    assert places(scheduler.decide(1))["j1"].pool == "p"
    scheduler.apply(ended("j1-r1", Cause.REJECTED))
    requeue, place = scheduler.decide(2).decisions
    assert (requeue.not_before, place.pool, place.attempt) == (2, "q", 2)
    assert place.refusals[0].code == "rejected_by_pool"
    scheduler.apply(ended("j1-r2", Cause.REJECTED))
    (finish,) = scheduler.decide(3).decisions
    assert (finish.state, finish.run) == (JobState.FAILED, "j1-r2")
    assert "no other pool can run it" in finish.detail


def test_cancel_while_pending_running_and_too_late() -> None:
    scheduler = told(pool("p", res(1)), job(1), job(2))
    scheduler.decide(1)
    for name in ("j2", "j1", "j1", "nobody"):
        scheduler.apply(JobCancelled(2, name))
    stop, finish = scheduler.decide(2).decisions
    assert isinstance(stop, Stop)
    assert (stop.run, finish.job, finish.state) == ("j1-r1", "j2", JobState.CANCELLED)
    assert scheduler.decide(3).decisions == ()
    twin = scheduler.fork()
    scheduler.apply(ended("j1-r1", Cause.FAILED, 143))
    assert scheduler.decide(4).decisions[0].state is JobState.CANCELLED
    twin.apply(ended("j1-r1"))
    assert twin.decide(4).decisions[0].state is JobState.SUCCEEDED


def test_a_removed_pool_loses_its_runs() -> None:
    scheduler = told(pool("p", res(1)), pool("q", res(1)), job(1))
    scheduler.decide(1)
    scheduler.apply(PoolRemoved(2, "p"))
    requeue, place = scheduler.decide(2).decisions
    assert "removed from the platform" in requeue.detail
    assert place.pool == "q"
    scheduler.apply(ended("j1-r1"))
    assert scheduler.decide(3).decisions == ()
    assert [status.offer.pool for status in scheduler.pools()] == ["q"]


def test_a_new_leader_remembers_what_earlier_runs_came_to() -> None:
    """Retry limits, back-offs and rejections outlive the leader who saw them."""
    failed = PastRun("p", 100, Outcome(Cause.FAILED, exit_code=1))
    refused = PastRun("p", 100, Outcome(Cause.REJECTED))
    policy = RetryPolicy(max_failures=1, backoff=50)
    scheduler = told(
        pool("p", res(8)),
        job(1, retry=policy, attempts=1, history=(failed,)),
        job(2, attempts=1, history=(refused,)),
    )
    plan = scheduler.decide(120)
    assert (plan.decisions, plan.wake_at) == ((), 150)
    assert codes(scheduler, "j2") == {"p": "rejected_by_pool"}
    place = scheduler.decide(150).decisions[0]
    assert (place.run, place.attempt) == ("j1-r2", 2)
    scheduler.apply(ended("j1-r2", Cause.FAILED, 1))
    (finish,) = scheduler.decide(151).decisions
    assert isinstance(finish, Finish)


def test_a_run_taken_over_holds_its_nodes_even_beyond_capacity() -> None:
    scheduler = told(pool("p", res(4, 8, A=1)), job(1, res(4, 4, A=1), attempts=1))
    scheduler.apply(job(2, res(4, 4, A=1), attempts=1))
    for name in ("j1", "j2"):
        scheduler.apply(RunPlaced(1, f"{name}-r1", name, "p", ("p0",), 0))
    scheduler.apply(job(3))
    assert places(scheduler.decide(2)) == {}
    assert scheduler.pool("p").free == res(0, 0)
    scheduler.apply(ended("j1-r1"))
    assert places(scheduler.decide(3)) == {}
    scheduler.apply(ended("j2-r1"))
    assert list(places(scheduler.decide(4))) == ["j3"]


def test_a_takeover_may_speak_of_a_pool_before_it_is_observed() -> None:
    scheduler = told(job(1, res(1, A=1), attempts=1), RunPlaced(0, "j1-r1", "j1", "p", ("p0",), 0))
    scheduler.apply(job(2, res(1, A=1)))
    scheduler.apply(pool("p", res(4, 8, A=1)))
    assert places(scheduler.decide(1)) == {}
    scheduler.apply(ended("j1-r1"))
    assert list(places(scheduler.decide(2))) == ["j2"]
