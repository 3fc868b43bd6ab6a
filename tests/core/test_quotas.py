"""Quotas and limits: nobody holds more than he may, but by lending; what was lent comes back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import (
    JobCancelled,
    LimitsChanged,
    PolicyChanged,
    PoolObserved,
    QuotaChanged,
    RunEnded,
)
from suan.model.job import Cause, JobState
from suan.model.plan import Place, Plan, Stop
from suan.model.policy import POLICIES, Policy
from suan.model.quota import Limits, Quota
from suan.model.units import HOUR, MINUTE
from tests.core.world import DONE, Witness, ended, job, places, pool, res, told

PLAIN = Policy(fair_share=False, min_run_time=0)
LAB = Quota(guarantee=(("cpu", 2000),), cohort="lab")


def world(cpus: int, *quotas: tuple[str, Quota], policy: Policy = PLAIN) -> Scheduler:
    changes = [QuotaChanged(0, queue, quota) for queue, quota in quotas]
    return told(PolicyChanged(0, policy), pool("p", res(cpus, 64)), *changes)


def stops(plan: Plan) -> list[str]:
    return [d.run for d in plan.decisions if isinstance(d, Stop)]


def test_a_ceiling_is_never_passed_and_binds_its_queue_alone() -> None:
    scheduler = world(8, ("q", Quota(ceiling=(("cpu", 3000),))))
    for seq in range(1, 6):
        scheduler.apply(job(seq, queue="q"))
    scheduler.apply(job(9, res(4)))
    assert list(places(scheduler.decide(0))) == ["j1", "j2", "j3", "j9"]
    scheduler.apply(ended("j2-r1"))
    assert list(places(scheduler.decide(1))) == ["j4"]


def test_two_who_pass_in_one_cycle_stay_within_their_ceiling_together() -> None:
    scheduler = told(PolicyChanged(0, POLICIES["easy"]), pool("p", *[res(8, 64)] * 3))
    scheduler.apply(QuotaChanged(0, "q", Quota(ceiling=(("cpu", 2000),))))
    scheduler.apply(job(0, res(7), time_limit=HOUR))
    scheduler.apply(job(1, res(8), time_limit=HOUR))
    assert list(places(scheduler.decide(0))) == ["j0", "j1"]
    scheduler.apply(job(2, res(8), 3, time_limit=HOUR))
    scheduler.apply(job(3, res(1), queue="q", user="u", time_limit=MINUTE))
    scheduler.apply(job(4, res(2), queue="q", user="v", time_limit=MINUTE))
    assert list(places(scheduler.decide(1))) == ["j3"], "with j4 the queue would hold three"


def test_the_first_of_a_queue_keeps_its_place_at_the_ceiling() -> None:
    scheduler = world(8, ("q", Quota(ceiling=(("cpu", 4000),))))
    for seq, cpus in enumerate((2, 1, 4, 1), 1):
        scheduler.apply(job(seq, res(cpus), queue="q"))
    assert list(places(scheduler.decide(0))) == ["j1", "j2"], "j4 does not pass j3"
    scheduler.apply(ended("j1-r1"))
    assert not places(scheduler.decide(1))
    scheduler.apply(ended("j2-r1"))
    assert list(places(scheduler.decide(2))) == ["j3"]


def test_who_ranks_before_the_blocker_is_tried() -> None:
    scheduler = world(8, ("q", Quota(ceiling=(("cpu", 2000),))))
    scheduler.apply(job(1, queue="q"))
    scheduler.apply(job(2, res(2), queue="q"))
    assert list(places(scheduler.decide(0))) == ["j1"]
    scheduler.apply(job(3, queue="q", priority=5))
    assert list(places(scheduler.decide(1))) == ["j3"]


def test_a_cancelled_blocker_lets_its_queue_go_on() -> None:
    scheduler = world(8, ("q", Quota(ceiling=(("cpu", 2000),))))
    for seq, cpus in enumerate((1, 2, 1), 1):
        scheduler.apply(job(seq, res(cpus), queue="q"))
    scheduler.decide(0)
    scheduler.apply(JobCancelled(1, "j2"))
    assert list(places(scheduler.decide(1))) == ["j3"]


def test_a_queue_without_a_cohort_holds_its_guarantee_and_no_more() -> None:
    scheduler = world(8, ("q", Quota(guarantee=(("cpu", 2000),))))
    for seq in (1, 2, 3):
        scheduler.apply(job(seq, queue="q"))
    assert len(places(scheduler.decide(0))) == 2
    scheduler.apply(QuotaChanged(1, "q", Quota()))
    assert len(places(scheduler.decide(1))) == 1, "without a quota it is free"


def test_queues_lend_each_other_and_take_it_back() -> None:
    scheduler = world(8, ("a", LAB), ("b", LAB))
    for seq in range(1, 6):
        scheduler.apply(job(seq, queue="a"))
    assert list(places(scheduler.decide(0))) == ["j1", "j2", "j3", "j4"], "two are borrowed"
    scheduler.apply(job(6, queue="b"))
    plan = scheduler.decide(MINUTE)
    assert stops(plan) == ["j1-r1"], "the cheapest in lost work, and the first of equals"
    assert not places(plan)
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=MINUTE))
    assert list(places(scheduler.decide(MINUTE))) == ["j6"]
    scheduler.apply(job(7, res(2), queue="b"))
    assert not stops(scheduler.decide(HOUR)), "with it b would hold more than its own"


def test_what_a_guarantee_covers_is_not_displaced_by_priority() -> None:
    scheduler = world(4, ("a", LAB), ("b", Quota(guarantee=(("cpu", 2000),), cohort="lab")))
    scheduler.apply(job(1, res(2), queue="a"))
    scheduler.apply(job(2, res(2), queue="b"))
    scheduler.decide(0)
    scheduler.apply(job(3, res(2), queue="b", priority=9))
    assert stops(scheduler.decide(HOUR)) == ["j2-r1"], "of its own queue"


def test_a_user_has_no_more_running_than_he_may() -> None:
    scheduler = world(8)
    scheduler.apply(LimitsChanged(0, "u", Limits(running=2)))
    for seq in (1, 2, 3, 4):
        scheduler.apply(job(seq, user="u"))
    scheduler.apply(job(5, user="v"))
    assert list(places(scheduler.decide(0))) == ["j1", "j2", "j5"]
    scheduler.apply(ended("j1-r1"))
    assert list(places(scheduler.decide(1))) == ["j3"]
    scheduler.apply(LimitsChanged(2, "u", Limits()))
    assert list(places(scheduler.decide(2))) == ["j4"]


kinds = st.sampled_from((None, 1000, 2000, 4000, 8000))
quotas = st.builds(
    lambda guarantee, over, cohort: Quota(
        () if guarantee is None else (("cpu", guarantee),),
        () if over is None else (("cpu", (guarantee or 0) + over),),
        cohort,
    ),
    kinds,
    kinds,
    st.sampled_from(("", "lab")),
)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.sampled_from("abc"),
            st.sampled_from((1, 1, 2, 3)),
            st.sampled_from((0, 0, 1)),
            st.sampled_from("uv"),
        ),
        st.tuples(st.just("end"), st.integers(0, 50)),
        st.tuples(st.just("quota"), st.sampled_from("ab"), quotas),
        st.tuples(st.just("limit"), st.sampled_from((0, 1, 3, None))),
        st.tuples(st.just("decide"), st.sampled_from((1, 1000))),
    ),
    max_size=40,
)


class Books:
    """Drives a scheduler and keeps what each queue holds and may hold by its own accounts."""

    def __init__(self, policy: Policy) -> None:
        self.witness = Witness()
        self.witness.apply(PolicyChanged(0, policy))
        self.witness.apply(pool("p", res(6, 64), res(4, 64)))
        self.now = 0
        self.seq = 0
        self.quotas: dict[str, Quota] = {}

    def step(self, kind: str, *rest) -> None:
        self.now += MINUTE
        getattr(self, kind)(*rest)

    def submit(self, queue: str, cpus: int, priority: int, user: str) -> None:
        self.seq += 1
        event = job(self.seq, res(cpus), queue=queue, priority=priority, user=user)
        self.witness.apply(event)

    def end(self, number: int) -> None:
        runs = sorted(self.witness.runs)
        if runs:
            self.witness.apply(RunEnded(self.now, runs[number % len(runs)], DONE))

    def quota(self, queue: str, quota: Quota) -> None:
        self.quotas[queue] = quota
        self.witness.apply(QuotaChanged(self.now, queue, quota))

    def limit(self, running: int | None) -> None:
        self.witness.apply(LimitsChanged(self.now, "u", Limits(running=running)))

    def decide(self, limit: int) -> None:
        before = self.held()
        fork = self.witness.scheduler.fork()
        plan = self.witness.decide(self.now, limit)
        assert fork.decide(self.now, limit) == plan
        for run in [d.run for d in plan.decisions if isinstance(d, Stop)]:
            if run in self.witness.runs:
                self.witness.apply(ended(run, Cause.PREEMPTED, at=self.now))
        placed = {d.job for d in plan.decisions if isinstance(d, Place)}
        self.check({self.witness.jobs[name].queue for name in placed}, before)

    def held(self) -> dict[str, int]:
        found = dict.fromkeys("abc", 0)
        for run in self.witness.runs.values():
            found[self.witness.jobs[run.job].queue] += run.per_task.cpu_milli
        return found

    def check(self, started: set[str], before: dict[str, int]) -> None:
        """Whoever started something holds no more than he may; who did not may hold too much
        from before."""
        held = self.held()
        for queue in started & set(self.quotas):
            quota = self.quotas[queue]
            for _, ceiling in quota.ceiling:
                assert held[queue] <= ceiling or held[queue] <= before[queue]
            own = sum(amount for _, amount in quota.guarantee)
            peers = [q for q, other in self.quotas.items() if quota.cohort == other.cohort != ""]
            theirs = [self.quotas[q].guarantee for q in peers if self.quotas[q] != Quota()]
            if not (any(theirs) if quota.cohort else quota.guarantee):
                continue
            together = sum(amount for amounts in theirs for _, amount in amounts)
            lent = sum(held[q] for q in peers if self.quotas[q] != Quota())
            assert lent <= together if quota.cohort else held[queue] <= own


@given(steps, st.sampled_from(["default", "fifo", "easy", "fair"]))
@settings(max_examples=150, deadline=None)
def test_quotas_are_kept_but_by_lending(todo: list[tuple], name: str) -> None:
    books = Books(POLICIES[name])
    for kind, *rest in todo:
        books.step(kind, *rest)


@given(steps, st.sampled_from(["default", "fifo"]))
@settings(max_examples=75, deadline=None)
def test_nobody_waits_for_ever_behind_a_quota_that_is_lifted(todo: list[tuple], name: str) -> None:
    books = Books(POLICIES[name])
    for kind, *rest in todo:
        books.step(kind, *rest)
    for queue in "ab":
        books.step("quota", queue, Quota())
    books.witness.apply(LimitsChanged(books.now, "u", Limits()))
    for _ in range(60):
        books.step("decide", 1000)
        for run in sorted(books.witness.runs):
            books.witness.apply(RunEnded(books.now, run, DONE))
    assert all(state is not JobState.PENDING for state in books.witness.states.values())


def test_events_of_quotas_know_no_pool() -> None:
    """A quota may be told before its queue and before any pool."""
    scheduler = told(QuotaChanged(0, "q", LAB), LimitsChanged(0, "u", Limits(running=0)))
    scheduler.apply(job(1, queue="q"))
    scheduler.apply(PoolObserved(0, pool("p", res(4, 4)).offer, pool("p", res(4, 4)).nodes))
    assert list(places(scheduler.decide(0))) == ["j1"]
