"""The scheduler alone: memory a job, load, placements as capacity comes free, whole jobs.

18 pools, 10,000 nodes of five kinds, 1,000 distinct shapes in two queues and three priorities.
Placements are of the steady state: full pools, half of whose runs have turned over before the
clock starts; every Place carries all its reasons. Rates are by CPU time, the wall's beside them;
garbage is collected as often as in the server.

Policy ``fifo`` is order alone; ``default`` has fair share, backfill and preemption on as well. An
event comes each second, and each job has a time limit of 1, 4 or 24 hours, which few reach.

The Philly-like row: 11 pools of 80 nodes in all, 8 accelerators each, jobs pinned to their pool.
"""

import argparse
import gc
import os
import random
import statistics
import time
import tracemalloc
from collections import deque

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted, PolicyChanged, PoolObserved, RunEnded, RunStarted
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.plan import Place
from suan.model.policy import POLICIES
from suan.model.resources import Resources
from suan.model.units import HOUR, SECOND

GIB = 1024
KINDS = (
    Resources(128_000, 512 * GIB),
    Resources(64_000, 256 * GIB),
    Resources(96_000, 1024 * GIB, (("A100-80GB", 8000),)),
    Resources(192_000, 2048 * GIB, (("H100-80GB", 8000),)),
    Resources(192_000, 1536 * GIB, (("Ascend-910B", 8000),)),
)
POOLS = 18
PHILLY_POOLS, PHILLY_NODES = 11, 80
GC_THRESHOLDS = (50_000, 20, 100)  # as in suan.app.server
LIMITS = (HOUR, 4 * HOUR, 24 * HOUR)
DONE = Outcome(Cause.SUCCEEDED, exit_code=0)


def world(nodes: int) -> list[PoolObserved]:
    """The pools: two or three kinds of node each, at prices of their own."""
    events = []
    for at in range(POOLS):
        kinds = [KINDS[at % 5], KINDS[(at + 2) % 5], KINDS[(at // 5) % 5]][: 2 + at % 2]
        prices = tuple((m, 20_000_000 + 700_000 * at) for m in ("A100-80GB", "H100-80GB"))
        terms = Terms(cpu_hour=100_000 + 1000 * at, accelerator_hour=prices, energy_kwh=600_000)
        size = nodes // POOLS + (at < nodes % POOLS)
        statuses = tuple(NodeStatus(f"p{at}-n{i}", kinds[i % len(kinds)]) for i in range(size))
        events.append(PoolObserved(0, Offer(f"pool-{at:02}", "local", terms), statuses))
    return events


def shapes(count: int, rng: random.Random) -> list[Demand]:
    """Distinct demands: half need accelerators, one in ten is a gang."""
    found: dict[Demand, None] = {}
    while len(found) < count:
        cpu = rng.choice((1, 2, 4, 6, 8, 12, 16, 24)) * 1000
        memory = rng.randrange(1, 65) * GIB
        accelerators = ()
        if rng.random() < 0.5:
            model = rng.choice(("A100-80GB", "H100-80GB", "Ascend-910B", "*"))
            accelerators = ((model, rng.choice((500, 1000, 1000, 2000, 4000, 8000))),)
        tasks = rng.choice((2, 4, 8)) if rng.random() < 0.1 else 1
        found[Demand(tasks, (Option(Resources(cpu, memory, accelerators)),))] = None
    return list(found)


def submissions(count: int, rng: random.Random) -> list[JobSubmitted]:
    demands = shapes(1000, rng)
    return [
        JobSubmitted(
            at=i,
            job=f"J{i:011}",
            seq=i,
            demand=rng.choice(demands),
            queue=("default", "batch")[i % 2],
            priority=rng.choice((0, 0, 0, 10, -10)),
            time_limit=rng.choice(LIMITS),
        )
        for i in range(count)
    ]


def settle(scheduler: Scheduler, now: int) -> list[str]:
    """Decide until nothing more follows; the runs that started, in order."""
    runs: list[str] = []
    more = True
    while more:
        plan = scheduler.decide(now, limit=10_000)
        runs += [d.run for d in plan.decisions if isinstance(d, Place)]
        more = plan.more
    return runs


def ruled_by(policy: str) -> Scheduler:
    """A new scheduler that decides by a named policy."""
    scheduler = Scheduler()
    scheduler.apply(PolicyChanged(0, POLICIES[policy]))
    return scheduler


def loaded(count: int, nodes: int, policy: str) -> tuple[Scheduler, float, list[str]]:
    """A scheduler whose pools are full and that has ``count`` jobs pending; jobs/s of loading."""
    rng = random.Random(7)
    scheduler = ruled_by(policy)
    for event in world(nodes):
        scheduler.apply(event)
    fill = submissions(count + nodes * 6, rng)
    began = time.perf_counter()
    for event in fill:
        scheduler.apply(event)
    took = time.perf_counter() - began
    return scheduler, len(fill) / took, settle(scheduler, 1)


def placements(
    scheduler: Scheduler, running: list[str], rounds: int, *, batch: int
) -> tuple[float, float, list[float]]:
    """End ``batch`` runs a cycle: placements a second of CPU and of wall, and the µs of each cycle,
    in order of size. ``running`` is kept up to date."""
    rng = random.Random(11)
    took: list[float] = []
    placed = 0
    wall, cpu = time.perf_counter(), time.process_time()
    for i in range(rounds // batch):
        ended = []
        for _ in range(batch):
            at = rng.randrange(len(running))
            running[at], running[-1] = running[-1], running[at]
            ended.append(RunEnded(i * SECOND, running.pop(), DONE))
        began = time.perf_counter()
        for event in ended:
            scheduler.apply(event)
        new = settle(scheduler, i * SECOND)
        took.append((time.perf_counter() - began) * 1e6)
        placed += len(new)
        running += new
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return placed / cpu, placed / wall, sorted(took)


def bytes_a_job(count: int) -> float:
    """By tracemalloc: everything that a pending job keeps alive, its event and id included."""
    rng = random.Random(3)
    scheduler = Scheduler()
    for event in world(100):
        scheduler.apply(event)
    demands = shapes(1000, rng)
    tracemalloc.start()
    for i in range(count):
        demand = demands[i % 1000]
        scheduler.apply(JobSubmitted(at=10**15 + i, job=f"J{i:011}", seq=10**6 + i, demand=demand))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / count


def philly_world() -> list[PoolObserved]:
    """Small pools of one kind of node."""
    kind = Resources(64_000, 512 * GIB, (("P100-16GB", 8000),))
    events = []
    for at in range(PHILLY_POOLS):
        size = PHILLY_NODES // PHILLY_POOLS + (at < PHILLY_NODES % PHILLY_POOLS)
        statuses = tuple(NodeStatus(f"p{at}-n{i}", kind) for i in range(size))
        events.append(PoolObserved(0, Offer(f"pool-{at:02}", "local"), statuses))
    return events


def philly_jobs(count: int, rng: random.Random) -> list[JobSubmitted]:
    """Jobs of 1 to 16 accelerators (16: two tasks of 8), each pinned to a pool."""
    demands = []
    for at in range(PHILLY_POOLS):
        for gpus, share in ((1, 8), (2, 3), (4, 2), (8, 2), (16, 1)):
            each = min(gpus, 8)
            per_task = Resources(each * 4000, each * 32 * GIB, (("P100-16GB", each * 1000),))
            option = Option(per_task, infra=f"pool-{at:02}")
            demands += [Demand(gpus // each, (option,))] * share
    return [
        JobSubmitted(
            at=i,
            job=f"J{i:011}",
            seq=i,
            demand=rng.choice(demands),
            time_limit=rng.choice(LIMITS),
        )
        for i in range(count)
    ]


def whole_jobs(
    world: list[PoolObserved], jobs: list[JobSubmitted], batch: int, *, backlog: int, policy: str
) -> tuple[float, float]:
    """Jobs a second of CPU and of wall, submitted, placed, started and ended in that order:
    ``backlog`` at first, then ``batch`` in and out a cycle."""
    scheduler = ruled_by(policy)
    for event in world:
        scheduler.apply(event)
    wall, cpu = time.perf_counter(), time.process_time()
    running: deque[str] = deque()
    ended = at = 0
    upto = backlog
    while ended < len(jobs):
        upto += batch
        for event in jobs[at:upto]:
            scheduler.apply(event)
        at = upto
        for _ in range(min(batch, len(running))):
            scheduler.apply(RunEnded(at * SECOND, running.popleft(), DONE))
            ended += 1
        for run in settle(scheduler, at * SECOND):
            scheduler.apply(RunStarted(at * SECOND, run))
            running.append(run)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return len(jobs) / cpu, len(jobs) / wall


def yardstick() -> float:
    """Milliseconds for a million additions in a loop: how fast this machine is just now."""
    began = time.perf_counter()
    total = 0
    for i in range(1_000_000):
        total += i
    return (time.perf_counter() - began) * 1000


def forks(scheduler: Scheduler) -> float:
    """Milliseconds to fork."""
    began = time.perf_counter()
    scheduler.fork()
    return (time.perf_counter() - began) * 1000


def steady_states(counts: tuple[int, ...], nodes: int, rounds: dict[str, int]) -> None:
    """The first table: a row for each policy and number of pending jobs."""
    print(
        "| policy | pending jobs | load, jobs/s | placements/s, 1 end a cycle | by wall"
        " | placements/s, 100 ends a cycle | by wall | median µs, 1 end | p99 µs | fork, ms |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for policy, count in [("fifo", count) for count in counts] + [
        ("default", count) for count in counts[:2]
    ]:
        gc.unfreeze()
        gc.collect()
        scheduler, load, running = loaded(count, nodes, policy)
        gc.collect()
        gc.freeze()
        turned = min(len(running) // 2, 4 * rounds[policy])
        placements(scheduler, running, turned, batch=100)
        pending = scheduler.pending
        cpu, wall, took = placements(scheduler, running, rounds[policy], batch=1)
        cpu100, wall100, _ = placements(scheduler, running, rounds[policy], batch=100)
        print(
            f"| {policy} | {pending:,} | {load:,.0f} | {cpu:,.0f} | {wall:,.0f} | {cpu100:,.0f} |"
            f" {wall100:,.0f} | {statistics.median(took):.1f} | {took[len(took) * 99 // 100]:.1f} |"
            f" {forks(scheduler):,.0f} |"
        )
        del scheduler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size")
    quick = parser.parse_args().quick
    nodes = 1000 if quick else 10_000
    rounds = {"fifo": 2000, "default": 200} if quick else {"fifo": 20_000, "default": 300}
    gc.set_threshold(*GC_THRESHOLDS)
    steady_states((1_000, 10_000) if quick else (10_000, 100_000, 1_000_000), nodes, rounds)
    print()
    print("| measure | value | by wall |")
    print("|---|---:|---:|")
    print(f"| bytes a pending job | {bytes_a_job(20_000 if quick else 200_000):,.0f} | |")
    mixed = submissions(5_000 if quick else 68_000, random.Random(5))
    philly = philly_jobs(5_000 if quick else 68_000, random.Random(5))
    for policy, batch in [(policy, batch) for policy in rounds for batch in (1, 100)]:
        cpu, wall = whole_jobs(world(nodes), mixed, batch, backlog=0, policy=policy)
        print(f"| {policy}: whole jobs/s, {batch} to a cycle | {cpu:,.0f} | {wall:,.0f} |")
        cpu, wall = whole_jobs(philly_world(), philly, batch, backlog=2_000, policy=policy)
        print(f"| {policy}: Philly-like jobs/s, {batch} to a cycle | {cpu:,.0f} | {wall:,.0f} |")
    marks = statistics.median(yardstick() for _ in range(5))
    print(f"| yardstick: a million additions, ms | {marks:.0f} | |")
    print(f"| machine's load, a minute | {os.getloadavg()[0]:.1f} | |")


if __name__ == "__main__":
    main()
