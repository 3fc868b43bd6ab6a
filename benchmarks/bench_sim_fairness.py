"""Promises kept: shares of tenants over any day, and reservations of EASY.

**Shares.** A tenant's shortfall is what it was entitled to by weighted max-min on demand, less what
it used, over any day, as a part of the cluster (exactly: fairness.py). Told is the worst of any
tenant and day. The synthetic workload keeps 40 nodes of 8 accelerators saturated for five days:
four queues of weights 1 to 4, all of which submit alike, 60 % of the cluster's work each, so that
every one wants more than its share; gangs of up to 16, run times around an hour, known. The first
day is left out: usage begins at nothing. The real one is philly_tight on its 80 nodes as one
cluster: the virtual clusters are queues, weighted by the nodes each of them had. Its tenants come
and go, and whoever used much in the week before stands back under suan's decayed usage, which the
measure, knowing no history, counts against it.

The worst day's shortfall is told in its parts (shortfall.py): what was *kept* free for somebody
who comes before though jobs of the tenant's would have fitted; what *others took* who had more than
their due; what was *unallocatable*, since no more of its waiting jobs fitted anywhere as wholes;
less what it *made up* in other hours of that day. *Fillable* is the worst day of all tenants if
what could not be given to anybody whole at that moment is no entitlement; it stands beside the
strict figure, which it does not replace. *In ones* is philly_tight with each job of n accelerators
as n jobs of one, so that all demand is divisible: what is left is the policy's alone. *Short
memory*: usage counts half after an hour in place of a week, as the measure knows no history either.
*Guaranteed*: each queue also has what its nodes held as a quota's guarantee, and all are one
cohort: it takes that back from those who borrowed it, by preemption, where fair share alone waits
for runs to end. *even* takes back what is due by weight, without guarantees.

**Reservations.** Under EASY, how many jobs that came to stand first in line started later than
they were first promised: promises.py keeps books of its own and asks the scheduler nothing. Jobs
tell requested times (philly_tight: true ones), and no run exceeds what was told, so it must be 0.
"""

import math
import os
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import harness
import simruns
import traces
from fairness import Book, Change
from promises import Witness
from shortfall import FillableBook, Floor, Parts, Step, parts_of
from simruns import Run

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import Event, PolicyChanged, QueueChanged, QuotaChanged
from suan.model.offer import NodeStatus, Offer
from suan.model.plan import Place, Plan
from suan.model.policy import POLICIES, Policy
from suan.model.quota import Quota
from suan.model.resources import Resources
from suan.model.units import HOUR, MINUTE, SECOND, Instant
from suan.sim.engine import Engine
from suan.sim.pools import SimulatedPool
from suan.sim.results import Recorder
from suan.sim.settings import Settings
from suan.sim.traces.job import TraceJob, job_id

WEIGHTS = {"one": 1, "two": 2, "three": 3, "four": 4}
NODES, DAYS, WARM_H = 40, 5, 24
SUBMITTED = 0.6  # of the cluster, by each queue
SHOWN = ("fifo", "easy", "fair", "default", "even")
IN_ONES = "philly_tight in ones"
SHORT, GUARANTEED = "short memory", "guaranteed"
MORE = (  # workload, and what is changed of the default policy
    ("philly_tight", (SHORT,)),
    ("philly_tight", (GUARANTEED,)),
    ("philly_tight", (SHORT, GUARANTEED)),
    (IN_ONES, ()),
    (IN_ONES, (SHORT,)),
    (IN_ONES, (GUARANTEED,)),
    (IN_ONES, (SHORT, GUARANTEED)),
)


class Noted(Recorder):
    """Also keeps when every run began and ended."""

    def __init__(self, policy: str) -> None:
        super().__init__(policy)
        self.runs: list[tuple[str, Instant, Instant]] = []

    def ran(
        self, job: str, pool: str, node: str, *, began: Instant, until: Instant, tenant: str
    ) -> None:
        self.runs.append((job, began, until))
        super().ran(job, pool, node, began=began, until=until, tenant=tenant)


class Watched:
    """A scheduler, and where it placed every run, by its job and when."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.nodes: dict[tuple[str, Instant], tuple[str, ...]] = {}

    def apply(self, event: Event) -> None:
        self.scheduler.apply(event)

    def decide(self, now: Instant) -> Plan:
        plan = self.scheduler.decide(now)
        for made in plan.decisions:
            if isinstance(made, Place):
                self.nodes[made.job, now] = made.nodes
        return plan


@dataclass(frozen=True, slots=True)
class Schedule:
    """What became of a workload: the book of its shares, and what is needed to split a day's."""

    book: Book
    preempted: int
    steps: Sequence[Step]
    nodes: int

    def parts(self, tenant: str, begin_h: int) -> Parts:
        floor = Floor(self.book.weights, self.sizes)
        return parts_of(floor, self.steps, tenant, begin_h=begin_h, until=self.steps[-1].at)

    def fillable(self) -> FillableBook:
        """The book in which only what could be given is an entitlement."""
        book = FillableBook(self.book.weights, self.sizes)
        book.follow(self.steps)
        return book

    @property
    def sizes(self) -> dict[str, int]:
        return {f"n{at:03}": traces.GPUS_A_NODE for at in range(self.nodes)}


def one_pool(nodes: int) -> SimulatedPool:
    total = Resources(accelerators=(("GPU", traces.GPUS_A_NODE * 1000),))
    statuses = tuple(NodeStatus(f"n{at:03}", total) for at in range(nodes))
    return SimulatedPool(Offer("all", "simulated"), statuses)


def gang(gpus: int) -> Demand:
    """Up to 8 on one node; more on whole nodes, or on equal parts that divide 8."""
    each = gpus if gpus <= traces.GPUS_A_NODE else math.gcd(gpus, traces.GPUS_A_NODE)
    return Demand(gpus // each, (Option(Resources(accelerators=(("*", each * 1000),))),))


def synthetic(days: int) -> list[TraceJob]:
    """Every queue submits ``SUBMITTED`` of the cluster's work, evenly, from the first moment on."""
    rng = random.Random(4)
    demands = {gpus: gang(gpus) for gpus in (1, 2, 4, 8, 16)}
    capacity = NODES * traces.GPUS_A_NODE
    jobs = []
    rate = SUBMITTED * capacity  # accelerators
    for queue in WEIGHTS:
        at = -2.0 * HOUR * rate  # two hours' worth are there at once
        while at < days * 24 * HOUR * rate:
            gpus = rng.choice((1, 1, 1, 1, 2, 2, 4, 8, 16))
            runtime = max(MINUTE, round(rng.lognormvariate(0, 0.7) * 45 * MINUTE))
            submit = max(0, round(at / rate))
            jobs.append((submit, runtime, gpus, queue))
            at += gpus * runtime
    jobs.sort()
    return [
        TraceJob(job_id(at), at, submit, runtime, demands[gpus], tenant=queue, queue=queue)
        for at, (submit, runtime, gpus, queue) in enumerate(jobs)
    ]


def philly(rows: Sequence[traces.Row]) -> list[TraceJob]:
    """philly_tight without the borders between its virtual clusters."""
    demands = {width: gang(width) for width in {row.width for row in rows}}
    return [
        TraceJob(
            job_id(at),
            at,
            row.submit * SECOND,
            row.duration * SECOND,
            demands[row.width],
            tenant=row.group,
            queue=row.group,
        )
        for at, row in enumerate(rows)
    ]


def in_ones(rows: Sequence[traces.Row]) -> list[traces.Row]:
    """Each job of n accelerators as n jobs of one, which may start apart."""
    return [row._replace(width=1) for row in rows for _ in range(row.width)]


def shared(
    jobs: Sequence[TraceJob],
    weights: Mapping[str, int],
    policy: Policy,
    *,
    nodes: int,
    also: Sequence[Event] = (),
) -> Schedule:
    """One cluster for all, which is told ``also``: what became of it up to the last submission."""
    recorder, watched = Noted("shares"), Watched()
    told = [QueueChanged(0, queue, weight) for queue, weight in weights.items()]
    engine = Engine(
        watched,
        (one_pool(nodes),),
        recorder,
        told=(PolicyChanged(0, policy), *told, *also),
        settings=Settings("actual", checkpoint_every=30 * MINUTE, restart_cost=2 * MINUTE),
    )
    engine.run(iter(jobs))
    book = Book(weights, nodes * traces.GPUS_A_NODE)
    book.tell(changes(jobs, recorder.runs))
    told_of = steps(jobs, recorder.runs, watched.nodes)
    return Schedule(book, recorder.result().preempted, told_of, nodes)


def steps(
    jobs: Sequence[TraceJob],
    runs: Sequence[tuple[str, Instant, Instant]],
    nodes: Mapping[tuple[str, Instant], tuple[str, ...]],
) -> list[Step]:
    """The same as ``changes``, with who waits for what, and where who is."""
    by_name = {job.job: job for job in jobs}
    last = {name: max(u for n, _, u in each) for name, each in grouped(runs).items()}
    found = []
    for job in jobs:
        tasks, each = gang_of(job)
        found.append(Step(job.submit / SECOND, job.tenant, tasks, each, waits=1))
    for name, began, until in runs:
        tenant, (tasks, each) = by_name[name].tenant, gang_of(by_name[name])
        on = nodes[name, began]
        found.append(Step(began / SECOND, tenant, tasks, each, -1, 1, on))
        again = 1 if until < last[name] else 0
        found.append(Step(until / SECOND, tenant, tasks, each, again, -1, on))
    found.sort(key=lambda step: step.at)
    return [step for step in found if step.at <= jobs[-1].submit / SECOND]


def grouped(
    runs: Sequence[tuple[str, Instant, Instant]],
) -> dict[str, list[tuple[str, Instant, Instant]]]:
    """The runs of each job."""
    found: dict[str, list[tuple[str, Instant, Instant]]] = {}
    for run in runs:
        found.setdefault(run[0], []).append(run)
    return found


def gang_of(job: TraceJob) -> tuple[int, int]:
    """How many tasks it has, and the accelerators of each."""
    each = job.demand.options[0].per_task.accelerators_total // 1000
    return job.demand.tasks, each


def changes(jobs: Sequence[TraceJob], runs: Sequence[tuple[str, Instant, Instant]]) -> list[Change]:
    """What happened to demand and use until the last submission."""
    by_name = {job.job: job for job in jobs}
    gpus = {
        job.job: job.demand.tasks * job.demand.options[0].per_task.accelerators_total / 1000
        for job in jobs
    }
    last = jobs[-1].submit
    ends: dict[str, Instant] = {}
    found = [Change(job.submit / SECOND, job.tenant, demand=gpus[job.job]) for job in jobs]
    for name, began, until in runs:
        tenant = by_name[name].tenant
        found.append(Change(began / SECOND, tenant, used=gpus[name]))
        found.append(Change(until / SECOND, tenant, used=-gpus[name]))
        ends[name] = max(until, ends.get(name, 0))
    found += [Change(end / SECOND, by_name[n].tenant, demand=-gpus[n]) for n, end in ends.items()]
    found.sort(key=lambda change: change.at)
    return [change for change in found if change.at <= last / SECOND]


def share_row(
    workload: str, policy: str, days: int, changed: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """One policy's row: the worst tenant and day, the worst tenant over the whole time."""
    if workload == "synthetic":
        jobs, weights, nodes, warm = synthetic(days), WEIGHTS, NODES, WARM_H
    else:
        rows, weights = traces.tight(traces.folder() / traces.TIGHT)
        rows = in_ones(rows) if workload == IN_ONES else rows
        jobs, nodes, warm = philly(rows), sum(weights.values()), 0
    also = guarantees(weights) if GUARANTEED in changed else ()
    chosen = POLICIES[policy]
    chosen = replace(chosen, half_life=HOUR) if SHORT in changed else chosen
    done = shared(jobs, weights, chosen, nodes=nodes, also=also)
    whole = done.book.overall(after_h=warm)
    tenant, short, begin_h = worst_of(done.book, warm)
    parts = done.parts(tenant, begin_h)
    assert math.isclose(parts.shortfall, short, abs_tol=1e-6), (parts, short)
    told = (short, parts.taken, parts.kept, parts.unallocatable, parts.made_up, max(whole.values()))
    whose, fillable, _ = worst_of(done.fillable(), warm)
    return (
        ", ".join((workload, policy, *changed)),
        tenant,
        *(f"{100 * each:.2f} %" for each in told),
        f"{100 * fillable:.2f} % ({whose})",
        f"{done.preempted:,}",
    )


def guarantees(nodes: Mapping[str, int]) -> list[QuotaChanged]:
    """Each queue's nodes as its guarantee, in one cohort."""
    amounts = {queue: count * traces.GPUS_A_NODE * 1000 for queue, count in nodes.items()}
    return [
        QuotaChanged(0, queue, Quota(guarantee=(("GPU", amount),), cohort="all"))
        for queue, amount in amounts.items()
    ]


def worst_of(book: Book, warm: int) -> tuple[str, float, int]:
    """The tenant with the worst day, its shortfall then, and the hour at which that day begins."""
    worst = book.worst(after_h=warm)
    tenant = max(worst, key=lambda each: worst[each][0])
    return tenant, *worst[tenant]


def promise_row(run: Run) -> tuple[str, ...]:
    """One workload's heads of the line."""
    seen = Witness()
    simruns.simulate(run, decider=seen)
    by = f"{seen.worst / SECOND:,.0f} s" if seen.late else "-"
    return (run.workload, f"{seen.promised:,}", f"{seen.passed:,}", f"{seen.late:,}", by)


def print_tables(shares: Sequence[tuple[str, ...]], promises: Sequence[tuple[str, ...]]) -> None:
    parts = ("others took", "kept", "unallocatable", "made up")
    header = ("workload, policy", "tenant", "worst day", *parts, "whole time")
    header += ("fillable: worst day", "preemptions")
    print(
        "Shortfall against the entitled share, in parts of the cluster. *Fillable*: at no moment is"
        " anybody entitled to more than what he has together with what could be given to him then:"
        " what of his waiting jobs would fit, each whole, on what is free, or on that and what"
        " others have beyond their due. *In ones*: each job of n accelerators is n jobs of one."
        " *Short memory*: usage counts half after an hour. *Guaranteed*: what a queue's nodes held"
        " is also its quota's guarantee.\n"
    )
    print(harness.table(header, shares))
    if promises:
        header = ("workload, EASY", "heads that waited", "passed them", "late", "by at most")
        print("Heads of the line against their first promise:\n")
        print(harness.table(header, promises))


def main() -> None:
    small = harness.quick()
    there = {
        name for name, (file, _) in simruns.WORKLOADS.items() if (traces.folder() / file).exists()
    }
    for name in (traces.TIGHT, traces.THETA, traces.CURIE):
        traces.found(name)
    workloads = ["synthetic"] + ["philly_tight"] * ("tight" in there and not small)
    runs = [Run("curie", "easy"), Run("theta", "easy"), Run("tight", "easy", "actual")]
    wanted = [
        run for run in runs if run.workload in there and (run.workload == "theta" or not small)
    ]
    with ProcessPoolExecutor(min(4, len(os.sched_getaffinity(0)))) as side_by_side:
        promises = [side_by_side.submit(promise_row, run) for run in wanted]
        shares = [
            side_by_side.submit(share_row, workload, policy, 2 if small else DAYS)
            for workload in workloads
            for policy in SHOWN
        ]
        if "philly_tight" in workloads:
            shares += [
                side_by_side.submit(share_row, workload, "default", DAYS, changed)
                for workload, changed in MORE
            ]
        print_tables([each.result() for each in shares], [each.result() for each in promises])


if __name__ == "__main__":
    main()
