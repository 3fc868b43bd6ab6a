"""Budgets: what is promised at a start is never more than what is left of the last thirty days."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import (
    JobCancelled,
    LimitsChanged,
    PolicyChanged,
    RunEnded,
    RunPlaced,
    RunStarted,
)
from suan.model.job import Cause, JobState, Outcome
from suan.model.offer import Terms
from suan.model.plan import Place, Plan
from suan.model.policy import POLICIES, Policy
from suan.model.quota import BUDGET_WINDOW, Limits, Spent
from suan.model.refusal import RefusalCode
from suan.model.units import DAY, HOUR, MINUTE
from tests.core.world import DONE, Witness, job, places, pool, res, told

PLAIN = Policy(fair_share=False, min_run_time=0)
PRICED = Terms(cpu_hour=1_000_000, accelerator_hour=(("A", 10_000_000),))
HOUR_MS = 3_600_000


def world(limits: Limits, *spent: Spent, terms: Terms = PRICED) -> Scheduler:
    return told(
        PolicyChanged(0, PLAIN),
        pool("p", res(8, 64), terms=terms),
        LimitsChanged(0, "u", limits, spent),
    )


def hours(n: int, **more) -> dict:
    return {"user": "u", "time_limit": n * HOUR, **more}


def over(run: str, at: int, used: Spent | None = None) -> RunEnded:
    return RunEnded(at, run, DONE, used)


def only(scheduler: Scheduler, name: str, now: int):
    found = scheduler.explain(name, now)
    assert found is not None
    (refusal,) = found.refusals
    return refusal, found


def test_what_runs_counts_at_its_time_limit_and_what_has_ended_as_it_was() -> None:
    scheduler = world(Limits(device_hours=10))
    for seq in (1, 2, 3):
        scheduler.apply(job(seq, res(2), **hours(2)))
    scheduler.apply(job(4, user="v"))
    assert list(places(scheduler.decide(0))) == ["j1", "j2", "j4"], "twice four hours are eight"
    scheduler.apply(over("j1-r1", HOUR))
    assert list(places(scheduler.decide(HOUR))) == ["j3"], "it took two of its four"
    scheduler.apply(job(5, **hours(1)))
    assert not places(scheduler.decide(HOUR)), "2 used and 8 promised are all there is"


def test_it_falls_out_of_the_window_and_why_says_when() -> None:
    used = Spent(0, 6 * HOUR_MS), Spent(3 * HOUR, 3 * HOUR_MS)
    scheduler = world(Limits(device_hours=10), *used)
    scheduler.apply(job(1, **hours(5)))
    plan = scheduler.decide(4 * HOUR)
    falls = HOUR + BUDGET_WINDOW
    assert (places(plan), plan.wake_at) == ({}, falls)
    refusal, found = only(scheduler, "j1", 4 * HOUR)
    assert (refusal.code, refusal.until) == (RefusalCode.OVER_DEVICE_HOURS, falls)
    assert refusal.detail == (
        "user u may use 10 device-hours in 30 d, has used 9, and runs that go on may use 0;"
        " this job may need 5"
    )
    assert refusal.unblocked_by == (
        "enough of that is used long enough ago, in 29 d 21 h, or an operator raises the limit"
    )
    assert (found.earliest, found.latest) == (falls, falls)
    assert not places(scheduler.decide(falls - 1))
    assert list(places(scheduler.decide(falls))) == ["j1"]


def test_money_is_what_the_bill_says() -> None:
    scheduler = world(Limits(money=10_000_000))
    for seq in (1, 2):
        scheduler.apply(job(seq, res(4), **hours(2)))
    assert list(places(scheduler.decide(0))) == ["j1"], "each may cost eight"
    refusal, _ = only(scheduler, "j2", 0)
    assert refusal.code is RefusalCode.OVER_MONEY
    assert (
        "may use 10.000 CNY in 30 d, has used 0.000 CNY, and runs that go on may use 8.000 CNY"
        in (refusal.detail)
    )
    scheduler.apply(over("j1-r1", HOUR, Spent(HOUR, 4 * HOUR_MS, 2_000_001)))
    assert not places(scheduler.decide(HOUR)), "a millionth too much"
    scheduler.apply(LimitsChanged(HOUR, "u", Limits(money=10_000_001), (Spent(0, 0, 2_000_001),)))
    assert list(places(scheduler.decide(HOUR))) == ["j2"]


def test_a_cheap_pool_is_taken_where_the_dear_one_is_too_much() -> None:
    scheduler = world(Limits(money=5_000_000))
    scheduler.apply(pool("q", res(1, 1), terms=Terms()))
    scheduler.apply(job(1, **hours(9)))
    scheduler.apply(job(2, **hours(9)))
    assert {name: each.pool for name, each in places(scheduler.decide(0)).items()} == {"j1": "q"}
    told_why = {r.pool: r.code.value for r in scheduler.explain("j2", 0).refusals}
    assert told_why == {"p": "over_money", "q": "no_capacity"}
    scheduler.apply(LimitsChanged(1, "u", Limits(money=9_000_000)))
    assert list(places(scheduler.decide(1))) == ["j2"], "nothing has ended in p"


@pytest.mark.parametrize(
    ("limits", "limit", "mend"),
    [
        (Limits(device_hours=4), 5, "it is given a shorter time limit, or an operator raises"),
        (Limits(device_hours=0), 1, "an operator raises the limit"),
        (Limits(money=0), 1, "an operator raises the limit"),
    ],
)
def test_what_is_more_than_the_budget_needs_somebody(limits: Limits, limit: int, mend: str) -> None:
    scheduler = world(limits)
    scheduler.apply(job(1, **hours(limit)))
    assert scheduler.decide(0).wake_at is None
    refusal, _ = only(scheduler, "j1", 0)
    assert (refusal.permanent, refusal.until) == (True, None)
    assert refusal.unblocked_by.startswith(mend)


def test_who_tells_no_time_counts_as_he_goes() -> None:
    scheduler = world(Limits(device_hours=2))
    for seq in (1, 2):
        scheduler.apply(job(seq, user="u"))
    assert len(places(scheduler.decide(0))) == 2
    scheduler.apply(job(3, **hours(1)))
    assert list(places(scheduler.decide(HOUR // 4))) == ["j3"]
    scheduler.apply(job(4, user="u"))
    assert not places(scheduler.decide(HOUR)), "three of two hours are used"
    assert "this job tells no time limit" in only(scheduler, "j4", HOUR)[0].detail
    for name in ("j1", "j2", "j3"):
        scheduler.apply(over(f"{name}-r1", HOUR, Spent(HOUR, HOUR_MS // 2)))
    assert list(places(scheduler.decide(HOUR))) == ["j4"]


def test_who_tells_no_time_does_not_start_once_all_is_used() -> None:
    scheduler = world(Limits(device_hours=1), Spent(0, HOUR_MS))
    scheduler.apply(job(1, user="u"))
    plan = scheduler.decide(0)
    assert (places(plan), plan.wake_at) == ({}, HOUR + BUDGET_WINDOW)
    scheduler.apply(LimitsChanged(0, "u", Limits(device_hours=1), (Spent(0, HOUR_MS - 1),)))
    assert list(places(scheduler.decide(0))) == ["j1"], "a thousandth of a second is left"


def test_the_first_that_his_budget_keeps_out_keeps_his_later_ones_waiting() -> None:
    scheduler = world(Limits(device_hours=4))
    scheduler.apply(job(1, **hours(3)))
    scheduler.apply(job(2, **hours(2)))
    scheduler.apply(job(3, **hours(1)))
    assert list(places(scheduler.decide(0))) == ["j1"]
    assert only(scheduler, "j3", 0)[0].behind == "j2"
    scheduler.apply(JobCancelled(1, "j2"))
    assert list(places(scheduler.decide(1))) == ["j3"]


def test_nobody_is_displaced_for_who_may_not_start() -> None:
    scheduler = world(Limits(device_hours=1))
    scheduler.apply(job(1, res(8), user="v"))
    scheduler.decide(0)
    scheduler.apply(job(2, res(8), **hours(1), priority=9))
    assert not scheduler.decide(HOUR).decisions


def test_an_elastic_job_stretches_no_further_than_the_budget() -> None:
    scheduler = world(Limits(money=8_000_000))
    scheduler.apply(job(1, tasks=2, max_tasks=8, **hours(2)))
    (place,) = places(scheduler.decide(0)).values()
    assert len(place.nodes) == 4, "four for two hours are eight"
    scheduler.apply(job(2, **hours(1)))
    assert not places(scheduler.decide(0))
    refusal, _ = only(scheduler, "j2", 0)
    assert "runs that go on may use 8.000 CNY" in refusal.detail
    scheduler.apply(over("j1-r1", HOUR))
    assert list(places(scheduler.decide(HOUR))) == ["j2"], "four of eight are used"


def test_a_new_leader_knows_what_was_spent_and_what_runs_may_cost() -> None:
    """Told in the order of a takeover: no pool has been observed yet."""
    submitted = job(1, res(4), **hours(2))
    placed = RunPlaced(0, "j1-r1", "j1", "p", ("p0",), 0, hourly=4_000_000, since=0)
    spent = Spent(0, 0, 1_000_000)
    scheduler = told(
        PolicyChanged(0, PLAIN), LimitsChanged(0, "u", Limits(money=12_000_000), (spent,))
    )
    for event in (submitted, placed, pool("p", res(8, 64), terms=PRICED)):
        scheduler.apply(event)
    scheduler.apply(job(2, res(4), **hours(1)))
    assert not places(scheduler.decide(0)), "1 spent, 8 promised, 4 more"
    scheduler.apply(over("j1-r1", HOUR, Spent(HOUR)))
    assert list(places(scheduler.decide(HOUR))) == ["j2"], "it had been told already"


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.sampled_from("uv"),
            st.sampled_from((1, 1, 2, 4)),
            st.sampled_from((None, 1, 2, 5)),
        ),
        st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from(list(Cause))),
        st.tuples(st.just("started"), st.integers(0, 50)),
        st.tuples(
            st.just("limit"),
            st.sampled_from("uv"),
            st.sampled_from((None, 0, 5, 20)),
            st.sampled_from((None, 10_000_000, 40_000_000)),
        ),
        st.tuples(st.just("pass_by"), st.sampled_from((MINUTE, HOUR, 9 * DAY))),
        st.tuples(st.just("decide"), st.sampled_from((1, 1000))),
    ),
    max_size=40,
)


@dataclass
class Open:
    """A run by the test's own books."""

    user: str
    cpus: int
    hourly: int
    promised: int
    since: int


class Books:
    """Drives a scheduler and keeps what each user has used, and may use, by its own accounts."""

    def __init__(self, policy: Policy) -> None:
        self.witness = Witness()
        self.witness.apply(PolicyChanged(0, policy))
        self.witness.apply(pool("p", res(6, 64), terms=PRICED))
        self.witness.apply(pool("q", res(3, 64), terms=replace(PRICED, cpu_hour=3_000_000)))
        self.now = self.seq = 0
        self.limits: dict[str, Limits] = {}
        self.open: dict[str, Open] = {}
        self.past: list[tuple[str, int, int, int]] = []  # user, when, device-ms, money

    def step(self, kind: str, *rest) -> None:
        self.now += MINUTE
        getattr(self, kind)(*rest)

    def pass_by(self, how_long: int) -> None:
        self.now += how_long

    def submit(self, user: str, cpus: int, limit: int | None) -> None:
        self.seq += 1
        time = None if limit is None else limit * HOUR
        self.witness.apply(job(self.seq, res(cpus), user=user, time_limit=time))

    def limit(self, user: str, device_hours: int | None, money: int | None) -> None:
        self.limits[user] = Limits(device_hours=device_hours, money=money)
        spent = tuple(Spent(at, ms, cost) for who, at, ms, cost in self.past if who == user)
        self.witness.apply(LimitsChanged(self.now, user, self.limits[user], spent))

    def started(self, number: int) -> None:
        waiting = sorted(set(self.open) - self.witness.started)
        if waiting:
            run = waiting[number % len(waiting)]
            self.open[run].since = self.now
            self.witness.apply(RunStarted(self.now, run))

    def end(self, number: int, cause: Cause) -> None:
        runs = sorted(self.open)
        if runs:
            name = runs[number % len(runs)]
            run = self.open.pop(name)
            ms = run.cpus * (self.now - run.since) // 1000
            spent = Spent(self.now, ms, ms * run.hourly // run.cpus // HOUR_MS)
            self.past.append((run.user, self.now, spent.device_ms, spent.money))
            outcome = Outcome(cause, exit_code=1)
            self.witness.apply(RunEnded(self.now, name, outcome, spent))

    def decide(self, limit: int) -> Plan:
        fork = self.witness.scheduler.fork()
        plan = self.witness.decide(self.now, limit)
        assert fork.decide(self.now, limit) == plan
        for place in (d for d in plan.decisions if isinstance(d, Place)):
            told = self.witness.jobs[place.job]
            cpus = place.per_task.cpu_milli // 1000
            hourly = dict(place.costs[0].terms)["devices"]
            limit_ = told.time_limit or 0
            self.open[place.run] = Open(told.user, cpus, hourly, limit_, self.now)
            self.check(told.user)
        return plan

    def check(self, user: str) -> None:
        """Whoever starts has as much left as he is promised."""
        limits = self.limits.get(user, Limits())
        device_ms = money = 0
        for who, at, ms, cost in self.past:
            if who == user and (at // HOUR + 1) * HOUR + BUDGET_WINDOW > self.now:
                device_ms, money = device_ms + ms, money + cost
        for run in self.open.values():
            if run.user == user:
                time = max(run.promised, self.now - run.since)
                device_ms += run.cpus * time // 1000
                money += run.hourly * time // HOUR
        assert limits.device_hours is None or device_ms <= limits.device_hours * HOUR_MS
        assert limits.money is None or money <= limits.money


@given(steps, st.sampled_from(["default", "fifo", "easy", "fair"]))
@settings(max_examples=150, deadline=None)
def test_what_is_promised_at_a_start_is_within_the_budget(todo: list[tuple], name: str) -> None:
    books = Books(POLICIES[name])
    for kind, *rest in todo:
        books.step(kind, *rest)


@given(steps, st.sampled_from(["default", "fifo"]))
@settings(max_examples=75, deadline=None)
def test_nobody_waits_longer_than_the_window(todo: list[tuple], name: str) -> None:
    """When all that runs ends, and what is in the window falls out of it, only those are left who
    ask for more than all."""
    books = Books(POLICIES[name])
    for kind, *rest in todo:
        books.step(kind, *rest)
    for _ in range(60):
        books.now += BUDGET_WINDOW + 2 * HOUR
        books.step("decide", 1000)
        for _ in range(len(books.open)):
            books.end(0, Cause.SUCCEEDED)
    for name, state in books.witness.states.items():
        if state is JobState.PENDING:
            refusal, _ = only(books.witness.scheduler, name, books.now)
            first = refusal.behind or name
            assert only(books.witness.scheduler, first, books.now)[0].permanent


@given(steps)
@settings(max_examples=75, deadline=None)
def test_the_time_that_is_told_is_when_it_may_start(todo: list[tuple]) -> None:
    books = Books(POLICIES["default"])
    for kind, *rest in todo:
        books.step(kind, *rest)
    books.step("decide", 1000)
    for _ in list(books.open):
        books.end(0, Cause.SUCCEEDED)
    plan = books.decide(1000)
    for name, state in books.witness.states.items():
        if state is not JobState.PENDING:
            continue
        for refusal in books.witness.scheduler.explain(name, books.now).refusals:
            if refusal.code in (RefusalCode.OVER_DEVICE_HOURS, RefusalCode.OVER_MONEY):
                assert refusal.until is None or refusal.until > books.now
                if refusal.until is not None and not books.open:
                    assert plan.wake_at is not None
                    assert plan.wake_at <= refusal.until
