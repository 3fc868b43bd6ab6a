"""Quality of the policies: queueing delay on real workloads, beside strict FIFO and the bounds.

Three workloads: philly_tight (11 virtual clusters of 8-accelerator nodes, true durations where a
policy is told any), Theta (4,360 nodes, requested times; the file knows but one user) and PAI
(100,000 jobs, on 160 processors so that queues form; the 15 that are wider are left out; true
durations where told). *Delay* is time in the system without running. Policies are those that
``suan simulate`` takes: ``sjf`` with true durations is the oracle that no scheduler can be;
``qssf`` learns durations as jobs end and is told none; ``las`` knows none at all.

Policies that preempt pay for it: a stopped run keeps its work up to the last checkpoint, every 30
minutes, and a run after the first does nothing useful for its first 2 minutes. *Lost* is what that
threw away, as a part of all device time.

The lower bound is of the mean completion under any policy whatever, preemptive ones included, that
keeps each job's device time and least run time: of shortest remaining first on one machine as wide
as the cluster, and of the mean run time, the larger, cluster by cluster.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

import harness
import heaploops
import simruns
import traces
from simruns import Ran, Run

CHECKPOINT, RESTART = 30 * 60, 2 * 60
# policy, what jobs tell of their duration: "told" is the workload's own, below
SHOWN = (
    ("fifo", "none"),
    ("default", "told"),
    ("default", "none"),
    ("easy", "told"),
    ("fair", "none"),
    ("qssf", "none"),
    ("las", "none"),
    ("sjf", "told"),
    ("sjf", "actual"),
)
ALSO = {"theta": (("conservative", "told"),)}  # what takes too long elsewhere
TOLD = {"tight": "actual", "theta": "requested", "pai": "actual"}
CALLED = {"none": "none", "actual": "true", "requested": "requested"}
TITLES = {"tight": "philly_tight", "theta": "Theta", "pai": "PAI"}


def runs_of(workload: str, limit: int) -> list[Run]:
    """What to simulate on a workload, each once."""
    found: dict[Run, None] = {}
    for policy, durations in (*SHOWN, *ALSO.get(workload, ())):
        told = TOLD[workload] if durations == "told" else durations
        found[Run(workload, policy, told, CHECKPOINT, RESTART, limit)] = None
    return list(found)


def squashed(rows: Sequence[traces.Row], capacity: int) -> float:
    """The least sum of completions [s] on one machine of that speed: shortest remaining first."""
    left: list[tuple[float, int]] = []
    now = total = 0.0
    at = 0
    while at < len(rows) or left:
        if not left:
            now = max(now, rows[at].submit)
        while at < len(rows) and rows[at].submit <= now:
            heappush(left, (rows[at].width * rows[at].duration / capacity, at))
            at += 1
        rest, number = heappop(left)
        coming = rows[at].submit if at < len(rows) else float("inf")
        if now + rest <= coming:
            now += rest
            total += now - rows[number].submit
        else:
            heappush(left, (rest - (coming - now), number))
            now = coming
    return total


def bound(rows: Sequence[traces.Row], capacities: dict[str, int]) -> float:
    """The least mean completion [s], by virtual cluster, of which each has its capacity."""
    total = 0.0
    for group, numbers in heaploops.by_cluster(rows).items():
        mine = sorted((rows[number] for number in numbers), key=lambda row: row.submit)
        total += max(squashed(mine, capacities[group]), sum(row.duration for row in mine))
    return total / len(rows)


def bound_of(workload: str, limit: int) -> float:
    """The bound of the very jobs that the simulator runs."""
    trace, pools = simruns.opened(workload, limit)
    rows, accelerated = [], any(pool.total.accelerators for pool in pools)
    for job in trace.jobs():
        option = job.demand.options[0]
        each = option.per_task.accelerators_total if accelerated else option.per_task.cpu_milli
        width, group = job.demand.tasks * each, option.infra or ""
        rows.append(traces.Row(job.submit, job.runtime, width, group))
    capacities = {}
    for pool in pools:
        name = pool.offer.pool if len(pools) > 1 else ""
        total = pool.total
        capacities[name] = total.accelerators_total if accelerated else total.cpu_milli
    return bound(rows, capacities) / 1e6


def print_workload(workload: str, limit: int) -> None:
    """Every policy on one workload."""
    runs = runs_of(workload, limit)
    every = simruns.ran_all(runs)
    least = bound_of(workload, limit)
    fifo = every[0]
    rows = [row_of(run, ran, fifo) for run, ran in zip(runs, every, strict=True)]
    rows.append(("lower bound of any policy", "", *[""] * 5, f"{least:,.0f}", "", ""))
    header = (
        "policy",
        "durations told",
        "mean delay [s]",
        "FIFO's over it",
        "median",
        "p95",
        "p99",
        "mean completion [s]",
        "preemptions",
        "lost",
    )
    print(f"**{TITLES[workload]}**, {fifo.jobs:,} jobs:\n")
    print(harness.table(header, rows))


def row_of(run: Run, ran: Ran, fifo: Ran) -> tuple[str, ...]:
    stopped = f"{ran.preempted:,}" if ran.preempted else "-"
    return (
        run.policy,
        CALLED[run.durations],
        f"{ran.mean:,.0f}",
        f"{fifo.mean / ran.mean:.2f} x" if ran.mean else "-",
        f"{ran.median:,.0f}",
        f"{ran.p95:,.0f}",
        f"{ran.p99:,.0f}",
        f"{ran.completion:,.0f}",
        stopped,
        f"{100 * ran.lost_share:.2f} %" if ran.preempted else "-",
    )


def main() -> None:
    small = harness.quick()
    for workload in TITLES:
        if traces.found(simruns.WORKLOADS[workload][0]) is not None:
            print_workload(workload, 5_000 if small else 0)


if __name__ == "__main__":
    main()
