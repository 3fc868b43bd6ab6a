"""What is said of quotas and limits is true: who lifts what is named sees the job start."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import JobCancelled, LimitsChanged, PolicyChanged, QuotaChanged, RunEnded
from suan.model.job import Cause, JobState
from suan.model.plan import Explanation, Place
from suan.model.policy import POLICIES, Policy
from suan.model.quota import Limits, Quota
from suan.model.refusal import Refusal, RefusalCode
from suan.model.units import HOUR, MINUTE
from tests.core.test_quotas import Books, steps
from tests.core.world import DONE, ended, job, places, pool, res, told

PLAIN = Policy(fair_share=False, min_run_time=0)
CAPPED = Quota(ceiling=(("cpu", 2000),))
OWN = Quota(guarantee=(("cpu", 2000),))
LENT = Quota(guarantee=(("cpu", 1000),), cohort="lab")
CAUSES = {
    "over_ceiling": (QuotaChanged(0, "q", CAPPED),),
    "over_guarantee": (QuotaChanged(0, "q", OWN),),
    "nothing_to_borrow": (QuotaChanged(0, "q", LENT), QuotaChanged(0, "r", LENT)),
    "over_user_limit": (LimitsChanged(0, "", Limits(running=2)),),
}
EASED = (
    QuotaChanged(1, "q", Quota()),
    QuotaChanged(1, "r", Quota()),
    LimitsChanged(1, "", Limits()),
)


def why(scheduler: Scheduler, name: str, now: int = 1) -> Explanation:
    found = scheduler.explain(name, now)
    assert found is not None
    return found


def only(told: Explanation) -> Refusal:
    (found,) = told.refusals
    return found


def at_its_quota(code: str) -> Scheduler:
    """Two jobs run, a third waits for the quota, and a fourth behind it."""
    scheduler = told(PolicyChanged(0, PLAIN), pool("p", res(8, 64)), pool("o", res(8, 64)))
    for event in CAUSES[code]:
        scheduler.apply(event)
    for seq in (1, 2, 3, 4):
        scheduler.apply(job(seq, queue="q", time_limit=HOUR))
    assert list(places(scheduler.decide(0))) == ["j1", "j2"]
    return scheduler


@pytest.mark.parametrize("code", CAUSES)
def test_what_is_short_is_told_once_for_all_pools(code: str) -> None:
    scheduler = at_its_quota(code)
    third = why(scheduler, "j3")
    found = only(third)
    assert (found.code.value, found.pool, found.permanent) == (code, None, False)
    assert found.detail in third.summary
    assert found.unblocked_by in third.summary
    assert (third.earliest, third.latest) == (HOUR // 2, HOUR)


@pytest.mark.parametrize("code", CAUSES)
def test_an_ended_run_or_an_eased_quota_lifts_it(code: str) -> None:
    scheduler = at_its_quota(code)
    scheduler.apply(ended("j1-r1"))
    assert why(scheduler, "j3").costs, "it can start now"
    assert list(places(scheduler.decide(1))) == ["j3"]
    for event in EASED:
        scheduler.apply(event)
    assert list(places(scheduler.decide(1))) == ["j4"]


@pytest.mark.parametrize(
    ("code", "event", "mend"),
    [
        ("over_ceiling", QuotaChanged(0, "q", CAPPED), "raises the quota"),
        ("over_guarantee", QuotaChanged(0, "q", OWN), "raises the quota"),
        ("nothing_to_borrow", QuotaChanged(0, "q", replace(OWN, cohort="lab")), "raises the quota"),
        ("over_user_limit", LimitsChanged(0, "", Limits(running=0)), "raises the limit"),
    ],
)
def test_what_never_fits_needs_an_operator(code: str, event: object, mend: str) -> None:
    scheduler = told(PolicyChanged(0, PLAIN), pool("p", res(8, 64)), event)
    scheduler.apply(job(1, res(5), queue="q"))
    assert not places(scheduler.decide(0))
    found = only(why(scheduler, "j1"))
    assert (found.code.value, found.permanent) == (code, True)
    assert found.unblocked_by == f"an operator {mend}"


def test_who_is_behind_is_told_of_whom_and_what_he_waits_for() -> None:
    scheduler = told(PolicyChanged(0, PLAIN), pool("p", res(8, 64)), QuotaChanged(0, "q", CAPPED))
    for seq, cpus in enumerate((1, 2, 1), 1):
        scheduler.apply(job(seq, res(cpus), queue="q"))
    scheduler.decide(0)
    found = only(why(scheduler, "j3"))
    assert (found.code, found.behind) == (RefusalCode.BEHIND_EARLIER_JOB, "j2")
    assert "queue q would hold 1 cpu more than its ceiling of 2 cpus" in found.detail
    scheduler.apply(JobCancelled(1, "j2"))
    assert list(places(scheduler.decide(1))) == ["j3"]


def test_what_is_being_given_back_is_named() -> None:
    lab = Quota(guarantee=(("cpu", 2000),), cohort="lab")
    scheduler = told(PolicyChanged(0, PLAIN), pool("p", res(8, 64)))
    for queue in "ab":
        scheduler.apply(QuotaChanged(0, queue, lab))
    for seq in range(1, 5):
        scheduler.apply(job(seq, queue="a"))
    scheduler.decide(0)
    scheduler.apply(job(6, queue="b"))
    scheduler.decide(MINUTE)
    found = only(why(scheduler, "j6", MINUTE))
    assert found.code is RefusalCode.NOTHING_TO_BORROW
    assert found.detail.endswith("run j1-r1 is ending to make room for it")
    assert found.unblocked_by == "run j1-r1 has ended"
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=MINUTE))
    assert list(places(scheduler.decide(MINUTE))) == ["j6"]


def test_a_quota_of_one_model_leaves_the_pools_with_others() -> None:
    quota = QuotaChanged(0, "q", Quota(ceiling=(("A", 1000),)))
    scheduler = told(
        PolicyChanged(0, PLAIN), pool("a", res(8, 64, A=4)), pool("b", res(8, 64, B=1)), quota
    )
    either = (res(1, 1, A=2), res(1, 1, B=1))
    for seq in (1, 2):
        scheduler.apply(job(seq, either, queue="q"))
    assert [place.pool for place in places(scheduler.decide(0)).values()] == ["b"]
    said = {each.pool: each.code.value for each in why(scheduler, "j2").refusals}
    assert said == {"a": "over_ceiling", "b": "no_capacity"}


@given(steps, st.sampled_from(["default", "fifo", "easy", "fair"]))
@settings(max_examples=100, deadline=None)
def test_who_lifts_what_is_named_sees_it_start(todo: list[tuple], name: str) -> None:
    """Step by step: the quota or the limit that is named, whom it is behind, or full pools."""
    books = Books(POLICIES[name])
    for kind, *rest in todo:
        books.step(kind, *rest)
    books.step("decide", 1000)
    scheduler = books.witness.scheduler
    waiting = [each for each, s in books.witness.states.items() if s is JobState.PENDING]
    for each in waiting[:3]:
        follow(scheduler.fork(), each, books)


def follow(scheduler: Scheduler, name: str, books: Books) -> None:
    lifted = []
    for _ in range(3 * len(books.witness.jobs) + 10):
        found = why(scheduler, name, books.now)
        if found.state == JobState.RUNNING:
            return
        if found.costs:
            assert any(
                isinstance(d, Place) and d.job == name
                for d in scheduler.decide(books.now).decisions
            )
            return
        cause = next(c for c in found.refusals if c.detail in found.summary)
        lifted.append(cause)
        lift(scheduler, cause, books, name)
        scheduler.decide(books.now)
    raise AssertionError(lifted)


def lift(scheduler: Scheduler, cause: Refusal, books: Books, name: str) -> None:
    submitted = books.witness.jobs[name]
    if cause.behind is not None:
        scheduler.apply(JobCancelled(books.now, cause.behind))
    elif cause.code is RefusalCode.OVER_USER_LIMIT:
        scheduler.apply(LimitsChanged(books.now, submitted.user, Limits()))
    elif cause.code is RefusalCode.NO_CAPACITY or "ending to make room" in cause.detail:
        for each in books.witness.jobs:
            for attempt in range(1, 20):
                run = scheduler.run(f"{each}-r{attempt}")
                if run is not None and each != name:
                    scheduler.apply(RunEnded(books.now, run.run, DONE))
    else:
        assert cause.code.value in CAUSES, cause
        scheduler.apply(QuotaChanged(books.now, submitted.queue, Quota()))
