"""The simulator beside other programs: mean waits on the same input.

Each figure of ours is a whole simulation: the real scheduler with its reasons, the event loop, the
results. *Published* are, for philly_tight, the means that HeliosArtifact's own simulator prints
(whole seconds, rounded down; consolidated placement, strict order, true durations); for Theta those
of AccaSim and CQSim; for Curie a plain strict FIFO loop. How rows are normalised stands in
docs/reference/traces.md. ``bare loop`` is this folder's own heap loop (heaploops.py), run here too.

No two programs mean quite the same by EASY. The textbook's has a reservation for the head alone,
by requested times; the bare loop's words (heaploops.py) say the rest. Where two runs end at the
promised second, suan counts them in the order in which they started, the loop in that of
submission: a hundredth of a second of the mean, on Theta.
"""

import json
import subprocess
import sys
from pathlib import Path

import harness
import simruns
import traces
from heaploops import LOOPS
from simruns import Ran, Run

TOTALS = (  # run, the bare loop of the same name, published mean wait [s], whose
    (Run("theta", "fifo"), "theta-fifo", "159,516.20", "AccaSim, CQSim"),
    (Run("theta", "sjf"), "theta-sjf", "16,872.45", "AccaSim (CQSim: 16,872.49)"),
    (Run("theta", "sjf", "actual"), "theta-sjf-true", "14,408.43", "AccaSim"),
    (Run("curie", "fifo"), "curie-fifo", "241,015.08", "a plain loop"),
    (
        Run("theta", "easy"),
        "theta-easy",
        "43,287.04",
        "a textbook loop (AccaSim: 25,774, CQSim: 31,588)",
    ),
    (Run("curie", "easy"), "curie-easy", "7,080.12", "a textbook loop"),
)
CALLED = {"requested": "requested times", "actual": "true run times"}


def bare(name: str) -> float:
    """The mean wait [s] of a bare loop, run in a process of its own."""
    script = Path(__file__).parent / "heaploops.py"
    done = subprocess.run(
        [sys.executable, str(script), name], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(json.loads(done.stdout)["mean_wait_s"])


def print_clusters(path: Path) -> None:
    """philly_tight, one row a virtual cluster."""
    fifo, sjf = simruns.ran_all([Run("tight", each, "actual") for each in ("fifo", "sjf")])
    published = traces.published_tight(path)
    rows = []
    equal = True
    for name, (want_fifo, want_sjf) in published.items():
        jobs, own_fifo, own_sjf = _of(name, fifo, sjf)
        equal &= (int(own_fifo), int(own_sjf)) == (want_fifo, want_sjf)
        rows.append(
            (name, f"{jobs:,}", f"{own_fifo:,.2f}", f"{want_fifo:,}", f"{own_sjf:,.2f}",
             f"{want_sjf:,}")
        )  # fmt: skip
    print(
        "**philly_tight**, mean queueing delay [s] by virtual cluster:"
        f" {'every one is equal' if equal else 'NOT EQUAL'} to the second.\n"
    )
    print(harness.table(("cluster", "jobs", "FIFO", "published", "SJF", "published"), rows))
    print(
        f"Mean completion [s]: FIFO {fifo.completion:,.2f} (published 212,692.46), SJF"
        f" {sjf.completion:,.2f} (published 34,047.19).\n"
    )


def _of(name: str, fifo: Ran, sjf: Ran) -> tuple[int, float, float]:
    if name == "all":
        return fifo.jobs, fifo.mean, sjf.mean
    return fifo.groups[name][0], fifo.groups[name][1], sjf.groups[name][1]


def print_totals(*, small: bool) -> None:
    """Theta and Curie, one row a policy."""
    chosen = [
        each
        for each in TOTALS
        if (traces.folder() / simruns.WORKLOADS[each[0].workload][0]).exists()
        and not (small and each[0].workload == "curie")
    ]
    rows = []
    for (run, loop, published, whose), ours in zip(
        chosen, simruns.ran_all([each[0] for each in chosen]), strict=True
    ):
        loops = "-" if small and LOOPS[loop][0] == traces.CURIE else f"{bare(loop):,.2f}"
        what = f"{run.workload.capitalize()}, {run.policy}, {CALLED[run.durations]}"
        rows.append((what, f"{ours.jobs:,}", f"{ours.mean:,.2f}", loops, published, whose))
    if rows:
        header = ("workload and policy", "jobs", "ours", "bare loop", "published", "whose")
        print("**Theta** (4,360 nodes) and **Curie** (80,640 processors), mean wait [s]:\n")
        print(harness.table(header, rows))


def main() -> None:
    small = harness.quick()
    path = traces.found(traces.TIGHT)
    if path is not None:
        print_clusters(path)
    for name in (traces.THETA, traces.CURIE):
        traces.found(name)
    print_totals(small=small)


if __name__ == "__main__":
    main()
