"""Deadlines: who would miss his displaces in time who has none to lose, and nobody in vain."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import JobCancelled, PolicyChanged, RunEnded, RunPlaced
from suan.model.job import Cause, JobState
from suan.model.plan import Plan, Stop
from suan.model.policy import POLICIES, Policy
from suan.model.spec import Checkpoint
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.test_preemption import STOPPED, assert_calms_down, needs, room, running, stops
from tests.core.world import Witness, ended, job, places, pool, res, told

NAMED = POLICIES["deadline"]
AT_ONCE = Policy("edf", fair_share=False, min_run_time=0, deadlines=True)
GRACE = 10 * SECOND  # of a job that says none
AHEAD = MINUTE + GRACE  # so long before its latest start a job hurries


def one_place(*jobs: object, policy: Policy = AT_ONCE) -> Scheduler:
    """One processor; jobs told one second after the other."""
    return running(pool("p", res(1, 9)), *jobs, policy=policy)


def test_a_job_that_would_miss_its_deadline_displaces_at_the_last_moment() -> None:
    scheduler = one_place(job(1), policy=NAMED)
    scheduler.apply(job(2, deadline=3 * HOUR, time_limit=HOUR))
    plan = scheduler.decide(2 * MINUTE)
    assert (plan.decisions, plan.wake_at) == ((), 2 * HOUR - AHEAD)
    assert scheduler.decide(2 * HOUR - AHEAD - 1).decisions == ()
    (stop,) = scheduler.decide(plan.wake_at).decisions
    detail = "it makes room for the deadline of job j2"
    assert stop == Stop("j1-r1", Cause.PREEMPTED, detail, makes_room_for="j2")
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=2 * HOUR))
    (place,) = places(scheduler.decide(2 * HOUR)).values()
    assert (place.job, place.hurries) == ("j2", True)
    assert scheduler.decide(100 * HOUR).decisions == (), "who has no deadline displaces nobody back"


def test_who_began_in_a_hurry_is_not_displaced_for_a_deadline_by_a_new_leader_either() -> None:
    for hurries, yields in ((True, []), (False, ["j1-r1"])):
        scheduler = told(PolicyChanged(0, AT_ONCE), pool("p", res(1, 9)), job(1))
        scheduler.apply(RunPlaced(9, "j1-r1", "j1", "p", ("p0",), 0, since=9, hurries=hurries))
        scheduler.apply(job(2, deadline=HOUR + MINUTE, time_limit=HOUR))
        assert stops(scheduler.decide(MINUTE - GRACE)) == yields


def test_what_a_job_takes_is_what_its_user_expects_or_else_its_limit() -> None:
    scheduler = one_place(job(1))
    scheduler.apply(job(2, deadline=5 * HOUR, time_limit=4 * HOUR, expected=HOUR))
    assert scheduler.decide(MINUTE).wake_at == 4 * HOUR - AHEAD
    scheduler.apply(JobCancelled(2 * MINUTE, "j2"))
    scheduler.apply(job(3, deadline=5 * HOUR, time_limit=2 * HOUR))
    assert scheduler.decide(2 * MINUTE).wake_at == 3 * HOUR - AHEAD


def test_of_what_takes_no_known_time_no_latest_start_is_known() -> None:
    scheduler = one_place(job(1))
    scheduler.apply(job(2, deadline=HOUR))
    for now in (MINUTE, HOUR - AHEAD, HOUR, 2 * HOUR):
        plan = scheduler.decide(now)
        assert not stops(plan)


def test_nobody_is_displaced_where_it_is_too_late() -> None:
    """Neither for a deadline that has passed, nor where the displaced need longer to stop."""
    slow = job(1, checkpoint=Checkpoint(grace=HOUR))
    scheduler = one_place(slow)
    scheduler.apply(job(2, deadline=HOUR + MINUTE, time_limit=HOUR))
    for second in range(0, 120, 5):
        assert not stops(scheduler.decide(MINUTE + second * SECOND))
    assert scheduler.decide(2 * HOUR).wake_at is None, "nothing is going to change"


def test_the_longest_grace_says_when_so_that_the_cheapest_can_stop_in_time() -> None:
    saves = job(1, checkpoint=Checkpoint(grace=HOUR))
    scheduler = running(pool("p", res(2, 9)), saves, job(2), policy=AT_ONCE)
    scheduler.apply(job(3, deadline=5 * HOUR, time_limit=HOUR))
    plan = scheduler.decide(MINUTE)
    assert plan.wake_at == 3 * HOUR - MINUTE
    assert stops(scheduler.decide(plan.wake_at)) == ["j1-r1"], (
        "it loses nothing, the other three hours"
    )


def test_a_run_that_begins_later_and_stops_slowly_moves_the_moment() -> None:
    scheduler = running(pool("p", res(2, 9)), job(1), policy=AT_ONCE)
    scheduler.apply(job(2, res(2), deadline=5 * HOUR, time_limit=HOUR))
    assert scheduler.decide(MINUTE).wake_at == 4 * HOUR - AHEAD
    scheduler.apply(job(3, checkpoint=Checkpoint(grace=HOUR), time_limit=MINUTE, priority=1))
    plan = scheduler.decide(3 * HOUR)
    assert list(places(plan)) == ["j3"]
    assert plan.wake_at is not None
    assert plan.wake_at <= 3 * HOUR + 1, "an hour's grace: it must hurry now"


def test_who_has_a_deadline_himself_yields_only_if_he_keeps_it() -> None:
    for due, yields in ((None, True), (2 * HOUR, False), (100 * HOUR, True)):
        first = job(1, deadline=due, time_limit=HOUR)
        scheduler = one_place(first)
        scheduler.apply(job(2, deadline=HOUR + MINUTE, time_limit=HOUR))
        assert stops(scheduler.decide(MINUTE - GRACE)) == (["j1-r1"] if yields else []), due


def test_exactly_in_time_is_in_time() -> None:
    for spare, yields in ((0, True), (-1, False)):
        due = MINUTE + HOUR + 2 * HOUR + spare  # it loses all, waits for the other, and runs again
        scheduler = one_place(job(1, deadline=due, time_limit=2 * HOUR))
        scheduler.apply(job(2, deadline=MINUTE + HOUR, time_limit=HOUR))
        assert stops(scheduler.decide(MINUTE - GRACE)) == (["j1-r1"] if yields else [])


def test_a_higher_class_is_left_alone_and_a_lower_one_makes_room_at_once() -> None:
    scheduler = one_place(job(1, priority=1))
    scheduler.apply(job(2, deadline=2 * HOUR, time_limit=HOUR))
    for now in (MINUTE, HOUR - AHEAD, HOUR):
        assert not stops(scheduler.decide(now))
    scheduler = one_place(job(1, priority=-1))
    scheduler.apply(job(2, deadline=20 * HOUR, time_limit=HOUR))
    assert stops(scheduler.decide(MINUTE)) == ["j1-r1"]


def test_a_run_is_safe_for_its_first_minutes() -> None:
    slack = 2 * MINUTE
    for least, yields in ((MINUTE, True), (5 * MINUTE, False)):
        policy = Policy("edf", fair_share=False, min_run_time=least, deadlines=True)
        scheduler = one_place(job(1), policy=policy)
        scheduler.apply(job(2, deadline=HOUR + slack, time_limit=HOUR))
        found = [stops(scheduler.decide(now)) for now in (slack - GRACE, slack)]
        assert (["j1-r1"] in found) is yields


def test_it_goes_before_its_class_also_where_shares_order() -> None:
    """The tenant has had more than his share; but the deadline is kept, and the order returns."""
    fair = Policy("fifo", min_run_time=0, deadlines=True)
    scheduler = one_place(job(1, tenant="b", time_limit=10 * HOUR), policy=fair)
    due = job(2, tenant="a", deadline=5 * HOUR, time_limit=HOUR)
    for event in (job(3, tenant="c"), due):
        scheduler.apply(event)
    plan = scheduler.decide(MINUTE)
    assert plan.wake_at is not None
    assert stops(scheduler.decide(4 * HOUR - AHEAD)) == ["j1-r1"]
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=4 * HOUR))
    assert list(places(scheduler.decide(4 * HOUR))) == ["j2"]


def test_who_is_too_late_goes_back_to_his_place() -> None:
    scheduler = one_place(job(1, priority=5))
    for event in (job(2, deadline=HOUR, time_limit=10 * MINUTE, priority=1), job(3, priority=2)):
        scheduler.apply(event)
    plan = scheduler.decide(50 * MINUTE)
    assert plan.wake_at == 50 * MINUTE + 1
    scheduler.decide(50 * MINUTE + 1)
    scheduler.apply(job(4, deadline=50 * MINUTE + 2, expected=1, priority=1))
    scheduler.apply(ended("j1-r1", at=50 * MINUTE + 1))
    assert list(places(scheduler.decide(50 * MINUTE + 1))) == ["j3"]
    scheduler.apply(ended("j3-r1", at=50 * MINUTE + 1))
    assert list(places(scheduler.decide(50 * MINUTE + 1))) == ["j4"], "it can still be saved"


def test_without_the_policys_word_nobody_is_displaced_for_a_deadline() -> None:
    for policy in (POLICIES["default"], POLICIES["edf"], Policy(preemption=False, deadlines=True)):
        scheduler = one_place(job(1), policy=policy)
        scheduler.apply(job(2, deadline=2 * HOUR, time_limit=HOUR))
        for now in (MINUTE, HOUR - AHEAD, HOUR):
            assert not stops(scheduler.decide(now))


def test_who_started_in_a_hurry_is_not_displaced_by_service() -> None:
    las = Policy("las", fair_share=False, min_run_time=0, deadlines=True)
    saves = Checkpoint(grace=SECOND)
    scheduler = running(pool("p", res(1, 9)), job(1), policy=las)
    scheduler.apply(job(2, deadline=11 * HOUR, time_limit=10 * HOUR, checkpoint=saves))
    assert stops(scheduler.decide(HOUR - AHEAD)) == ["j1-r1"]
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=HOUR))
    assert list(places(scheduler.decide(HOUR))) == ["j2"]
    for hours in range(2, 11):
        assert not stops(scheduler.decide(hours * HOUR)), "j1 has been served less"


# -- why --


def due(scheduler: Scheduler, now: int, name: str = "j2") -> str:
    told_of = scheduler.explain(name, now)
    assert told_of is not None
    return told_of.due


def test_why_tells_when_it_may_displace_whom_and_then_whom_it_does() -> None:
    scheduler = one_place(job(1), policy=NAMED)
    scheduler.apply(job(2, deadline=3 * HOUR, time_limit=HOUR))
    scheduler.decide(HOUR)
    found = scheduler.explain("j2", HOUR)
    assert found is not None
    assert "for its deadline it may displace what runs there in 58 min 50 s" in found.summary
    assert found.due == (
        "To keep its deadline it must start within 1 h (it takes 1 h); in 58 min 50 s it may"
        " displace others for that."
    )
    assert [each.until for each in found.refusals] == [2 * HOUR - AHEAD]
    assert (found.earliest, found.latest) == (2 * HOUR - MINUTE,) * 2
    now = 2 * HOUR - AHEAD
    scheduler.decide(now)
    assert due(scheduler, now) == (
        "To keep its deadline it must start within 1 min 10 s (it takes 1 h); run j1-r1 stops for"
        " that."
    )
    why = scheduler.explain("j1", now)
    assert why is not None
    assert why.summary.endswith("to make room for job j2.")


def test_why_tells_why_nobody_makes_room() -> None:
    begun = job(1, time_limit=4 * HOUR, priority=3)
    keeps = job(2, deadline=4 * HOUR, time_limit=4 * HOUR)
    slow = job(3, time_limit=4 * HOUR, checkpoint=Checkpoint(grace=HOUR))
    scheduler = running(pool("p", res(3, 9)), begun, keeps, slow, policy=AT_ONCE)
    scheduler.apply(job(4, deadline=2 * HOUR, time_limit=HOUR))
    scheduler.apply(job(5, deadline=HOUR, time_limit=2 * HOUR))
    scheduler.apply(job(6, deadline=50 * HOUR))
    now = HOUR - MINUTE
    scheduler.decide(now)
    assert due(scheduler, now, "j4") == (
        "To keep its deadline it must start within 1 min (it takes 1 h); nobody makes room for"
        " that: there are 1 run of a higher priority, 1 run too slow to stop and 1 run with a"
        " deadline to keep."
    )
    late = "It would miss its deadline: it takes 2 h, and 1 min are left."
    assert due(scheduler, now, "j5") == late
    assert due(scheduler, 2 * HOUR, "j5") == "Its deadline passed 1 h ago."
    unknown = "How long it takes is not known: nobody yields to its deadline."
    assert due(scheduler, now, "j6") == unknown
    behind = scheduler.explain("j5", now)
    assert behind is not None
    assert behind.summary.endswith("Job j4 comes before it: it would miss its deadline otherwise.")


# -- it ends, takes the least, and saves whom it can --

worlds = st.fixed_dictionaries(
    {
        "sizes": st.lists(st.sampled_from((res(3, 4), res(4, 8, A=2))), min_size=1, max_size=3),
        "runs": st.lists(
            st.tuples(
                needs,
                st.sampled_from((1, 1, 2)),
                st.sampled_from((-1, 0, 0, 1)),
                st.sampled_from((None, None, 2 * HOUR, 3 * HOUR + MINUTE, 9 * HOUR)),
                st.sampled_from((None, SECOND, 5 * MINUTE)),
            ),
            min_size=1,
            max_size=6,
        ),
        "need": needs,
        "tasks": st.sampled_from((1, 1, 2, 3)),
    }
)


@given(worlds)
@settings(max_examples=150, deadline=None)
def test_whom_allowed_victims_can_save_is_saved_and_nobody_yields_in_vain(world: dict) -> None:
    """By trying all subsets of those who may yield, by the test's own reckoning."""
    witness = Witness()
    witness.apply(PolicyChanged(0, AT_ONCE))
    witness.apply(pool("p", *world["sizes"]))
    for seq, (need, tasks, priority, due, grace) in enumerate(world["runs"], 1):
        saves = None if grace is None else Checkpoint(grace=grace)
        told_of = {"priority": priority, "deadline": due, "time_limit": HOUR, "checkpoint": saves}
        witness.apply(job(seq, need, tasks, **told_of))
    witness.decide(0)
    for name in [name for name, state in witness.states.items() if state is JobState.PENDING]:
        witness.apply(JobCancelled(1, name))
    witness.decide(1)
    runs = dict(witness.runs)
    need, tasks = world["need"], world["tasks"]
    witness.apply(job(9, need, tasks, deadline=2 * HOUR, time_limit=HOUR))
    chosen, now, at = frozenset[str](), 1, 1
    while "j9" not in {run.job for run in witness.runs.values()} and not chosen:
        plan = witness.decide(now)
        chosen, at = frozenset(stops(plan)), now
        if plan.wake_at is None or plan.wake_at > HOUR + 1:
            break
        now = plan.wake_at
    if any(run.job == "j9" for run in witness.runs.values()):
        return
    allowed = [run for run in runs if may_yield(witness, runs[run].job)]
    shares = any(a % 1000 for run in runs.values() for _, a in run.per_task.accelerators)
    if chosen:
        assert room(witness, need, chosen) >= tasks
        if not shares:
            for kept in chosen:
                assert room(witness, need, chosen - {kept}) < tasks, "one is taken in vain"
        graces = [_grace(witness, witness.runs[run].job) for run in chosen]
        lower = all(witness.jobs[witness.runs[run].job].priority < 0 for run in chosen)
        assert lower or at + max(graces) <= HOUR, "it starts in time"
        for run in sorted(chosen):
            witness.apply(RunEnded(HOUR, run, STOPPED))
        assert "j9" in places(witness.decide(HOUR))
    elif not shares:
        subsets = [frozenset(c) for n in range(len(allowed) + 1) for c in combinations(allowed, n)]
        assert not any(room(witness, need, subset) >= tasks for subset in subsets)


def _grace(witness: Witness, name: str) -> int:
    checkpoint = witness.jobs[name].checkpoint
    return GRACE if checkpoint is None else checkpoint.grace or 0


def may_yield(witness: Witness, name: str) -> bool:
    """Whether a run of an hour may be displaced by one of an hour due at two, at the moment when
    the slowest of all must be told."""
    victim = witness.jobs[name]
    if victim.priority < 0:
        return True
    slowest = max(_grace(witness, run.job) for run in witness.runs.values())
    free = HOUR - slowest + _grace(witness, name)
    return victim.priority == 0 and (victim.deadline is None or free + 2 * HOUR <= victim.deadline)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_displacing_for_deadlines_comes_to_an_end(data: st.DataObject) -> None:
    """Nothing happens but what the scheduler itself brings about: soon nobody is displaced."""
    policy = Policy(
        data.draw(st.sampled_from(("edf", "las", "fifo"))),
        data.draw(st.sampled_from(("easy", "none"))),
        fair_share=data.draw(st.booleans()),
        min_run_time=data.draw(st.sampled_from((0, 5 * MINUTE))),
        deadlines=True,
    )
    witness = Witness()
    witness.apply(PolicyChanged(0, policy))
    witness.apply(pool("p", res(4, 8, A=2), res(3, 4)))
    for seq in range(1, data.draw(st.integers(2, 7))):
        witness.apply(
            job(
                seq,
                data.draw(needs),
                data.draw(st.sampled_from((1, 1, 2))),
                priority=data.draw(st.sampled_from((0, 0, 1))),
                tenant=data.draw(st.sampled_from("ab")),
                deadline=data.draw(st.sampled_from((None, HOUR, 3 * HOUR, 9 * HOUR))),
                expected=data.draw(st.sampled_from((None, HOUR, 2 * HOUR))),
                checkpoint=data.draw(st.sampled_from((None, Checkpoint(grace=MINUTE)))),
            )
        )
        witness.decide(seq * MINUTE)
    assert_calms_down(witness, HOUR)


def _plan(scheduler: Scheduler, now: int) -> Plan:
    return scheduler.decide(now)


def test_a_fork_hurries_alike() -> None:
    scheduler = told(PolicyChanged(0, AT_ONCE), pool("p", res(2, 9)), job(1), job(2))
    _plan(scheduler, 0)
    scheduler.apply(job(3, res(2), deadline=2 * HOUR, time_limit=HOUR))
    _plan(scheduler, MINUTE)
    twin = scheduler.fork()
    assert _plan(twin, HOUR - AHEAD) == _plan(scheduler, HOUR - AHEAD)
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=HOUR))
    twin = scheduler.fork()
    assert _plan(twin, HOUR + 1) == _plan(scheduler, HOUR + 1)
    scheduler.apply(ended("j2-r1", Cause.PREEMPTED, at=HOUR + 2))
    assert list(places(_plan(scheduler, HOUR + 2))) == ["j3"], "what was asked for is used"
