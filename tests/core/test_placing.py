"""Where jobs go: best fit, whole gangs, shares of devices, strict order, dependencies, limits."""

import pytest

from suan.model.errors import InvariantViolation
from suan.model.events import JobCancelled, PoolObserved, RunPlaced, RunStarted
from suan.model.job import Cause, JobState
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Finish
from tests.core.world import codes, ended, job, places, pool, res, told


def test_best_fit_keeps_whole_nodes_and_devices_free() -> None:
    scheduler = told(pool("p", res(8, 32, A=4), res(8, 32, A=4), res(8, 32)))
    for seq, need in enumerate((res(2, 1, A=2), res(2, 1, A=1), res(2, 1, A=0.5), res(2)), 1):
        scheduler.apply(job(seq, need))
    scheduler.apply(job(5, res(1, 1, A=0.5)))
    scheduler.apply(job(6, res(1, 1, A=4)))
    where = {name: place.nodes for name, place in places(scheduler.decide(1)).items()}
    assert where["j1"] == where["j2"] == where["j3"] == where["j5"]
    assert where["j4"] == ("p2",)
    assert set(where["j6"]) == {"p0", "p1"} - set(where["j1"])


def test_a_share_never_spans_devices() -> None:
    scheduler = told(pool("p", res(8, 8, A=2)), *(job(i, res(1, 1, A=0.6)) for i in (1, 2, 3)))
    assert list(places(scheduler.decide(1))) == ["j1", "j2"]
    assert scheduler.pool("p").free.accelerator("A") == 800
    scheduler.apply(ended("j2-r1"))
    assert list(places(scheduler.decide(2))) == ["j3"]


def test_a_whole_and_a_share_together() -> None:
    scheduler = told(pool("p", res(8, 8, A=3)), *(job(i, res(1, 1, A=1.5)) for i in (1, 2, 3)))
    assert list(places(scheduler.decide(1))) == ["j1", "j2"], "both halves share the third device"


def test_a_gang_is_whole_in_one_pool_and_may_share_nodes() -> None:
    scheduler = told(
        pool("p", res(4, 8), res(4, 8)), pool("q", res(2, 8), res(2)), job(1, res(2), 3)
    )
    place = places(scheduler.decide(1))["j1"]
    assert (place.pool, place.nodes) == ("p", ("p0", "p0", "p1"))
    scheduler.apply(job(2, res(2), 3))
    assert places(scheduler.decide(2)) == {}
    assert codes(scheduler, "j2") == {"p": "no_capacity", "q": "gang_too_large"}


def test_a_gang_may_span_kinds_of_node() -> None:
    scheduler = told(pool("p", res(4, 8), res(8, 8)), job(1, res(4), 3))
    assert places(scheduler.decide(1))["j1"].nodes == ("p0", "p1", "p1")


def test_strict_order_holds_only_what_the_earlier_job_could_use() -> None:
    """An accelerator job that waits never blocks nodes without accelerators (kueue#8309)."""
    scheduler = told(pool("p", res(8, 32, A=2), res(8, 32)))
    for seq, need in enumerate((res(1, 1, A=1), res(1, 1, A=2), res(1, 1, A=1), res(8, 1)), 1):
        scheduler.apply(job(seq, need))
    assert list(places(scheduler.decide(1))) == ["j1", "j4"]
    assert codes(scheduler, "j3") == {"p": "behind_earlier_job"}


def test_priority_comes_first_then_submission() -> None:
    scheduler = told(pool("p", res(1)), job(1), job(2, priority=5), job(3, priority=5))
    order = []
    for now in range(3):
        (name,) = places(scheduler.decide(now))
        order.append(name)
        scheduler.apply(ended(f"{name}-r1"))
    assert order == ["j2", "j3", "j1"]


def test_what_others_hold_blocks_nobody_else() -> None:
    """A job that could not start though all our runs ended does not hold the pool."""
    node = NodeStatus("n", res(8, 8), others_use=res(4, 0))
    scheduler = told(PoolObserved(0, Offer("p", "slurm"), (node,)), job(1, res(8)), job(2))
    assert list(places(scheduler.decide(1))) == ["j2"]
    refusal = scheduler.explain("j1", 1).refusals[0]
    assert (refusal.code, refusal.permanent) == ("no_capacity", False)
    scheduler.apply(ended("j2-r1"))
    scheduler.apply(PoolObserved(2, Offer("p", "slurm"), (NodeStatus("n", res(8, 8)),)))
    assert list(places(scheduler.decide(2))) == ["j1"]


def test_a_cordoned_node_takes_nothing_and_a_gone_one_keeps_its_accounts() -> None:
    offer = Offer("p", "local")
    scheduler = told(pool("p", res(4), res(4)), job(1, res(4)))
    assert places(scheduler.decide(1))["j1"].nodes == ("p0",)
    cordoned = NodeStatus("p1", res(4), schedulable=False)
    scheduler.apply(PoolObserved(2, offer, (cordoned,), removed=("p0",), complete=False))
    scheduler.apply(job(2))
    assert places(scheduler.decide(2)) == {}
    assert [status.name for status in scheduler.pool("p").nodes] == ["p1"]
    scheduler.apply(PoolObserved(3, offer, (NodeStatus("p0", res(4)),), complete=False))
    assert places(scheduler.decide(3)) == {}, "its run still holds it"
    scheduler.apply(ended("j1-r1"))
    assert places(scheduler.decide(4))["j2"].nodes == ("p0",)


def test_a_node_that_shrinks_under_its_runs_offers_nothing_negative() -> None:
    scheduler = told(pool("p", res(4, 8, A=2)), job(1, res(4, 4, A=2)))
    scheduler.decide(1)
    scheduler.apply(pool("p", res(2, 8, A=1)))
    assert scheduler.pool("p").free == res(0, 4)
    scheduler.apply(ended("j1-r1"))
    assert scheduler.pool("p").free == res(2, 8, A=1)


def test_the_limit_is_kept_and_more_is_told() -> None:
    scheduler = told(pool("p", res(8, 8)), *(job(i) for i in range(5)))
    plan = scheduler.decide(1, limit=3)
    assert (len(plan.decisions), plan.more) == (3, True)
    plan = scheduler.decide(1, limit=3)
    assert (len(plan.decisions), plan.more) == (2, False)


@pytest.mark.parametrize(
    ("condition", "cause", "fate"),
    [
        ("succeeded", Cause.SUCCEEDED, "starts"),
        ("succeeded", Cause.FAILED, "skipped"),
        ("succeeded", Cause.CANCELLED, "skipped"),
        ("failed", Cause.FAILED, "starts"),
        ("failed", Cause.SUCCEEDED, "skipped"),
        ("failed", Cause.CANCELLED, "skipped"),
        ("ended", Cause.FAILED, "starts"),
        ("ended", Cause.CANCELLED, "starts"),
    ],
)
def test_after(condition: str, cause: Cause, fate: str) -> None:
    """A dependency that can never hold skips the job, and so on down the line."""
    scheduler = told(pool("p", res(1)), job(1), job(2, after=(("j1", condition),)))
    scheduler.apply(job(3, after=(("j2", "succeeded"),)))
    assert list(places(scheduler.decide(1))) == ["j1"]
    assert codes(scheduler, "j2") == {None: "waits_for_jobs"}
    scheduler.apply(ended("j1-r1", cause, 1))
    plan = scheduler.decide(2)
    skipped = {
        d.job for d in plan.decisions if isinstance(d, Finish) and d.state is JobState.SKIPPED
    }
    assert skipped == ({"j2", "j3"} if fate == "skipped" else set())
    assert list(places(plan)) == ([] if fate == "skipped" else ["j2"])


def test_a_job_may_wait_for_one_that_is_told_later() -> None:
    scheduler = told(pool("p", res(1)), job(1, after=(("j2", "succeeded"), ("j2", "ended"))))
    assert "not submitted yet" in scheduler.explain("j1", 0).summary
    scheduler.apply(job(2))
    assert list(places(scheduler.decide(1))) == ["j2"]
    scheduler.apply(ended("j2-r1"))
    assert list(places(scheduler.decide(2))) == ["j1"]


def test_a_job_that_waits_can_be_cancelled() -> None:
    scheduler = told(pool("p", res(1)), job(1), job(2, after=(("j1", "succeeded"),)))
    scheduler.apply(JobCancelled(1, "j2"))
    assert scheduler.decide(1).decisions[0].state is JobState.CANCELLED
    scheduler.apply(ended("j1-r1"))
    assert [d.job for d in scheduler.decide(2).decisions] == ["j1"]


def test_events_that_contradict_are_bugs_and_change_nothing() -> None:
    scheduler = told(pool("p", res(1)), job(1))
    with pytest.raises(InvariantViolation, match="submitted twice: job j1"):
        scheduler.apply(job(1))
    with pytest.raises(InvariantViolation, match="never told"):
        scheduler.apply(RunPlaced(1, "j9-r1", "j9", "p", ("p0",), 0))
    with pytest.raises(InvariantViolation, match="not an event"):
        scheduler.apply("nonsense")
    assert list(places(scheduler.decide(1))) == ["j1"]
    with pytest.raises(InvariantViolation, match="on taking over"):
        scheduler.apply(RunPlaced(1, "j1-r2", "j1", "p", ("p0",), 0))
    for run in ("j1-r7", "nobody-r1"):
        scheduler.apply(RunStarted(2, run))
        scheduler.apply(ended(run))
    assert scheduler.decide(2).decisions == ()


def test_views() -> None:
    scheduler = told(pool("p", res(2, 8, A=1)), job(1, res(1, 1, A=0.5)), job(2, queue="batch"))
    scheduler.apply(job(3, res(2)))
    scheduler.decide(1)
    scheduler.apply(RunStarted(2, "j1-r1"))
    assert (scheduler.pending, scheduler.running) == (1, 2)
    status = scheduler.pool("p")
    assert (status.runs, status.free) == (2, res(0, 6, A=0.5))
    counts = {queue.queue: (queue.pending, queue.running) for queue in scheduler.queues()}
    assert counts == {"batch": (0, 1), "default": (1, 1)}
    assert scheduler.run("j1-r1").started
    assert scheduler.run("j9-r1") is None
    assert scheduler.job_state("j3") is JobState.PENDING
    assert scheduler.job_state("j1") is JobState.RUNNING
    assert scheduler.explain("j9", 2) is None
    assert "runs in pool p, on p0" in scheduler.explain("j1", 2).summary
