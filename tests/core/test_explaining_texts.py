"""What explanations say, word for word, in the cases that people meet."""

from dataclasses import replace

from suan.core import Scheduler
from suan.model.events import (
    Event,
    JobCancelled,
    LimitsChanged,
    PolicyChanged,
    QueueChanged,
    QuotaChanged,
)
from suan.model.plan import Explanation
from suan.model.policy import POLICIES, Policy
from suan.model.quota import Limits, Quota
from suan.model.refusal import Refusal, RefusalCode
from suan.model.spec import Checkpoint
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.world import ended, job, pool, res, told

STRICT = POLICIES["fifo"]
EASY = POLICIES["easy"]
BIG, HALF = res(4, 16), res(2, 8)
TWO = pool("p", BIG, BIG)


def world(policy: Policy, *events: Event, now: int = 0) -> Scheduler:
    scheduler = told(PolicyChanged(0, policy), *events)
    while scheduler.decide(now).more:
        pass
    return scheduler


def why(scheduler: Scheduler, name: str, now: int = 0) -> Explanation:
    found = scheduler.explain(name, now)
    assert found is not None
    return found


def refusal(told: Explanation, pool_name: str = "p") -> Refusal:
    (found,) = [each for each in told.refusals if each.pool == pool_name]
    return found


def reserved() -> tuple[Event, ...]:
    """A gang that needs both nodes has them in 2 h; half a node is free until then."""
    return (
        TWO,
        job(1, HALF, time_limit=HOUR),
        job(2, BIG, time_limit=2 * HOUR),
        job(3, BIG, tasks=2, time_limit=HOUR),
    )


def test_a_reservation_names_its_job_and_when_it_starts() -> None:
    scheduler = world(EASY, *reserved(), job(4, HALF, time_limit=3 * HOUR), now=0)
    told = why(scheduler, "j4", 20 * MINUTE)
    kept = refusal(told)
    assert kept.detail == (
        "what is free there is kept for job j3, which comes earlier and is expected to start there"
        " in 1 h 40 min; this job needs 3 h, and only 1 h 40 min are left until then"
    )
    assert kept.unblocked_by == (
        "job j3 starts or is cancelled, or this job is given a time limit of at most 1 h 40 min"
    )
    assert (kept.code, kept.behind, kept.until) == ("behind_earlier_job", "j3", 2 * HOUR)
    assert told.summary == (
        f"It waits for pool p, which is held: {kept.detail}. It goes on when {kept.unblocked_by}."
    )
    assert (told.ahead, told.earliest, told.latest) == (1, 90 * MINUTE, 3 * HOUR)
    assert told.rests_on == "the time limits of 2 runs and 1 job before it; nothing new coming in"


def test_a_job_of_unknown_length_may_not_pass() -> None:
    told = why(world(EASY, *reserved(), job(4, HALF)), "j4")
    assert refusal(told).detail.endswith(
        "expected to start there in 2 h; it is not known how long this job runs"
    )


def test_a_dry_run_says_whom_it_passes() -> None:
    scheduler = world(EASY, *reserved())
    told = scheduler.consider(job(4, HALF, time_limit=2 * HOUR), 0)
    assert told.summary == (
        "It can start now: p would take it. It passes job j3 without delaying it."
    )
    assert told.refusals == ()
    assert scheduler.job_state("j4") is None


def test_who_is_first_without_a_forecast_holds_what_is_free() -> None:
    scheduler = world(
        EASY, TWO, job(1, HALF), job(2, BIG, time_limit=HOUR), job(3, BIG, tasks=2), job(4, HALF)
    )
    told = why(scheduler, "j4")
    kept = refusal(told)
    assert kept.detail == (
        "what is free there is kept for job j3, which comes earlier; when that job can start is"
        " not known, because run j1-r1 there tells no end"
    )
    assert (kept.unblocked_by, kept.behind, kept.until) == (
        "job j3 starts or is cancelled",
        "j3",
        None,
    )
    assert (told.earliest, told.latest) == (None, None)
    assert told.rests_on == "not known: run j1-r1 in pool p tells no end"


def test_without_backfill_the_first_holds_what_is_free() -> None:
    told = why(world(STRICT, *reserved(), job(4, HALF, time_limit=MINUTE)), "j4")
    assert refusal(told).detail == "what is free there is kept for job j3, which comes earlier"


def test_priority_is_named() -> None:
    events = (pool("p", BIG), job(1, BIG, time_limit=HOUR), job(2, BIG), job(3, BIG, priority=5))
    scheduler = told(PolicyChanged(0, EASY), events[0], events[1])
    scheduler.decide(0)
    scheduler.apply(events[2])
    scheduler.apply(events[3])
    scheduler.decide(0)
    said = why(scheduler, "j2")
    assert said.ahead == 1
    assert said.summary.endswith("Job j3 comes before it: its priority is 5, this one's 0.")


def test_fair_share_names_whose_share_is_smaller() -> None:
    events = [TWO, QueueChanged(0, "lab", weight=1)]
    events += [job(1, BIG, queue="lab"), job(2, BIG, queue="lab", time_limit=2 * HOUR)]
    events += [job(3, BIG, queue="lab"), job(4, BIG, queue="lab")]
    scheduler = world(replace(POLICIES["fair"], backfill="easy"), *events)
    scheduler.apply(job(5, BIG, queue="new"))
    scheduler.decide(HOUR)
    said = why(scheduler, "j4", HOUR)
    assert said.ahead == 2
    assert said.summary.endswith(
        "2 jobs come before it, the first is job j5: queue new has had less for its weight"
        " (less than 1 s of all there is, queue lab 1 h 4 min)."
    )


def test_a_discipline_is_named() -> None:
    def last(policy: Policy, **rest: int) -> str:
        first = job(1, BIG, time_limit=HOUR)
        other = job(3, BIG, time_limit=2 * HOUR, expected=20 * MINUTE, deadline=HOUR)
        scheduler = world(policy, pool("p", BIG), first)
        scheduler.apply(job(2, BIG, **rest))
        scheduler.apply(other)
        scheduler.decide(0)
        return why(scheduler, "j2").summary.rpartition("Job j3 comes before it: ")[2]

    shortest = replace(EASY, discipline="sjf")
    assert last(shortest, expected=2 * HOUR) == (
        "it is expected to run for 20 min, this one for 2 h."
    )
    assert last(shortest) == "it is known how long it will run, and of this one it is not."
    assert last(replace(EASY, discipline="qssf"), time_limit=HOUR) == (
        "it is expected to take 1 h 20 min of one device in all, this one 4 h."
    )
    deadline = replace(EASY, discipline="edf")
    assert last(deadline) == "its deadline comes first, and this one has none."
    assert last(deadline, deadline=2 * HOUR) == (
        "its deadline comes first, and this one has a later one."
    )


def test_a_full_pool_says_when_and_whether_priority_helps() -> None:
    scheduler = world(POLICIES["default"], pool("p", BIG), job(1, BIG, time_limit=2 * HOUR))
    scheduler.apply(job(2, BIG, time_limit=HOUR))
    scheduler.decide(HOUR // 2)
    told = why(scheduler, "j2", HOUR // 2)
    assert told.summary == (
        "It waits for pool p, which is full: the job needs 4 cpus, 16 GiB memory; that much is not"
        " free at once; the freest node there has nothing free."
        " It goes on when runs in this pool end."
    )
    assert refusal(told).preemption_helps
    assert (told.earliest, told.latest) == (HOUR, 2 * HOUR)
    assert told.rests_on == "the time limits of 1 run; nothing new coming in"
    plain = why(world(EASY, pool("p", BIG), job(1, BIG), job(2, BIG)), "j2")
    assert not refusal(plain).preemption_helps


def test_who_displaces_others_says_for_whom_it_waits_and_they_for_whom_they_stop() -> None:
    saves = Checkpoint(grace=MINUTE)
    scheduler = world(
        POLICIES["default"],
        pool("p", BIG),
        job(1, HALF, checkpoint=saves),
        job(2, HALF, checkpoint=saves),
        job(3, BIG, priority=5, queue="default"),
    )
    assert scheduler.job_state("j3") == "running"  # it was first
    scheduler.apply(ended("j3-r1"))
    scheduler.decide(1)
    scheduler.apply(job(4, BIG, priority=5, time_limit=HOUR))
    scheduler.decide(2)
    safe = refusal(why(scheduler, "j4", MINUTE + 1))
    assert safe.detail.endswith("; what it may displace there is safe for 4 min more")
    assert safe.unblocked_by == "runs in this pool end, at the latest in 4 min"
    assert safe.until == 5 * MINUTE + 1
    scheduler.decide(5 * MINUTE + 1)
    waits = why(scheduler, "j4", 5 * MINUTE + 1)
    assert "; run j1-r1 and run j2-r1 are ending there to make room for it" in waits.summary
    assert "It goes on when these 2 runs have ended." in waits.summary
    assert not refusal(waits).preemption_helps
    assert (waits.earliest, waits.latest) == (6 * MINUTE + 1, 6 * MINUTE + 1)
    assert waits.rests_on == "the time to save and stop of 2 runs; nothing new coming in"
    assert why(scheduler, "j1", 5 * MINUTE + 1).summary == (
        "It is being stopped in pool p, on p0, as run j1-r1, to make room for job j4."
    )
    scheduler.apply(JobCancelled(6 * MINUTE, "j1"))
    assert why(scheduler, "j1", 6 * MINUTE).summary.endswith("as run j1-r1.")


def test_a_run_without_an_end_leaves_the_range_open_towards_now() -> None:
    """A job needs either node; one is free by its limit, and of the other nothing is known."""
    scheduler = world(EASY, TWO, job(1, BIG), job(2, BIG, time_limit=HOUR), job(3, BIG))
    told = why(scheduler, "j3", MINUTE)
    assert (told.earliest, told.latest) == (MINUTE, HOUR)
    assert told.rests_on == (
        "the time limits of 1 run; run j1-r1 in pool p tells no end and may go on;"
        " nothing new coming in"
    )


def test_learned_durations_and_what_users_expect_tell_a_range() -> None:
    scheduler = world(POLICIES["default"], pool("p", BIG))
    for seq, minutes in enumerate((10, 20, 30, 40, 50, 60, 70, 80, 90), 1):
        scheduler.apply(job(seq, BIG))
        scheduler.decide(0)
        scheduler.apply(ended(f"j{seq}-r1", at=minutes * MINUTE))
        scheduler.decide(0)
    scheduler.apply(job(10, BIG))
    scheduler.decide(0)
    scheduler.apply(job(11, BIG))
    scheduler.decide(0)
    told = why(scheduler, "j11")
    assert (told.earliest, told.latest) == (50 * MINUTE, 90 * MINUTE)
    assert told.rests_on == "learned durations of 1 run; nothing new coming in"
    scheduler = world(EASY, pool("p", BIG), job(1, BIG, expected=HOUR), job(2, BIG))
    told = why(scheduler, "j2")
    assert (told.earliest, told.latest) == (HOUR, HOUR)
    assert told.rests_on == "what users expect of 1 run; nothing new coming in"


def test_who_waits_for_others_or_for_a_back_off_is_given_a_time_too() -> None:
    scheduler = world(EASY, TWO, job(1, BIG, time_limit=2 * HOUR), job(2, BIG))
    scheduler.apply(job(3, BIG, after=(("j1", "succeeded"),)))
    told = why(scheduler, "j3")
    assert (told.earliest, told.latest) == (HOUR, 2 * HOUR)
    assert told.rests_on == (
        "the time limits of 1 run; run j2-r1 in pool p tells no end and may go on;"
        " nothing new coming in; what it waits for succeeding"
    )
    scheduler.apply(job(4, BIG, after=(("j2", "ended"),)))
    told = why(scheduler, "j4")
    assert (told.earliest, told.latest) == (None, None)
    assert told.rests_on == (
        "not known: run j2-r1 in pool p tells no end; what it waits for succeeding"
    )
    scheduler.apply(job(5, BIG, after=(("j1", "failed"),)))
    assert why(scheduler, "j5").rests_on == "not known: it waits for a job to fail"


def test_quotas_and_limits_are_named() -> None:
    quota = QuotaChanged(0, "default", Quota(ceiling=(("cpu", 4000),)))
    limits = LimitsChanged(0, "ann", Limits(running=1))
    scheduler = world(EASY, TWO, quota, limits, job(1, HALF, time_limit=HOUR))
    for each in (job(2, res(3), time_limit=HOUR), job(3, res(1)), job(4, BIG, tasks=2)):
        scheduler.apply(each)
    for seq in (5, 6):
        scheduler.apply(job(seq, queue="free", user="ann", time_limit=HOUR))
    scheduler.decide(0)
    told = why(scheduler, "j2")
    assert told.summary == (
        "It waits: queue default would hold 1 cpu more than its ceiling of 4 cpus."
        " It goes on when runs of queue default end, or an operator raises the quota."
    )
    assert (told.refusals[0].code, told.latest) == ("over_ceiling", HOUR)
    behind = why(scheduler, "j3").refusals[0]
    assert (behind.code, behind.behind, behind.pool) == ("behind_earlier_job", "j2", None)
    assert "queue default would hold 1 cpu more" in behind.detail
    never = why(scheduler, "j4").refusals[0]
    assert (never.permanent, never.unblocked_by) == (True, "an operator raises the quota")
    limited = why(scheduler, "j6")
    assert limited.summary == (
        "It waits: user ann may have 1 job running at once, and has."
        " It goes on when one of them ends, or an operator raises the limit."
    )
    assert (limited.refusals[0].code, limited.latest) == ("over_user_limit", HOUR)


def test_a_job_that_no_pool_can_run_is_given_no_time() -> None:
    told = why(world(EASY, pool("p", HALF), job(1, BIG)), "j1")
    assert refusal(told).code is RefusalCode.NODE_TOO_SMALL
    assert (told.earliest, told.latest, told.rests_on) == (None, None, "")


def test_a_long_line_is_looked_at_as_far_as_that_is_worth() -> None:
    """What is seen by then bounds the start from below, and the answer says so."""
    limits = {"time_limit": HOUR}
    scheduler = world(EASY, pool("p", BIG), *(job(i, BIG, **limits) for i in range(600)))
    told = why(scheduler, "j599", SECOND)
    assert told.ahead == 598
    assert told.latest is None
    assert told.earliest is not None
    assert 100 * HOUR < told.earliest < 599 * HOUR
    assert told.rests_on.endswith("more happens before it starts than is looked at")


def test_of_very_many_jobs_only_those_near_are_looked_at() -> None:
    scheduler = world(
        EASY, *reserved(), *(job(i, HALF, time_limit=3 * HOUR) for i in range(4, 4100))
    )
    before = scheduler.fork()
    told = why(scheduler, "j4", 3 * HOUR)
    assert refusal(told).behind == "j3"
    soon = 3 * HOUR + HOUR // 2 + 30 * SECOND  # what is overdue ends within a minute, j3 runs
    assert (told.earliest, told.latest, told.ahead) == (soon, 4 * HOUR + MINUTE, 1)
    assert told.rests_on == (
        "the time limits of 2 runs and 1 job before it; nothing new coming in;"
        " 3,097 jobs further back left out"
    )
    last = why(scheduler, "j4099", 3 * HOUR)
    assert last.rests_on == "not known: 4,096 jobs come before it, too many to look ahead"
    assert (last.earliest, last.latest, last.ahead) == (None, None, 4096)
    assert scheduler.decide(3 * HOUR) == before.decide(3 * HOUR), "to ask changes nothing"
    short = scheduler.consider(job(5000, HALF, time_limit=MINUTE), 3 * HOUR)
    assert short.summary.startswith("It can start now: p would take it. It passes job j3")
