"""Tenants: their quotas hold for all below them and are lent between siblings; weights divide."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import PolicyChanged, QuotaChanged, RunEnded, TenantChanged
from suan.model.job import Cause, JobState
from suan.model.plan import Place, Stop
from suan.model.policy import POLICIES, Policy
from suan.model.quota import Quota
from suan.model.refusal import RefusalCode
from suan.model.units import DAY, HOUR, MINUTE
from tests.core.test_fair_share import FAIR, Demand, parts
from tests.core.test_quotas import quotas
from tests.core.world import DONE, Witness, ended, job, places, pool, res, told

PLAIN = Policy(fair_share=False, min_run_time=0)


def cpus(guarantee: int | None = None, ceiling: int | None = None, cohort: str = "") -> Quota:
    amounts = [() if n is None else (("cpu", 1000 * n),) for n in (guarantee, ceiling)]
    return Quota(amounts[0], amounts[1], cohort)


def world(size: int, policy: Policy = PLAIN, **tenants: Quota) -> Scheduler:
    """``lab__vision`` is the tenant ``lab/vision``."""
    changes = [
        QuotaChanged(0, "", quota, name.replace("__", "/")) for name, quota in tenants.items()
    ]
    return told(PolicyChanged(0, policy), pool("p", res(size, 64)), *changes)


def only(scheduler: Scheduler, name: str, now: int = 1):
    found = scheduler.explain(name, now)
    assert found is not None
    (refusal,) = found.refusals
    return refusal


def test_a_tenants_ceiling_holds_for_all_below_it_in_every_queue() -> None:
    scheduler = world(8, lab=cpus(ceiling=3))
    for seq, tenant in enumerate(("lab", "lab/vision", "lab/nlp/new", "lab/vision"), 1):
        scheduler.apply(job(seq, tenant=tenant, queue=f"q{seq}"))
    scheduler.apply(job(9, tenant="labor"))
    assert list(places(scheduler.decide(0))) == ["j1", "j2", "j3", "j9"]
    found = only(scheduler, "j4")
    assert found.code is RefusalCode.OVER_CEILING
    assert found.detail == "tenant lab would hold 1 cpu more than its ceiling of 3 cpus"
    scheduler.apply(ended("j3-r1"))
    assert list(places(scheduler.decide(1))) == ["j4"]


def test_the_first_that_a_tenants_quota_keeps_out_keeps_its_place() -> None:
    scheduler = world(8, lab=cpus(ceiling=4), lab__vision=cpus(ceiling=2))
    for seq, (tenant, size) in enumerate(
        (("lab/vision", 2), ("lab/vision", 1), ("lab/nlp", 4), ("lab/nlp", 1), ("x", 1)), 1
    ):
        scheduler.apply(job(seq, res(size), tenant=tenant))
    assert list(places(scheduler.decide(0))) == ["j1", "j5"], "j4 does not pass j3"
    assert only(scheduler, "j4").behind == "j3"
    assert only(scheduler, "j2").detail.startswith("tenant lab/vision would hold")
    scheduler.apply(ended("j1-r1"))
    assert list(places(scheduler.decide(1))) == ["j2"], "it comes before j3, which waits for 4"


def test_siblings_lend_each_other_and_take_it_back() -> None:
    scheduler = world(8, lab__a=cpus(2, cohort="c"), lab__b=cpus(2, cohort="c"))
    for seq in range(1, 6):
        scheduler.apply(job(seq, tenant="lab/a"))
    assert len(places(scheduler.decide(0))) == 4, "two are borrowed"
    scheduler.apply(job(6, tenant="lab/b"))
    plan = scheduler.decide(MINUTE)
    assert [d.run for d in plan.decisions if isinstance(d, Stop)] == ["j1-r1"]
    scheduler.apply(ended("j1-r1", Cause.PREEMPTED, at=MINUTE))
    assert list(places(scheduler.decide(MINUTE))) == ["j6"]
    found = only(scheduler, "j5", MINUTE)
    assert found.code is RefusalCode.NOTHING_TO_BORROW
    assert "the tenants of cohort c" in found.detail


def test_tenants_of_other_parents_are_not_of_the_cohort() -> None:
    scheduler = world(8, x__a=cpus(2, cohort="c"), y__a=cpus(2, cohort="c"))
    for seq in range(1, 6):
        scheduler.apply(job(seq, tenant="x/a"))
    assert len(places(scheduler.decide(0))) == 2


def test_what_one_guarantee_gives_back_another_may_protect() -> None:
    """By their queues b takes back from a; what tenant x is guaranteed it does not touch."""
    scheduler = world(4, x=cpus(2, cohort="t"), y=cpus(2, cohort="t"))
    for queue in "ab":
        scheduler.apply(QuotaChanged(0, queue, cpus(2, cohort="q")))
    for seq in (1, 2):
        scheduler.apply(job(seq, queue="a", tenant="x"))
    for seq in (3, 4):
        scheduler.apply(job(seq, queue="a", tenant="z"))
    assert len(places(scheduler.decide(0))) == 4
    scheduler.apply(job(5, queue="b", tenant="w"))
    plan = scheduler.decide(HOUR)
    assert [d.run for d in plan.decisions if isinstance(d, Stop)] == ["j3-r1"]


def test_an_alternative_is_looked_at_again_when_its_quota_is_eased() -> None:
    """Nothing ends in the pool that is asked: only the quota of what it would take is eased."""
    scheduler = told(PolicyChanged(0, PLAIN), pool("a", res(8, 64, A=1)), pool("b", res(1, 1, B=1)))
    scheduler.apply(pool("c", res(4, 64)))
    scheduler.apply(QuotaChanged(0, "", cpus(ceiling=3), "lab"))
    scheduler.apply(job(1, res(2), tenant="lab", infra="c"))
    scheduler.apply(job(2, res(1, 1, B=1)))
    assert len(places(scheduler.decide(0))) == 2
    scheduler.apply(job(3, (res(2, 1, A=1), res(1, 1, B=1)), tenant="lab"))
    assert not places(scheduler.decide(1)), "two more are too many, and b is full"
    scheduler.apply(QuotaChanged(2, "", cpus(ceiling=4), "lab"))
    assert [place.pool for place in places(scheduler.decide(2)).values()] == ["a"]


@pytest.mark.parametrize(
    ("weights", "entitled"),
    [
        ({"a": 3}, {("q", "a"): 3 / 4, ("q", "b"): 1 / 4}),
        ({"lab/a": 2}, {("q", "lab/a"): 1 / 3, ("q", "lab/b"): 1 / 6, ("q", "other"): 1 / 2}),
        ({"lab": 4, "lab/a": 3}, {("q", "lab/a"): 0.6, ("q", "lab/b"): 0.2, ("q", "c"): 0.2}),
        ({"a": 3}, {("q", "a"): 3 / 8, ("q", "b"): 1 / 8, ("r", "a"): 3 / 8, ("r", "b"): 1 / 8}),
    ],
    ids=["siblings", "below a lab", "two levels", "in every queue"],
)
def test_weights_of_tenants_come_to_their_ratio(weights: dict, entitled: dict) -> None:
    demand = Demand(entitled, size=64)
    for tenant, weight in weights.items():
        demand.scheduler.apply(TenantChanged(0, tenant, weight))
    assert parts(demand.run(0, DAY)) == pytest.approx(entitled, abs=0.02)


def test_a_weight_holds_for_whoever_comes_later_and_in_a_fork() -> None:
    scheduler = told(PolicyChanged(0, FAIR), TenantChanged(0, "a", 2), pool("p", res(12, 99)))
    scheduler = scheduler.fork()
    for seq in range(40):
        scheduler.apply(job(seq, tenant="ab"[seq % 2]))
    tenants = [int(name[1:]) % 2 for name in places(scheduler.decide(0))]
    assert (tenants.count(0), tenants.count(1)) == (8, 4)


def test_a_user_is_not_the_tenant_of_his_name() -> None:
    """The weight of lab/ann is not that of user ann of lab."""
    scheduler = told(PolicyChanged(0, FAIR), TenantChanged(0, "lab/ann", 3), pool("p", res(4, 9)))
    for seq in range(8):
        scheduler.apply(job(seq, tenant="lab", user=("ann", "ben")[seq % 2]))
    placed = [int(name[1:]) % 2 for name in places(scheduler.decide(0))]
    assert sorted(placed) == [0, 0, 1, 1]


TENANTS = ("lab", "lab/v", "lab/w", "x")
holders = st.sampled_from([("tenant", name) for name in TENANTS] + [("queue", "a"), ("queue", "b")])
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.sampled_from("ab"),
            st.sampled_from(TENANTS),
            st.sampled_from((1, 1, 2, 3)),
            st.sampled_from((0, 0, 1)),
        ),
        st.tuples(st.just("end"), st.integers(0, 50)),
        st.tuples(st.just("quota"), holders, quotas),
        st.tuples(st.just("weight"), st.sampled_from(TENANTS), st.sampled_from((1, 3))),
        st.tuples(st.just("decide"), st.sampled_from((1, 1000))),
    ),
    max_size=40,
)


def holds(holder: tuple[str, str], event) -> bool:
    """Whether what a job holds is held by a queue or tenant, too."""
    kind, name = holder
    if kind == "queue":
        return event.queue == name
    return event.tenant == name or event.tenant.startswith(f"{name}/")


class Books:
    """Drives a scheduler and keeps what every holder has by its own accounts."""

    def __init__(self, policy: Policy) -> None:
        self.witness = Witness()
        self.witness.apply(PolicyChanged(0, policy))
        self.witness.apply(pool("p", res(6, 64), res(4, 64)))
        self.now = self.seq = 0
        self.quotas: dict[tuple[str, str], Quota] = {}

    def step(self, kind: str, *rest) -> None:
        self.now += 7 * MINUTE
        getattr(self, kind)(*rest)

    def submit(self, queue: str, tenant: str, size: int, priority: int) -> None:
        self.seq += 1
        event = job(self.seq, res(size), queue=queue, tenant=tenant, priority=priority)
        self.witness.apply(event)

    def end(self, number: int) -> None:
        runs = sorted(self.witness.runs)
        if runs:
            self.witness.apply(RunEnded(self.now, runs[number % len(runs)], DONE))

    def quota(self, holder: tuple[str, str], quota: Quota) -> None:
        self.quotas[holder] = quota
        kind, name = holder
        tenant = {"tenant": name} if kind == "tenant" else {}
        self.witness.apply(QuotaChanged(self.now, "" if tenant else name, quota, **tenant))

    def weight(self, tenant: str, weight: int) -> None:
        self.witness.apply(TenantChanged(self.now, tenant, weight))

    def decide(self, limit: int) -> None:
        fork = self.witness.scheduler.fork()
        plan = self.witness.decide(self.now, limit)
        assert fork.decide(self.now, limit) == plan
        self.check([self.witness.jobs[d.job] for d in plan.decisions if isinstance(d, Place)])
        for run in [d.run for d in plan.decisions if isinstance(d, Stop)]:
            if run in self.witness.runs:
                self.witness.apply(ended(run, Cause.PREEMPTED, at=self.now))

    def held(self, holder: tuple[str, str]) -> int:
        jobs = self.witness.jobs
        runs = self.witness.runs.values()
        return sum(r.per_task.cpu_milli for r in runs if holds(holder, jobs[r.job]))

    def check(self, started: list) -> None:
        for holder, quota in self.quotas.items():
            if not any(holds(holder, event) for event in started):
                continue
            for _, ceiling in quota.ceiling:
                assert self.held(holder) <= ceiling
            if not quota.cohort:
                for _, guarantee in quota.guarantee:
                    assert self.held(holder) <= guarantee
                continue
            peers = [each for each in self.quotas if self.beside(each, holder)]
            theirs = [n for each in peers for _, n in self.quotas[each].guarantee]
            if theirs:
                assert sum(map(self.held, peers)) <= sum(theirs)

    def beside(self, one: tuple[str, str], other: tuple[str, str]) -> bool:
        parents = [name.rpartition("/")[0] for _, name in (one, other)]
        cohorts = [self.quotas[each].cohort for each in (one, other)]
        return one[0] == other[0] and parents[0] == parents[1] and cohorts[0] == cohorts[1]


@given(steps, st.sampled_from(["default", "fifo", "easy", "fair"]))
@settings(max_examples=150, deadline=None)
def test_no_holder_passes_its_quota_but_by_lending(todo: list[tuple], name: str) -> None:
    books = Books(POLICIES[name])
    for kind, *rest in todo:
        books.step(kind, *rest)


@given(steps, st.sampled_from(["default", "fifo"]))
@settings(max_examples=75, deadline=None)
def test_nobody_waits_for_ever_when_quotas_are_lifted(todo: list[tuple], name: str) -> None:
    books = Books(POLICIES[name])
    for kind, *rest in todo:
        books.step(kind, *rest)
    for holder in list(books.quotas):
        books.step("quota", holder, Quota())
    for _ in range(60):
        books.step("decide", 1000)
        for run in sorted(books.witness.runs):
            books.witness.apply(RunEnded(books.now, run, DONE))
    assert all(state is not JobState.PENDING for state in books.witness.states.values())
