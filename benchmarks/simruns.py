"""Simulations for the benchmarks: a known workload under a policy, in a process of its own.

``python benchmarks/simruns.py WORKLOAD POLICY`` prints one JSON object (``Ran``). ``ran`` starts
such a process, so that its memory and its processor time are nobody else's; ``ran_all`` starts
many, two at a time, where nothing is timed. Reading the trace is part of neither time: the jobs are
in memory before the clock starts, and the garbage collector is set as in the server.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import harness
import traces

from suan.core import Scheduler, cycle
from suan.model.events import PolicyChanged
from suan.model.offer import NodeStatus, Offer
from suan.model.policy import POLICIES
from suan.model.resources import Resources
from suan.model.units import SECOND
from suan.sim import pools as simulated
from suan.sim.engine import Decider, Engine
from suan.sim.pools import SimulatedPool
from suan.sim.results import Recorder, Result, RowWriter
from suan.sim.settings import Settings
from suan.sim.study import Fitting
from suan.sim.traces.opening import Trace, open_trace

GC_THRESHOLDS = (50_000, 20, 100)  # as in suan.app.server
PAI_PROCESSORS = 160

# name → trace, and its pools: a list of nodes, or so many processors that are all alike
WORKLOADS: dict[str, tuple[str, str | int]] = {
    "tight": (traces.TIGHT, "philly_tight/nodes.csv"),
    "theta": (traces.THETA, 4_360),
    "curie": (traces.CURIE, 80_640),
    "pai": (traces.PAI, PAI_PROCESSORS),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What to simulate. Times in seconds; ``checkpoint`` 0: nothing is kept of a stopped run."""

    workload: str
    policy: str
    durations: str = "requested"
    checkpoint: int = 0
    restart: int = 0
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of it, and whether the scheduler was ``compiled``. ``groups`` are tenants: jobs,
    and mean wait in seconds."""

    jobs: int
    compiled: bool
    cpu_s: float
    wall_s: float
    peak_mib: float
    mean: float
    median: float
    p95: float
    p99: float
    completion: float
    preempted: int
    lost_share: float
    utilisation: float
    groups: dict[str, tuple[int, float]]


def pools_of(pools: str | int) -> tuple[SimulatedPool, ...]:
    """Nodes from a list; or one node with so many processors, for traces that know no more."""
    if isinstance(pools, str):
        return simulated.load(traces.folder() / pools)
    node = NodeStatus("all-1", Resources(pools * 1000, 1 << 20))
    return (SimulatedPool(Offer("all", "simulated"), (node,)),)


def opened(workload: str, limit: int = 0) -> tuple[Trace, tuple[SimulatedPool, ...]]:
    """A workload's jobs, as far as its pools can hold them, and its pools."""
    name, declared = WORKLOADS[workload]
    pools = pools_of(declared)
    return open_trace(traces.folder() / name, None, Fitting(pools), limit=limit or None), pools


def settings_of(run: Run) -> Settings:
    return Settings(
        durations=run.durations,  # type: ignore[arg-type] # argparse and this file say which
        checkpoint_every=run.checkpoint * SECOND or None,
        restart_cost=run.restart * SECOND,
    )


def simulate(
    run: Run, *, rows: RowWriter | None = None, decider: Decider | None = None
) -> tuple[Result, float, float]:
    """The result, and the seconds of processor and of wall that it took."""
    trace, pools = opened(run.workload, run.limit)
    jobs = list(trace.jobs())
    recorder = Recorder(run.policy, rows)
    gc.set_threshold(*GC_THRESHOLDS)
    gc.collect()
    gc.freeze()
    cpu, wall = time.process_time(), time.perf_counter()
    engine = Engine(
        decider or Scheduler(),
        pools,
        recorder,
        told=(PolicyChanged(0, POLICIES[run.policy]), *trace.queues),
        settings=settings_of(run),
        dependent=trace.dependent,
    )
    engine.run(iter(jobs))
    return recorder.result(), time.process_time() - cpu, time.perf_counter() - wall


def told(result: Result, cpu: float, wall: float) -> Ran:
    """The figures of a result."""
    overall = result.overall
    worked = overall.accelerator_time or overall.cpu_time
    median, p95, p99 = (overall.wait.quantile(share) / SECOND for share in (0.5, 0.95, 0.99))
    return Ran(
        jobs=result.jobs,
        compiled=not str(cycle.__file__).endswith(".py"),
        cpu_s=cpu,
        wall_s=wall,
        peak_mib=harness.peak_rss_mib(),
        mean=overall.mean_wait / SECOND,
        median=median,
        p95=p95,
        p99=p99,
        completion=overall.mean_completion / SECOND,
        preempted=result.preempted,
        lost_share=result.lost_device_time / worked if worked else 0.0,
        utilisation=result.utilisation,
        groups={g.name: (g.jobs, g.mean_wait / SECOND) for g in result.tenants},
    )


def compiled_source() -> Path | None:
    """The folder with the compiled suan of this source, made if need be; ``None`` where nothing
    can be compiled, and standard error says why."""
    script = Path(__file__).resolve().parents[1] / "scripts" / "compiled.py"
    done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip()) if done.stdout.strip() else None


def ran(run: Run, source: Path | None = None) -> Ran:
    """Simulate in a process of its own; with suan from ``source``, if that is given.

    Raises:
        RuntimeError: it failed; what it printed is above.
    """
    argv = [sys.executable, str(Path(__file__).resolve()), run.workload, run.policy]
    for name in ("durations", "checkpoint", "restart", "limit"):
        argv += [f"--{name}", str(getattr(run, name))]
    environ = os.environ if source is None else {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(argv, stdout=subprocess.PIPE, env=environ, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{run} failed with exit code {done.returncode}")
    fields = json.loads(done.stdout)
    if fields["compiled"] is not (source is not None):
        raise RuntimeError(f"{run} ran with another suan than that in {source or 'src'}")
    fields["groups"] = {name: tuple(pair) for name, pair in fields["groups"].items()}
    return Ran(**fields)


def ran_all(runs: Sequence[Run]) -> list[Ran]:
    """Many, as many at a time as there are processors, at most four."""
    with ThreadPoolExecutor(min(4, len(os.sched_getaffinity(0)))) as side_by_side:
        return list(side_by_side.map(ran, runs))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("policy", choices=POLICIES)
    parser.add_argument("--durations", choices=("requested", "actual", "none"))
    for name in ("checkpoint", "restart", "limit"):
        parser.add_argument(f"--{name}", type=int, default=0)
    given = parser.parse_args()
    run = Run(
        given.workload,
        given.policy,
        given.durations or "requested",
        checkpoint=given.checkpoint,
        restart=given.restart,
        limit=given.limit,
    )
    print(json.dumps(asdict(told(*simulate(run)))))


if __name__ == "__main__":
    main()
