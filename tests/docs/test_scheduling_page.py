"""The worked examples of docs/explanation/scheduling.md are what the real scheduler does.

Each world below is simulated anew and written as a table: job by job what it asks, and when it
ran. The page must have that very table.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from suan.core.disciplines import LAS_LEVELS
from suan.core.shares import AHEAD, STEPS, Shares
from suan.model.events import (
    LimitsChanged,
    QueueChanged,
    QuotaChanged,
    ReservationMade,
    TenantChanged,
)
from suan.model.policy import POLICIES, Policy
from suan.model.quota import Limits, Quota
from suan.model.reservation import Reservation
from suan.model.spec import Checkpoint
from suan.model.units import DAY, HOUR, MINUTE
from suan.sim.traces.job import TraceJob
from tests.docs.worlds import MODEL, asked, clock, job, lasts, pool, table, timeline

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "scheduling.md").read_text()
ONE = (pool("gpus", 8),)
SAVES = Checkpoint(interval=10 * MINUTE)
TOLD = Checkpoint(grace=MINUTE)


def under(
    policies: Sequence[str], jobs: Sequence[TraceJob], pools: Sequence = ONE, **more: object
) -> dict[str, dict[str, str]]:
    """The same world under several policies."""
    return {f"`{each}`": timeline(jobs, pools, each, **more) for each in policies}


def written(
    jobs: Sequence[TraceJob],
    found: dict[str, dict[str, str]],
    **said: Callable[[TraceJob], str],
) -> str:
    """The table of the page. ``said`` are further columns."""
    columns = {"needs": asked, **said}
    rows = [
        [f"`{each.job}`", clock(each.submit)]
        + [tell(each) for tell in columns.values()]
        + [runs.get(each.job, "never") for runs in found.values()]
        for each in jobs
    ]
    return table(" | ".join(["job", "submitted", *columns, *found]), rows)


def limits(each: TraceJob) -> str:
    return "none" if each.requested is None else lasts(each.requested)


def takes(each: TraceJob) -> str:
    return lasts(each.runtime)


def flavors() -> str:
    jobs = [
        job("a", 6, 0, 60, limit=60),
        job("b", 8, 5, 30, limit=30),
        job("c", 2, 10, 20, limit=20),
        job("d", 0, 15, 20, limit=20, cpus=16),
    ]
    return written(jobs, under(["fifo", "easy"], jobs, (pool("x", 8, 0, cpus=32),)), limit=limits)


def disciplines() -> str:
    jobs = [
        job("now", 2, 0, 60, expects=60),
        job("q", 1, 1, 50, expects=50),
        job("p", 2, 2, 40, expects=40, due=240),
        job("r", 1, 3, 60, expects=60, due=150),
    ]
    found = under(["fifo", "sjf", "qssf", "edf"], jobs, (pool("x", 2),))
    return written(
        jobs, found, takes=takes, due=lambda j: "none" if j.deadline is None else clock(j.deadline)
    )


def tenants() -> str:
    jobs = [job(f"ann{n}", 1, 0, 60, tenant="ann") for n in (1, 2, 3, 4)]
    jobs += [job(f"bob{n}", 1, 10, 60, tenant="bob") for n in (1, 2)]
    return written(jobs, under(["fifo", "fair"], jobs, (pool("x", 2),)), tenant=lambda j: j.tenant)


def weights() -> str:
    jobs = [job(f"lab{n}", 1, 0, 60, queue="lab") for n in (1, 2)]
    jobs += [job(f"prod{n}", 1, 0, 60, queue="prod") for n in (1, 2, 3)]
    told = (QueueChanged(0, "lab", weight=1), QueueChanged(0, "prod", weight=3))
    found = under(["fifo", "fair"], jobs, (pool("x", 4),), told=told)
    return written(jobs, found, queue=lambda j: j.queue)


def tree() -> str:
    jobs = [
        job(f"{tenant[-1]}{n}", 1, 0, 60, tenant=tenant)
        for tenant in ("lab/v", "lab/w", "x")
        for n in (1, 2)
    ]
    return written(jobs, under(["fifo", "fair"], jobs, (pool("p", 4),)), tenant=lambda j: j.tenant)


def weighed() -> str:
    jobs = [
        job(f"{tenant[-1]}{n}", 1, 0, 60, tenant=tenant)
        for tenant in ("lab/v", "lab/w", "x")
        for n in (1, 2, 3)
    ]
    told = (TenantChanged(0, "lab", weight=2), TenantChanged(0, "lab/v", weight=3))
    found = under(["fifo", "fair"], jobs, (pool("p", 6),), told=told)
    return written(jobs, found, tenant=lambda j: j.tenant)


def capped() -> str:
    jobs = [job(f"v{n}", 2, 0, 60, tenant="lab/v") for n in (1, 2)]
    jobs += [job("w1", 2, 0, 60, tenant="lab/w"), job("x1", 2, 0, 60, tenant="x")]
    told = (QuotaChanged(0, "", Quota(ceiling=((MODEL, 4000),)), "lab"),)
    return written(jobs, under(["default"], jobs, told=told), tenant=lambda j: j.tenant)


def budget() -> str:
    jobs = [
        job("a1", 4, 0, 30, limit=60, user="ann"),
        job("a2", 4, 0, 60, limit=60, user="ann"),
        job("a3", 2, 1, 60, limit=60, user="ann"),
        job("a4", 2, 60, 60, limit=60, user="ann"),
        job("b1", 2, 60, 60, limit=60, user="bob"),
    ]
    told = (LimitsChanged(0, "ann", Limits(device_hours=8)),)
    found = under(["default"], jobs, (pool("x", 8, 8),), told=told)
    return written(jobs, found, user=lambda j: j.user, limit=limits, takes=takes)


def easy() -> str:
    jobs = [
        job("a", 4, 0, 60, limit=60),
        job("b", 6, 5, 60, limit=60),
        job("c", 4, 10, 30, limit=30),
        job("d", 2, 15, 180),
        job("e", 2, 20, 90, limit=90),
    ]
    return written(jobs, under(["fifo", "easy"], jobs), limit=limits, takes=takes)


def conservative() -> str:
    jobs = [
        job("a", 4, 0, 60, limit=60),
        job("b", 6, 5, 60, limit=60),
        job("c", 8, 10, 60, limit=60),
        job("d", 2, 15, 180, limit=180),
        job("e", 2, 20, 60, limit=90),
    ]
    return written(jobs, under(["easy", "conservative"], jobs), limit=limits, takes=takes)


def pools() -> str:
    jobs = [
        job("a", 6, 0, 120, limit=120),
        job("f", 6, 0, 60, limit=60),
        job("b", 8, 5, 60, limit=60),
        job("c", 2, 10, 180, limit=180),
        job("d", 2, 15, 180, limit=180),
    ]
    two = (pool("near", 8, price=1), pool("far", 8, price=2))
    return written(jobs, under(["fifo", "easy"], jobs, two, nodes=True), limit=limits)


def unknown() -> str:
    def jobs(**first: int) -> list[TraceJob]:
        return [job("a", 6, 0, 60, **first), job("b", 8, 5, 60), job("c", 2, 10, 20, limit=20)]

    found = {
        "nothing is known of `a`": timeline(jobs(), ONE, "easy"),
        "`a` has a limit of 1 h": timeline(jobs(limit=60), ONE, "easy"),
        "`a` is expected to take 30 min": timeline(jobs(expects=30), ONE, "easy"),
    }
    return written(jobs(), found, takes=takes)


def overdue() -> str:
    jobs = [
        job("a", 6, 0, 60, expects=30),
        job("b", 8, 5, 60),
        job("c", 1, 31, 33, limit=33),
        job("d", 1, 32, 45, limit=45),
    ]
    return written(jobs, under(["easy"], jobs), takes=takes)


def learned() -> str:
    jobs = [job(f"old{n}", 4, 0, 20, user="ann", command="train") for n in (1, 2)]
    jobs.append(job("old3", 4, 1, 20, user="ann", command="train"))
    jobs += [
        job("new", 4, 60, 20, user="ann", command="train"),
        job("wide", 8, 61, 60, user="bob"),
        job("short", 4, 62, 15, limit=15, user="cy"),
    ]
    strict = timeline(jobs, ONE, "fifo")
    return written(jobs, {"`fifo`": strict, "`easy`": timeline(jobs, ONE, "easy")}, takes=takes)


def priority() -> str:
    jobs = [
        job("a", 2, 0, 120, checkpoint=SAVES),
        job("b", 2, 0, 120),
        job("w", 2, 20, 30),
        job("p", 2, 34, 30, priority=10),
    ]
    found = under(["easy", "default"], jobs, (pool("x", 4),))
    return written(
        jobs, found, takes=takes, saves=lambda j: "every 10 min" if j.checkpoint else "never"
    )


def least() -> str:
    jobs = [
        job("a", 1, 0, 60),
        job("b", 3, 2, 60),
        job("p", 3, 8, 30, priority=10),
    ]
    return written(jobs, under(["easy", "default"], jobs, (pool("x", 4),)), takes=takes)


def safe() -> str:
    jobs = [job("a", 4, 0, 60), job("p", 4, 2, 30, priority=10)]
    return written(jobs, under(["easy", "default"], jobs, (pool("x", 4),)), takes=takes)


def service() -> str:
    def jobs(checkpoint: Checkpoint | None) -> list[TraceJob]:
        return [job("big", 4, 0, 180, checkpoint=checkpoint), job("small", 1, 30, 20)]

    found = {
        "`easy`": timeline(jobs(TOLD), (pool("x", 4),), "easy"),
        "`las`": timeline(jobs(TOLD), (pool("x", 4),), "las"),
        "`las`, `big` saves nothing": timeline(jobs(None), (pool("x", 4),), "las"),
    }
    return written(jobs(TOLD), found, takes=takes)


def due() -> str:
    jobs = [
        job("a", 4, 0, 120, limit=120, checkpoint=TOLD),
        job("c", 4, 0, 120, limit=120, due=150),
        job("w", 4, 10, 30, limit=30),
        job("b", 4, 20, 30, limit=30, due=90),
    ]
    found = under(["edf", "deadline"], jobs)
    return written(
        jobs, found, takes=takes, due=lambda j: "none" if j.deadline is None else clock(j.deadline)
    )


def evening() -> str:
    jobs = [job(f"ann{n}", 1, 0, 120, tenant="ann", checkpoint=SAVES) for n in (1, 2, 3, 4)]
    jobs += [job("bob1", 1, 30, 60, tenant="bob"), job("eve1", 4, 40, 60, tenant="eve")]
    found = under(["default", "even"], jobs, (pool("x", 4),))
    return written(jobs, found, takes=takes, tenant=lambda j: j.tenant)


def moving() -> str:
    jobs = [
        job("ann1", 2, 0, 120, tenant="ann", checkpoint=SAVES),
        job("ann2", 2, 0, 10, tenant="ann"),
        job("bob1", 2, 0, 10, tenant="bob"),
        job("bob2", 2, 0, 120, tenant="bob"),
        job("bob3", 4, 20, 60, tenant="bob"),
    ]
    found = under(["default", "even"], jobs, (pool("n", 4, 4),), nodes=True)
    return written(jobs, found, takes=takes, tenant=lambda j: j.tenant)


def lending() -> str:
    jobs = [job(f"b{n}", 4, 0, 120, queue="b", checkpoint=SAVES) for n in (1, 2)]
    jobs += [job("b3", 4, 10, 60, queue="b"), job("a1", 4, 30, 60, queue="a")]
    half = Quota(guarantee=((MODEL, 4000),), cohort="lab")
    told = (QuotaChanged(0, "a", half), QuotaChanged(0, "b", half))
    return written(jobs, under(["easy", "default"], jobs, told=told), queue=lambda j: j.queue)


def elastic() -> str:
    jobs = [
        job("a", 4, 0, 90, limit=90),
        job("e", 1, 0, 120, tasks=2, most=8),
        job("w", 6, 70, 60),
        job("f", 1, 75, 60, most=8),
    ]
    return written(jobs, under(["fifo", "easy"], jobs), takes=takes)


def shrinking() -> str:
    jobs = [
        job("e", 1, 0, 240, most=8, checkpoint=TOLD),
        job("w", 4, 20, 60),
        job("x", 1, 22, 30, tasks=2),
    ]
    return written(jobs, under(["easy", "default"], jobs), takes=takes)


def growing() -> str:
    jobs = [job("a", 4, 0, 30), job("e", 1, 0, 480, expects=480, most=8, checkpoint=TOLD)]
    return written(jobs, under(["easy", "default"], jobs), takes=takes)


def packing() -> str:
    jobs = [job("a", 2, 0, 60), job("b", 1, 0, 60), job("c", 4, 0, 60), job("g", 1, 0, 60, tasks=2)]
    found = under(["fifo"], jobs, (pool("n", 4, 4, 2),), nodes=True)
    return written(jobs, found)


def stranding() -> str:
    jobs = [
        job("a", 0.2, 0, 60, cpus=5),
        job("h", 0.5, 0, 60, cpus=4),
        job("x", 0.5, 10, 60, cpus=1),
        job("i", 0.5, 20, 60, cpus=4),
    ]
    found = under(["fifo"], jobs, (pool("n", 1, 1, cpus=8),), nodes=True)
    return written(jobs, found, processors=processors)


def processors(each: TraceJob) -> str:
    return str(each.demand.options[0].per_task.cpu_milli // 1000)


def racks() -> str:
    jobs = [
        job("a", 8, 0, 60, tasks=2),
        job("b", 8, 0, 60),
        job("c", 8, 0, 120, tasks=3),
        job("d", 8, 10, 60, tasks=3),
    ]
    at = ["s1/r1", "s1/r1", "s1/r1", "s1/r2", "s2/r3", "s2/r3"]
    return written(jobs, under(["fifo"], jobs, (pool("n", *[8] * 6, racks=at),), nodes=True))


def standings() -> str:
    """What decides in the example of two tenants, as it is counted."""
    shares = Shares(POLICIES["fair"].half_life)
    shares.count(True)
    shares.set_capacity({MODEL: 2000})
    ann, bob = (shares.account("default", name, "") for name in ("ann", "bob"))
    shares.tick(0)
    rows = []

    def told(at: int, what: str) -> None:
        rows.append([clock(at), what, *(f"{each.path[1].value:,}" for each in (ann, bob))])

    for name in ("ann1", "ann2"):
        shares.take(ann, {MODEL: 1000}, 0)
        told(0, f"`{name}` has started")
    shares.tick(10 * MINUTE)
    for _ in range(2):
        shares.take(ann, {MODEL: 1000}, HOUR, times=-1)
    shares.tick(HOUR)
    told(HOUR, "`ann1` and `ann2` have ended")
    for name in ("bob1", "bob2"):
        shares.take(bob, {MODEL: 1000}, HOUR)
        told(HOUR, f"`{name}` has started")
    return table("at | what | ann | bob", rows)


def reserving() -> str:
    jobs = [
        job("a", 8, 0, 60, limit=60),
        job("b", 8, 10, 120, limit=120),
        job("c", 8, 20, 60, limit=60),
        job("d", 8, 30, 60, tenant="lab"),
    ]
    node, span = ("gpus-1",), (2 * HOUR, 4 * HOUR)
    repair = ReservationMade(0, Reservation("repair", "gpus", node, *span))
    course = ReservationMade(0, Reservation("course", "gpus", node, *span, tenants=("lab",)))
    found = {
        "nothing is reserved": timeline(jobs, ONE, "easy"),
        "maintenance": timeline(jobs, ONE, "easy", told=(repair,)),
        "reserved for `lab`": timeline(jobs, ONE, "easy", told=(course,)),
    }
    return written(jobs, found, limit=limits, takes=takes, tenant=lambda each: each.tenant)


EXAMPLES = (
    flavors,
    disciplines,
    tenants,
    standings,
    weights,
    tree,
    weighed,
    easy,
    pools,
    unknown,
    conservative,
    overdue,
    learned,
    priority,
    least,
    safe,
    service,
    due,
    evening,
    moving,
    lending,
    capped,
    budget,
    reserving,
    elastic,
    shrinking,
    growing,
    packing,
    stranding,
    racks,
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_page_shows_what_the_scheduler_does(example: Callable[[], str]) -> None:
    found = example()
    assert found in PAGE, f"the page lacks, or has otherwise:\n\n{found}\n"


def test_every_timeline_of_the_page_is_one_of_these() -> None:
    shown = re.findall(r"^\| (?:job \| submitted|at \| what) ", PAGE, re.MULTILINE)
    assert len(shown) == len(EXAMPLES)


def cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if isinstance(value, str) else str(value)


def span(time: int) -> str:
    return f"{time // DAY} d" if time % DAY == 0 and time else lasts(time)


def policies() -> str:
    times = ("half_life", "min_run_time")
    fields = [each.name for each in dataclasses.fields(Policy)]
    head = " | ".join(["policy", *(f"`{name}`" for name in fields)])
    rows = []
    for name, policy in POLICIES.items():
        values = [(field, getattr(policy, field)) for field in fields]
        rows.append([f"`{name}`", *(span(v) if f in times else cell(v) for f, v in values)])
    return table(head, rows)


def test_the_page_has_every_policy_with_every_field() -> None:
    assert policies() in PAGE, f"the page lacks, or has otherwise:\n\n{policies()}\n"


def test_the_figures_of_the_page_are_those_of_the_code() -> None:
    assert LAS_LEVELS == (4 * HOUR,)
    assert AHEAD == 5 * MINUTE
    assert STEPS == 1024
    assert POLICIES["default"].half_life == 7 * DAY
    for said in ("4 device-hours", "five minutes", "1,024 steps", "7 days"):
        assert said in PAGE, said
