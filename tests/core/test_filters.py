"""Each filter: what it lets pass, what it refuses, and that the refusal tells by how much."""

import pytest

from suan.core.filters import FILTERS, infra
from suan.model.events import (
    JobCancelled,
    PoolDrained,
    PoolLost,
    QueueChanged,
    ReservationMade,
    RunEnded,
)
from suan.model.job import Cause, Outcome
from suan.model.offer import Terms
from suan.model.refusal import RefusalCode
from suan.model.reservation import Reservation
from tests.core.world import codes, job, places, pool, res, told

PRICED = Terms(cpu_hour=1_000_000, accelerator_hour=(("A", 20_000_000),))
GPU = res(8, 32, A=2)
CASES = {
    "infra": (pool("p", GPU), job(1, infra="slurm/p"), RefusalCode.INFRA_MISMATCH, "slurm/p"),
    "framework": (
        pool("p", GPU, frameworks=("jax",)),
        job(1, framework="paddle"),
        RefusalCode.FRAMEWORK_UNSUPPORTED,
        "supports jax",
    ),
    "delivery": (
        pool("p", GPU, kind="ray"),
        job(1, brings_files=True),
        RefusalCode.CANNOT_DELIVER,
        "a pool of the kind ray cannot be sent any",
    ),
    "model": (
        pool("p", GPU),
        job(1, res(B=1)),
        RefusalCode.NO_SUCH_ACCELERATOR,
        "needs B; this pool's nodes have A",
    ),
    "any": (
        pool("p", res(8, 32)),
        job(1, res(any_=1)),
        RefusalCode.NO_SUCH_ACCELERATOR,
        "any accelerator; this pool's nodes have none",
    ),
    "cpus": (pool("p", GPU), job(1, res(10)), RefusalCode.NODE_TOO_SMALL, "short by 2 cpus"),
    "memory": (
        pool("p", GPU),
        job(1, res(1, 40)),
        RefusalCode.NODE_TOO_SMALL,
        "short by 8 GiB memory",
    ),
    "devices": (pool("p", GPU), job(1, res(A=3)), RefusalCode.NODE_TOO_SMALL, "short by 1 × A"),
    "empty": (pool("p"), job(1), RefusalCode.NODE_TOO_SMALL, "has no nodes"),
    "gang": (
        pool("p", GPU, GPU),
        job(1, res(6), 4),
        RefusalCode.GANG_TOO_LARGE,
        "4 tasks; this pool holds 2 of them when empty, which is short by 2",
    ),
    "shares": (
        pool("p", GPU),
        job(1, res(A=0.6), 3),
        RefusalCode.GANG_TOO_LARGE,
        "holds 2 of them",
    ),
    "cost": (
        pool("p", GPU, terms=PRICED),
        job(1, res(2, A=1), max_hourly_cost=21_500_000),
        RefusalCode.OVER_HOURLY_COST,
        "costs 22.000 CNY, over the job's limit of 21.500 CNY by 0.500 CNY",
    ),
}


def test_a_reservation_that_a_job_asks_for_must_have_room_for_it() -> None:
    """None of that name, then one on a node of two; each time it says what would help."""
    asked = job(1, res(6), 2, reservation="course")
    scheduler = told(pool("p", GPU, GPU), asked, job(2, res(6), reservation="course", tenant="lab"))
    assert places(scheduler.decide(1)) == {}
    [refusal] = scheduler.explain("j1", 1).refusals
    assert (refusal.code, refusal.permanent) == (RefusalCode.NOT_IN_RESERVATION, False)
    assert "reservation course, which keeps no node of this pool" in refusal.detail
    course = Reservation("course", "p", ("p1",), 2, 1_000, tenants=("default", "lab"))
    scheduler.apply(ReservationMade(2, course))
    assert list(places(scheduler.decide(2))) == ["j2"]
    [refusal] = scheduler.explain("j1", 2).refusals
    assert refusal.code is RefusalCode.NOT_IN_RESERVATION
    assert "whose nodes in this pool hold 1 of 2 tasks when empty" in refusal.detail


@pytest.mark.parametrize("name", CASES)
def test_a_pool_that_never_can_says_by_how_much(name: str) -> None:
    seen, asked, code, words = CASES[name]
    scheduler = told(seen, asked)
    assert places(scheduler.decide(1)) == {}
    explanation = scheduler.explain("j1", 1)
    assert explanation is not None
    (refusal,) = explanation.refusals
    assert refusal.code is code
    assert refusal.permanent
    assert words in refusal.detail
    assert words in explanation.summary
    assert refusal.unblocked_by in explanation.summary


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("p", True),
        ("local", True),
        ("local/p", True),
        ("here", True),
        ("*", True),
        ("loc*", True),
        ("l*/p", True),
        ("*p", True),
        ("p*p", False),
        ("local/q", False),
        ("", False),
        ("pp", False),
    ],
)
def test_infra_names_a_pool_in_four_ways(pattern: str, matches: bool) -> None:
    scheduler = told(pool("p", GPU), job(1, infra=pattern))
    assert bool(places(scheduler.decide(1))) is matches


def test_infra_wildcards_do_not_overlap() -> None:
    assert not infra._matches("ab*ba", "aba")
    assert infra._matches("a*b*c", "aXbYbc")
    assert not infra._matches("a*b*c", "acb")


def test_the_nearest_option_is_told() -> None:
    """Of two options' reasons the one that passed more filters is worth telling."""
    scheduler = told(pool("p", GPU), job(1, (res(B=1), res(16))))
    assert codes(scheduler, "j1") == {"p": "node_too_small"}


def test_what_passes_by_itself_is_not_permanent() -> None:
    scheduler = told(pool("p", GPU), PoolLost(1, "p", "connection refused"), job(1))
    assert places(scheduler.decide(1)) == {}
    refusal = scheduler.explain("j1", 1).refusals[0]
    assert (refusal.code, refusal.permanent) == (RefusalCode.POOL_UNAVAILABLE, False)
    assert "connection refused" in refusal.detail
    scheduler.apply(pool("p", GPU))
    assert "j1" in places(scheduler.decide(2))


def test_what_an_owner_took_back_is_said_so_whatever_the_job_needs() -> None:
    taken = pool("p", withheld="its owner took the offer back")
    scheduler = told(taken, job(1), job(2, res(B=1)))
    assert places(scheduler.decide(1)) == {}
    for name in ("j1", "j2"):
        (refusal,) = scheduler.explain(name, 1).refusals
        assert (refusal.code, refusal.permanent) == (RefusalCode.POOL_UNAVAILABLE, False)
        assert refusal.detail.endswith("its owner took the offer back")
    scheduler.apply(pool("p", GPU))
    assert "j1" in places(scheduler.decide(2))


def test_a_drained_pool_starts_nothing_and_is_taken_back() -> None:
    scheduler = told(pool("p", GPU), PoolDrained(1, "p"), job(1))
    assert places(scheduler.decide(1)) == {}
    assert codes(scheduler, "j1") == {"p": "pool_drained"}
    scheduler.apply(PoolDrained(2, "p", drained=False))
    assert "j1" in places(scheduler.decide(2))


def test_a_closed_queue_starts_nothing_and_holds_nothing() -> None:
    scheduler = told(
        pool("p", GPU), QueueChanged(0, "batch", open=False), job(1, res(8), queue="batch"), job(2)
    )
    assert list(places(scheduler.decide(1))) == ["j2"]
    assert codes(scheduler, "j1") == {None: "queue_closed"}
    scheduler.apply(RunEnded(2, "j2-r1", Outcome(Cause.SUCCEEDED)))
    scheduler.apply(QueueChanged(2, "batch", open=True))
    assert "j1" in places(scheduler.decide(2))


def test_no_pools() -> None:
    scheduler = told(job(1))
    assert codes(scheduler, "j1") == {None: "no_pools"}


def test_capacity_may_join_later() -> None:
    scheduler = told(pool("p", GPU), job(1, res(64)))
    assert places(scheduler.decide(1)) == {}
    scheduler.apply(pool("q", res(64, 64)))
    assert places(scheduler.decide(2))["j1"].pool == "q"


def test_a_full_pool_says_what_is_free() -> None:
    scheduler = told(pool("p", GPU), job(1, res(6)), job(2, res(6)))
    scheduler.decide(1)
    refusal = scheduler.explain("j2", 1).refusals[0]
    assert refusal.code is RefusalCode.NO_CAPACITY
    assert "2 cpus" in refusal.detail
    gang = told(pool("p", GPU, GPU), job(1, res(6)), job(2, res(6), 2))
    gang.decide(1)
    assert "room for 1 of 2 tasks" in gang.explain("j2", 1).refusals[0].detail


def test_a_job_behind_another_names_it() -> None:
    scheduler = told(pool("p", GPU), job(1, res(6)), job(2, res(6)), job(3, res(1)))
    scheduler.decide(1)
    explanation = scheduler.explain("j3", 1)
    assert explanation.refusals[0].code is RefusalCode.BEHIND_EARLIER_JOB
    assert "job j2" in explanation.summary
    assert explanation.ahead == 1
    scheduler.apply(JobCancelled(2, "j2"))
    assert "j3" in places(scheduler.decide(2))


def test_every_filter_is_a_file_of_its_own() -> None:
    assert len({check.__module__ for check in FILTERS}) == len(FILTERS)
