"""What people read of an explanation: the cause first, and nothing said twice."""

from datetime import UTC, datetime, timedelta

from suan.cli.explain import planned, shortly, waiting
from suan.model.views import CostView, ExplanationView, RefusalView

SMALL = RefusalView(
    "node_too_small", "local", "it needs 9 cpus, the nearest has 4", "a larger node joins", True
)
WAITS = RefusalView("waits_for_jobs", None, "it waits for job x", "that job has ended so")


def explained(*refusals: RefusalView, summary: str = "None of the pools can run it.") -> str:
    return waiting(ExplanationView("j", "pending", summary, refusals))


def test_the_only_pools_reason_is_said_once_and_beneath_one_sentence() -> None:
    said = explained(SMALL, summary=f"The only pool cannot run it: {SMALL.detail}.")
    assert (
        said.splitlines()[0] == "j is pending: the only pool, local, cannot run it as things are."
    )
    assert said.count(SMALL.detail) == 1
    assert said.splitlines()[2:] == [
        "  local: node_too_small; waiting alone does not help",
        "    it needs 9 cpus, the nearest has 4",
        "    goes on when a larger node joins",
    ]


def test_what_holds_a_job_from_every_pool_is_the_sentence() -> None:
    said = explained(WAITS, summary="It waits: it waits for job x. It goes on when …")
    assert said.splitlines()[0] == "j is pending: it waits for job x."
    assert "goes on when that job has ended so" in said


def test_in_one_clause_the_first_refusal_speaks() -> None:
    long = "It cannot start now. " * 5
    assert shortly(ExplanationView("j", "pending", long, (SMALL, WAITS))) == (
        "local: it needs 9 cpus, the nearest has 4"
    )
    assert shortly(ExplanationView("j", "pending", long, (WAITS,))) == "it waits for job x"
    assert shortly(ExplanationView("j", "pending", "it runs")) == "it runs"


def test_pools_that_say_the_same_are_named_together_and_a_thousand_are_counted() -> None:
    many = [RefusalView("drained", f"p{i}", "it drains", "undrained") for i in range(1000)]
    said = explained(SMALL, *many)
    assert "  p0, p1, p2, p3, p4, p5, p6, p7 and 992 more: drained\n" in said
    assert said.count("it drains") == 1


def test_a_time_to_come_is_said_with_what_it_rests_on() -> None:
    now = datetime.now(UTC)
    when = {"earliest": now + timedelta(hours=49), "latest": now + timedelta(hours=71)}
    view = ExplanationView("j", "pending", "It waits.", rests_on="three time limits", **when)
    said = waiting(view).splitlines()[1]
    assert said.startswith("It may start between ")
    assert said.endswith(" (in 2–3 d), resting on three time limits.")
    assert said in planned(view)


def test_what_became_of_the_last_run_stands_before_the_pools() -> None:
    view = ExplanationView("j", "pending", "…", (SMALL,), last_run="it makes room for job x")
    assert waiting(view).splitlines()[1:3] == ["Its last run: it makes room for job x.", ""]
    assert "last run" not in explained(SMALL)


def test_a_plan_gives_a_price_where_there_is_one() -> None:
    free = CostView("a", {"devices": 0}, 0, "CNY")
    paid = CostView("b", {"devices": 12_500_000}, 12_500_000, "CNY")
    go = "It can start now: a would take it."
    assert planned(ExplanationView("j", "pending", go, costs=(free,))).splitlines() == [
        go,
        "¥0 an hour: nothing has a price here.",
    ]
    assert "¥12.50" in planned(ExplanationView("j", "pending", go, costs=(free, paid)))
