"""Fair share: what everyone gets comes to what they are entitled to; usage fades as it is said."""

import random
from decimal import Decimal, localcontext
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.core.decay import ONE, gathered_in, left_after
from suan.core.shares import AHEAD, Shares
from suan.model.events import PolicyChanged, QueueChanged, RunEnded, RunRemembered
from suan.model.job import Cause
from suan.model.policy import Policy
from suan.model.units import DAY, HOUR, MINUTE, SECOND
from tests.core.world import DONE, job, places, pool, res, told

FAIR = Policy(backfill="none", preemption=False, half_life=DAY)
LN_2 = Decimal("0.693147180559945309417232121458176568075500134360255254120680")
durations = st.one_of(st.integers(1, 10**6), st.integers(1, 10**14))


@given(durations, durations)
@settings(max_examples=100, deadline=None)
def test_what_is_left_is_a_power_of_a_half(passed: int, half_life: int) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = ONE * Decimal(2) ** (-Decimal(passed) / Decimal(half_life))
        mean_life = Decimal(half_life) / LN_2
        gathered = mean_life * (1 - exact / ONE)
        assert abs(left_after(passed, half_life) - exact) <= max(exact / 10**9, 64)
        slack = gathered / 10**8 + mean_life * 64 / ONE + Decimal(half_life) / 2**31 + 1
        assert abs(gathered_in(passed, half_life) - gathered) <= slack


@given(durations, durations, durations)
@settings(max_examples=100, deadline=None)
def test_decay_never_rises_and_never_gathers_more_than_time(a: int, b: int, half_life: int) -> None:
    low, high = sorted((a, b))
    assert ONE >= left_after(low, half_life) >= left_after(high, half_life) >= 0
    assert 0 <= gathered_in(low, half_life) <= gathered_in(high, half_life)
    assert gathered_in(low, half_life) <= low + max(low // 10**6, half_life >> 28, 1)
    assert left_after(half_life, half_life) == ONE // 2
    assert left_after(0, half_life) == ONE


def used(shares: Shares, tenant: str, now: int) -> int:
    account = shares.account("q", tenant, "u")
    shares.tick(now)
    shares.take(account, {}, now)  # brings it up to date, and takes nothing
    return account.path[-1].used.get("cpu", 0)


def test_an_idle_tenants_usage_halves_with_every_half_life() -> None:
    shares = Shares(DAY)
    shares.count(True)
    shares.set_capacity({"cpu": 1000})
    for tenant in ("a", "b"):
        shares.take(shares.account("q", tenant, "u"), {"cpu": 1000}, 0)
    shares.take(shares.account("q", "a", "u"), {"cpu": 1000}, HOUR, times=-1)
    at_first = used(shares, "a", HOUR)
    assert at_first == pytest.approx(1000 * HOUR, rel=0.02)
    for days in (1, 2, 3, 10):
        left = used(shares, "a", HOUR + days * DAY)
        assert left == pytest.approx(at_first / 2**days, rel=1e-3)
    for days in (20, 21, 80):
        used(shares, "b", days * DAY)
    assert used(shares, "b", 80 * DAY) == pytest.approx(1000 * DAY / float(LN_2), rel=1e-3)


class Demand:
    """Tenants that want all there is, all the time: each has jobs waiting, of random sizes and
    durations. ``got`` counts the processor-time of each within the day that is measured."""

    def __init__(self, who: dict[tuple[str, str], float], *, size: int, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.scheduler = told(PolicyChanged(0, FAIR), pool("p", *[res(16, 999)] * (size // 16)))
        self.wants = dict(who)
        self.got = dict.fromkeys(who, 0)
        self.seq = 0
        self.ends: list[tuple[int, str]] = []
        self.jobs: dict[str, tuple[tuple[str, str], int, int]] = {}

    def submit(self, who: tuple[str, str], now: int) -> None:
        self.seq += 1
        cpus = self.random.choice((1, 1, 2, 4, 8))
        takes = self.random.choice((MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE))
        self.jobs[f"j{self.seq}"] = (who, cpus, takes)
        self.scheduler.apply(job(self.seq, res(cpus, 0), queue=who[0], tenant=who[1]))

    def run(self, since: int, until: int, now: int = 0) -> dict[tuple[str, str], int]:
        """From ``now`` until the end; what is measured begins with ``since``."""
        self.got = dict.fromkeys(self.wants, 0)
        for who in self.wants:
            for _ in range(40):
                self.submit(who, now)
        while now < until:
            for place in places(self.scheduler.decide(now)).values():
                who, cpus, takes = self.jobs[place.job]
                heappush(self.ends, (now + takes, place.run))
                self.got[who] += cpus * max(0, min(now + takes, until) - max(now, since))
                if who in self.wants:
                    self.submit(who, now)
            now = self.ends[0][0]
            while self.ends and self.ends[0][0] == now:
                self.scheduler.apply(RunEnded(now, heappop(self.ends)[1], DONE))
        return self.got


def parts(got: dict) -> dict:
    return {who: amount / sum(got.values()) for who, amount in got.items()}


@pytest.mark.parametrize(
    ("weights", "entitled"),
    [
        ({}, {("q", "a"): 1 / 3, ("q", "b"): 1 / 3, ("q", "c"): 1 / 3}),
        ({"x": 3, "y": 1}, {("x", "a"): 3 / 4, ("y", "a"): 1 / 4}),
        ({"x": 5, "y": 3}, {("x", "a"): 5 / 16, ("x", "b"): 5 / 16, ("y", "a"): 3 / 8}),
        ({}, {("q", "lab/a"): 1 / 4, ("q", "lab/b"): 1 / 4, ("q", "other"): 1 / 2}),
    ],
    ids=["equals", "queues", "queues and tenants", "a lab's share is one"],
)
def test_shares_come_to_what_everyone_is_entitled_to(weights: dict, entitled: dict) -> None:
    demand = Demand(entitled, size=64)
    for queue, weight in weights.items():
        demand.scheduler.apply(QueueChanged(0, queue, weight))
    received = parts(demand.run(0, DAY))
    assert received == pytest.approx(entitled, abs=0.02)


def test_who_was_idle_is_not_punished_and_gets_no_more_than_a_start() -> None:
    """b comes after a day: he gets more than half for as long as a's usage outweighs his, and
    half in the end."""
    both = {("q", "a"): 1.0, ("q", "b"): 1.0}
    demand = Demand({("q", "a"): 1.0}, size=32)
    demand.scheduler.apply(
        PolicyChanged(0, Policy(backfill="none", preemption=False, half_life=HOUR))
    )
    demand.run(0, 6 * HOUR)
    demand.wants = both
    demand.got = dict.fromkeys(both, 0)
    now = max(end for end, _ in demand.ends)
    for end, run in sorted(demand.ends):
        demand.scheduler.apply(RunEnded(end, run, DONE))
    demand.ends.clear()
    first = parts(demand.run(now, now + HOUR, now))
    assert first["q", "b"] > 0.6
    for end, run in sorted(demand.ends):
        demand.scheduler.apply(RunEnded(end, run, DONE))
    demand.ends.clear()
    later = now + 14 * HOUR
    last = parts(demand.run(later - 4 * HOUR, later, now + 2 * HOUR))
    assert last["q", "b"] == pytest.approx(0.5, abs=0.02)


def remembered(tenant: str, hours: int, ago: int, now: int = 100 * DAY) -> RunRemembered:
    past = {"user": "", "name": "", "command": "", "tasks": 1, "per_task": res(1, 0)}
    since, until = now - ago - hours * HOUR, now - ago
    ended = {"started_at": since, "ended_at": until, "cause": Cause.SUCCEEDED}
    return RunRemembered(now, queue="q", tenant=tenant, **past, **ended)


def who_comes_first(*events, half_life: int = DAY, now: int = 100 * DAY) -> str:
    policy = Policy(backfill="none", half_life=half_life)
    scheduler = told(PolicyChanged(now, policy), pool("p", res(1, 9)), *events)
    for seq, tenant in enumerate(("a", "b")):
        scheduler.apply(job(seq, queue="q", tenant=tenant))
    (name,) = places(scheduler.decide(now))
    return "ab"[int(name[1:])]


def test_what_was_used_before_this_scheduler_was_made_still_counts() -> None:
    assert who_comes_first() == "a"
    assert who_comes_first(remembered("a", 1, HOUR)) == "b"
    assert who_comes_first(remembered("a", 8, HOUR), remembered("b", 9, HOUR)) == "a"


def test_the_half_life_says_how_long_it_counts() -> None:
    """a used eight hours two days ago, b three hours just now: three halvings make a's one."""
    past = remembered("a", 8, 2 * DAY), remembered("b", 3, 0)
    assert who_comes_first(*past, half_life=DAY) == "a", "two hours against three"
    assert who_comes_first(*past, half_life=30 * DAY) == "b", "nearly eight hours against three"


def test_the_parted_paths_are_compared_where_they_part() -> None:
    """lab/a has used nothing, but lab has, more than other."""
    past = remembered("lab/b", 3, 0), remembered("other", 2, 0)
    now = 100 * DAY
    scheduler = told(PolicyChanged(now, FAIR), pool("p", res(1, 9)), *past)
    for seq, tenant in enumerate(("lab/b", "lab/a", "other")):
        scheduler.apply(job(seq, queue="q", tenant=tenant))
    order = []
    for _ in range(3):
        (name,) = places(scheduler.decide(now))
        order.append(name)
        scheduler.apply(RunEnded(now, f"{name}-r1", DONE))
    assert order == ["j2", "j1", "j0"]


def test_priority_comes_before_any_share() -> None:
    now = 100 * DAY
    scheduler = told(PolicyChanged(now, FAIR), pool("p", res(1, 9)), remembered("a", 99, 0))
    scheduler.apply(job(1, queue="q", tenant="b"))
    scheduler.apply(job(2, queue="q", tenant="a", priority=1))
    assert list(places(scheduler.decide(now))) == ["j2"]


def test_dominant_resource_fairness_as_in_the_paper() -> None:
    """Ghodsi et al. 2011, figure 3: of 9 processors and 18 GB, one user's tasks need (1, 4), the
    other's (3, 1): three tasks and two."""
    scheduler = told(PolicyChanged(0, FAIR), pool("p", res(9, 18)))
    for seq in range(1, 21):
        tenant, need = ("a", res(1, 4)) if seq % 2 else ("b", res(3, 1))
        scheduler.apply(job(seq, need, queue="q", tenant=tenant))
    placed = [int(name[1:]) % 2 for name in places(scheduler.decide(0))]
    assert (placed.count(1), placed.count(0)) == (3, 2)


def test_weights_double_what_may_be_had() -> None:
    scheduler = told(
        PolicyChanged(0, FAIR),
        pool("p", res(12, 99)),
        QueueChanged(0, "x", 2),
        QueueChanged(0, "y", 1),
    )
    for seq in range(40):
        scheduler.apply(job(seq, queue="xy"[seq % 2]))
    queues = [int(name[1:]) % 2 for name in places(scheduler.decide(0))]
    assert (queues.count(0), queues.count(1)) == (8, 4)


def test_a_fork_has_the_same_shares() -> None:
    demand = Demand({("q", "a"): 1.0, ("q", "lab/x"): 1.0, ("r", "lab/y"): 1.0}, size=32)
    demand.run(0, 2 * HOUR)
    original: Scheduler = demand.scheduler
    twin = original.fork()
    for now in range(2 * HOUR, 3 * HOUR, MINUTE):
        for end, run in [each for each in demand.ends if each[0] <= now]:
            for scheduler in (original, twin):
                scheduler.apply(RunEnded(max(end, now), run, DONE))
            demand.ends.remove((end, run))
        assert original.decide(now) == twin.decide(now)


def test_ahead_is_counted_while_a_run_holds_and_no_longer() -> None:
    shares = Shares(DAY)
    shares.count(True)
    shares.set_capacity({"cpu": 1000})
    first, _ = shares.account("q", "a", "u"), shares.account("q", "b", "u")
    shares.take(first, {"cpu": 500}, 0)
    tenant = first.path[-2]
    assert tenant.value == AHEAD // 2 // SECOND
    shares.take(first, {"cpu": 500}, 0, times=-1)
    assert tenant.value == 0
