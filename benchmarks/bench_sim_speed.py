"""Speed of the simulator: jobs a second through the real scheduler, and what an event costs.

Each simulation is a whole one (every decision with its reasons, the results gathered), on one
processor, in a process of its own; times are of the processor, medians of repeated runs, reading
the trace left out. *Compiled* is the same source with scheduler and engine compiled, as in a wheel
for this platform (scripts/compiled.py); whatever does not say so is interpreted. "Everything on" is
the policy ``default``: fair share, EASY, preemption.

Beside them, in the same run, are two loops in pure Python with the same policy hard-coded; what the
reasons, shares and records cost is the ratio. The bare heap loop (eventloops.py) is what the speed
is held against. The shortest loop known (heaploops.py) is told beside it, so that nobody need ask.

Published figures of others were measured by others than us on processors of a similar kind.
"""

import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bench_core
import harness
import simruns
import traces
from simruns import Ran, Run

from suan.core import Scheduler
from suan.model.demand import Demand
from suan.model.events import Event, JobSubmitted, PolicyChanged, RunEnded, RunStarted
from suan.model.job import Cause, Outcome
from suan.model.plan import Place, Stop
from suan.model.policy import POLICIES
from suan.model.units import HOUR, MINUTE, SECOND

TIMED = (  # what, run, its loops, repetitions
    ("philly_tight, FIFO", Run("tight", "fifo", "actual"), "tight-fifo", 3),
    ("philly_tight, SJF", Run("tight", "sjf", "actual"), "tight-sjf", 3),
    ("philly_tight, everything on, durations told", Run("tight", "default", "actual"), "", 3),
    ("philly_tight, everything on, durations learned", Run("tight", "default", "none"), "", 3),
    ("Theta, FIFO", Run("theta", "fifo"), "theta-fifo", 3),
    ("Theta, SJF", Run("theta", "sjf"), "theta-sjf", 3),
    ("Theta, EASY", Run("theta", "easy"), "theta-easy", 3),
    ("Theta, everything on", Run("theta", "default"), "", 3),
    ("Curie, FIFO", Run("curie", "fifo"), "curie-fifo", 1),
    ("Curie, EASY", Run("curie", "easy"), "curie-easy", 1),
)
OTHERS = (
    ("HeliosArtifact, philly_tight FIFO", "2,463 s", "28", "255 MB"),
    ("HeliosArtifact, philly_tight SJF", "573 s", "119", "255 MB"),
    ("AccaSim, Theta FIFO", "132 s", "182", "200 MB"),
    ("CQSim, Theta FIFO", "110 s", "217", ""),
    ("CQSim, Theta SJF", "24 s", "996", ""),
    ("CQSim, Theta EASY", "34 s", "703", ""),
    ("Lucid", "", "11 to 18", ""),
    ("Gavel", "", "20 to 29", ""),
    ("GAIA", "", "8 to 168", ""),
)
DONE = Outcome(Cause.SUCCEEDED, exit_code=0)
MOST_S = 8.0


@dataclass(frozen=True, slots=True)
class Bare:
    """A bare loop's figures."""

    jobs: int
    cpu_s: float
    peak_mib: float


def bare(script: str, name: str, limit: int) -> Bare:
    """A bare loop of ``script`` on its trace, in a process of its own."""
    script = str(Path(__file__).parent / script)
    argv = [sys.executable, script, name, str(limit)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout)
    return Bare(told["jobs"], told["cpu_s"], told["peak_mib"])


def print_simulations(*, small: bool) -> None:
    """Each simulation, then beside its loops."""
    rows, beside = [], []
    compiled = None if small else simruns.compiled_source()
    for what, run, loop, repeat in TIMED:
        there = (traces.folder() / simruns.WORKLOADS[run.workload][0]).exists()
        if not there or (small and run.workload == "curie"):
            continue
        again, limit = (1, 5_000) if small else (repeat, 0)
        ours = [simruns.ran(replace(run, limit=limit)) for _ in range(again)]
        fast = [simruns.ran(run, compiled) for _ in range(again)] if compiled else []
        rows.append((what, f"{ours[0].jobs:,}", *cells(ours), *cells(fast), str(again)))
        if loop:
            beside.append((what, *loops_cells(loop, limit, ours=ours, fast=fast)))
    each = ("CPU time", "jobs/s", "peak memory")
    header = ("simulation", "jobs", *each, *(f"compiled: {name}" for name in each), "runs")
    print(harness.table(header, rows))
    print(
        "How many times as long it takes as two loops in pure Python that come to the same starts."
        " The *bare heap loop* is a simulator with nothing in it: one clock, one heap of arrivals"
        " and ends, a line for each cluster, placement, counters. The *shortest* known has a clock"
        " for each cluster, and under FIFO neither a line nor arrivals on its heap, which strict"
        " FIFO alone allows; of EASY there is one loop for both.\n"
    )
    figures = ("jobs/s", "memory", "ours against it", "compiled")
    header = (
        "simulation",
        *(f"{of}: {f}" for of in ("bare heap loop", "shortest") for f in figures),
    )
    print(harness.table(header, beside))


def loops_cells(
    loop: str, limit: int, *, ours: Sequence[Ran], fast: Sequence[Ran]
) -> Iterator[str]:
    """The figures of the bare heap loop, then those of the shortest."""
    for script in ("eventloops.py", "heaploops.py"):
        loops = [bare(script, loop, limit) for _ in ours]
        yield from cells(loops)[1:]
        yield from (against(ours, loops), against(fast, loops))


def cells(runs: Sequence[Ran | Bare]) -> list[str]:
    """CPU time, jobs a second and memory."""
    if not runs:
        return ["", "", ""]
    cpu = statistics.median(each.cpu_s for each in runs)
    peak = max(each.peak_mib for each in runs)
    return [harness.duration(cpu), f"{runs[0].jobs / cpu:,.0f}", f"{peak:.0f} MiB"]


def against(ours: Sequence[Ran], loops: Sequence[Bare]) -> str:
    """How many times as long it takes."""
    if not ours or not loops:
        return ""
    cpu, loop = (statistics.median(each.cpu_s for each in runs) for runs in (ours, loops))
    return f"{cpu / loop:.1f} x"


class Steady:
    """Full pools and ``pending`` jobs in line. Each ``step`` ends a run, submits a job and does
    what the scheduler says. Jobs have tenants, expected durations and two priorities."""

    def __init__(self, policy: str, pending: int, nodes: int) -> None:
        self.rng = random.Random(7)
        self.demands = bench_core.shapes(300, self.rng)
        self.scheduler = Scheduler()
        self.now, self.seq, self.events = 0, 0, 0
        self.running: list[str] = []
        self.place: dict[str, int] = {}
        self.tell(PolicyChanged(0, POLICIES[policy]))
        for event in bench_core.world(nodes):
            self.tell(event)
        for _ in range(nodes * 6):
            self.submit()
        self.decide()
        while self.scheduler.pending < pending:
            self.submit()
        self.decide()

    def tell(self, event: Event) -> None:
        self.scheduler.apply(event)
        self.events += 1

    def submit(self) -> None:
        self.seq += 1
        demand: Demand = self.rng.choice(self.demands)
        event = JobSubmitted(
            self.now,
            f"J{self.seq:011}",
            self.seq,
            demand,
            tenant=f"tenant-{self.rng.randrange(20):02}",
            priority=self.rng.choice((0,) * 9 + (10,)),
            expected=self.rng.randrange(5 * MINUTE, 48 * HOUR),
        )
        self.tell(event)

    def decide(self) -> None:
        more = True
        while more:
            plan = self.scheduler.decide(self.now)
            more = plan.more
            for decision in plan.decisions:
                if isinstance(decision, Place):
                    self.start(decision.run)
                elif isinstance(decision, Stop) and decision.run in self.place:
                    self.end(decision.run, Outcome(decision.cause, detail=decision.detail))
                    more = True

    def start(self, run: str) -> None:
        self.place[run] = len(self.running)
        self.running.append(run)
        self.tell(RunStarted(self.now, run))

    def end(self, run: str, outcome: Outcome) -> None:
        at, last = self.place.pop(run), self.running.pop()
        if last != run:
            self.running[at] = last
            self.place[last] = at
        self.tell(RunEnded(self.now, run, outcome))

    def step(self) -> None:
        self.now += SECOND
        self.end(self.rng.choice(self.running), DONE)
        self.submit()
        self.decide()


def an_event(policy: str, pending: int, nodes: int, *, steps: int) -> tuple[float, float]:
    """Microseconds of processor for one event, and the 99th percentile of a step's. So many steps,
    or as many as ``MOST_S`` allow; garbage is collected as in the simulator."""
    gc.set_threshold(*simruns.GC_THRESHOLDS)
    gc.unfreeze()
    steady = Steady(policy, pending, nodes)
    gc.collect()
    gc.freeze()
    for _ in range(steps // 10):
        steady.step()
    took: list[float] = []
    before = steady.events
    while len(took) < steps and sum(took) < MOST_S:
        began = time.process_time()
        steady.step()
        took.append(time.process_time() - began)
    return sum(took) / (steady.events - before) * 1e6, harness.percentile(took, 99) * 1e6


def print_flat(*, small: bool) -> None:
    """What one event costs when there is ten times as much of everything."""
    pending, nodes, steps = (200, 50, 100) if small else (2_000, 200, 1_000)
    rows = []
    for policy in ("fifo", "default"):
        base = 0.0
        for jobs, machines in ((1, 1), (10, 1), (1, 10), (10, 10)):
            size = (pending * jobs, nodes * machines)
            cost, p99 = an_event(policy, *size, steps=steps)
            base = base or cost
            rows.append(
                (
                    policy,
                    f"{size[0]:,}",
                    f"{size[1]:,}",
                    f"{cost:.1f} µs",
                    f"{cost / base:.2f} x",
                    f"{p99:,.0f} µs",
                )
            )
    print(
        "What an event costs, interpreted (a run ends, a job is submitted, the scheduler decides,"
        " what it placed has started), with full pools of five kinds of node, 300 shapes of job, 20"
        " tenants and two priorities:\n"
    )
    header = ("policy", "pending", "nodes", "an event", "against the first", "p99 of a step")
    print(harness.table(header, rows))


def main() -> None:
    small = harness.quick()
    for name in (traces.TIGHT, traces.THETA, traces.CURIE):
        traces.found(name)
    print_simulations(small=small)
    print_flat(small=small)
    print("As published, of others:\n")
    print(harness.table(("simulator and trace", "CPU time", "jobs/s", "memory"), OTHERS))


if __name__ == "__main__":
    main()
