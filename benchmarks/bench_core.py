"""The scheduler alone: memory a job, load, placements as capacity comes free, whole jobs.

18 pools, 10,000 nodes of five kinds, 1,000 distinct shapes in two queues and three priorities.
Every RunEnded is followed by a decide of its own, and every Place carries all its reasons.
"""

import argparse
import gc
import random
import statistics
import time
import tracemalloc

from suan.core import Scheduler
from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted, PoolObserved, RunEnded, RunStarted
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer, Terms
from suan.model.plan import Place
from suan.model.resources import Resources

GIB = 1024
KINDS = (
    Resources(128_000, 512 * GIB),
    Resources(64_000, 256 * GIB),
    Resources(96_000, 1024 * GIB, (("A100-80GB", 8000),)),
    Resources(192_000, 2048 * GIB, (("H100-80GB", 8000),)),
    Resources(192_000, 1536 * GIB, (("Ascend-910B", 8000),)),
)
POOLS = 18
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


def loaded(count: int, nodes: int) -> tuple[Scheduler, float, list[str]]:
    """A scheduler whose pools are full and that has ``count`` jobs pending; jobs/s of loading."""
    rng = random.Random(7)
    scheduler = Scheduler()
    for event in world(nodes):
        scheduler.apply(event)
    fill = submissions(count + nodes * 6, rng)
    began = time.perf_counter()
    for event in fill:
        scheduler.apply(event)
    took = time.perf_counter() - began
    return scheduler, len(fill) / took, settle(scheduler, 1)


def placements(scheduler: Scheduler, running: list[str], rounds: int) -> tuple[float, float, float]:
    """End one run at a time: placements a second, and the median and 99th µs an event."""
    rng = random.Random(11)
    took, placed, running = [], 0, list(running)
    for i in range(rounds):
        at = rng.randrange(len(running))
        running[at], running[-1] = running[-1], running[at]
        event = RunEnded(i, running.pop(), DONE)
        began = time.perf_counter()
        scheduler.apply(event)
        plan = scheduler.decide(i)
        took.append(time.perf_counter() - began)
        new = [d.run for d in plan.decisions if isinstance(d, Place)]
        placed += len(new)
        running += new
    took.sort()
    return placed / sum(took), statistics.median(took) * 1e6, took[len(took) * 99 // 100] * 1e6


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


def whole_jobs(count: int, nodes: int, batch: int) -> float:
    """Jobs a second, submitted, placed, started and ended, ``batch`` events to a cycle."""
    rng = random.Random(5)
    scheduler = Scheduler()
    for event in world(nodes):
        scheduler.apply(event)
    fill = submissions(count, rng)
    began = time.perf_counter()
    running: list[str] = []
    ended, at = 0, 0
    while ended < count:
        for event in fill[at : at + batch]:
            scheduler.apply(event)
        at += batch
        for run in running[:batch]:
            scheduler.apply(RunEnded(at, run, DONE))
        ended += len(running[:batch])
        del running[:batch]
        for run in settle(scheduler, at):
            scheduler.apply(RunStarted(at, run))
            running.append(run)
    return count / (time.perf_counter() - began)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size")
    quick = parser.parse_args().quick
    nodes, rounds = (1000, 2000) if quick else (10_000, 20_000)
    print("| pending jobs | load, jobs/s | placements/s | median µs an event | p99 µs | fork, ms |")
    print("|---:|---:|---:|---:|---:|---:|")
    for count in (1_000, 10_000) if quick else (10_000, 100_000, 1_000_000):
        gc.collect()
        gc.freeze()
        scheduler, load, running = loaded(count, nodes)
        rate, median, high = placements(scheduler, running, rounds)
        print(
            f"| {scheduler.pending:,} | {load:,.0f} | {rate:,.0f} | {median:.1f} | {high:.1f} |"
            f" {forks(scheduler):,.0f} |"
        )
        del scheduler
    print()
    print("| measure | value |")
    print("|---|---:|")
    print(f"| bytes a pending job | {bytes_a_job(20_000 if quick else 200_000):,.0f} |")
    for batch in (1, 100):
        rate = whole_jobs(5_000 if quick else 68_000, nodes, batch)
        print(f"| whole jobs/s, {batch} to a cycle | {rate:,.0f} |")
    marks = statistics.median(yardstick() for _ in range(5))
    print(f"| yardstick: a million additions, ms | {marks:.0f} |")


if __name__ == "__main__":
    main()
