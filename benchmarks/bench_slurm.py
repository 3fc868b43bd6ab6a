"""Slurm: 500 trivial jobs, and the latency to a start, through suan and by hand on one cluster.

By hand is one `sbatch` after the other and `squeue` until it is empty, as a shell script does it.
suan gets the jobs in one request, as from `suan submit --array`, or in one for each. Its server,
store, program on the login node and keepers share the machine with Slurm. The ways take turns on
one real cluster of `infra/slurm`.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import harness
import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import RunningServer, server
from tests.sharing import NotHere
from tests.slurm import down, up

NEEDS = {"cpu_milli": 1000, "memory_mib": 100}
ASLEEP_S = 0.25


def through_suan(running: RunningServer, jobs: int, *, at_once: bool) -> float:
    """Seconds from the first submission until every job has succeeded, as a client sees it."""
    name = f"slurm-{time.time_ns()}"
    spec: dict[str, object] = {"run": "true", "name": name, "resources": [NEEDS]}
    requests = jobs
    if at_once:
        requests, spec["array"] = 1, list(range(jobs))
    with httpx.Client(base_url=running.url, timeout=60) as http:
        start = time.perf_counter()
        for _ in range(requests):
            http.post("/v1/jobs", json=spec).raise_for_status()
        while True:
            counts = http.get("/v1/jobs/counts", params={"name": name}).json()
            if counts.get("succeeded", 0) == jobs:
                return time.perf_counter() - start
            if counts.get("failed", 0) or counts.get("cancelled", 0):
                raise RuntimeError(f"jobs failed: {counts}")
            time.sleep(ASLEEP_S)


def sbatch(env: dict[str, str], script: str) -> None:
    """One submission by hand."""
    argv = ["sbatch", "-o", "/dev/null", "--mem=100", f"--wrap={script}"]
    subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)


def by_hand(env: dict[str, str], jobs: int) -> float:
    """One sbatch for each job, and until squeue is empty."""
    start = time.perf_counter()
    for _ in range(jobs):
        sbatch(env, "true")
    squeue = ["squeue", "-h"]
    while subprocess.run(squeue, env=env, check=True, capture_output=True).stdout.strip():
        time.sleep(ASLEEP_S)
    return time.perf_counter() - start


def latencies(submit: Callable[[str], object], folder: Path, times: int) -> list[float]:
    """Seconds from asking to the job's own first look at the clock, one job at a time."""
    found = []
    for number in range(times):
        mark = folder / f"{time.time_ns()}-{number}"
        asked = time.time()
        submit(f"date +%s.%N > {mark}.new && mv {mark}.new {mark}")
        while not mark.exists():
            time.sleep(0.005)
        found.append(float(mark.read_text()) - asked)
        time.sleep(0.3)  # the queue is empty again
    return found


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """One cluster of eight nodes: room for 512 jobs at once."""
    directory = folder / "slurm"
    try:
        yield up(directory, "-c", "1", "-n", "8")["c1"]
    finally:
        down(directory)


def measure(folder: Path, conf: Path, *, jobs: int, repeat: int) -> None:
    """Both ways in turn, and what they took."""
    env = {**os.environ, "SLURM_CONF": str(conf)}
    home = folder / "home"
    home.mkdir()
    (home / "pools.yaml").write_text(
        f"pools:\n- {{name: c1, kind: slurm, conf: {conf}, directory: {folder}/shared}}\n"
    )
    ways: dict[str, Callable[[int], float]] = {}
    rates: dict[str, list[float]] = {}
    with server(home) as running, httpx.Client(base_url=running.url, timeout=60) as http:
        ways["by hand"] = lambda count: by_hand(env, count)
        ways["suan, one request"] = lambda count: through_suan(running, count, at_once=True)
        ways["suan, a request each"] = lambda count: through_suan(running, count, at_once=False)
        for way in ways.values():
            way(20)
        for _ in range(repeat):
            for name, way in ways.items():
                rates.setdefault(name, []).append(jobs / way(jobs))
        waits = {
            "by hand": latencies(lambda script: sbatch(env, script), folder, 10 * repeat),
            "suan, a request each": latencies(
                lambda script: http.post("/v1/jobs", json={"run": script, "resources": [NEEDS]}),
                folder,
                10 * repeat,
            ),
        }
    native = statistics.median(rates["by hand"])
    late = statistics.median(waits["by hand"])
    rows = [
        (
            name,
            jobs,
            harness.number(statistics.median(each)),
            f"{min(each):.1f} to {max(each):.1f}",
            f"{statistics.median(each) / native:.2f}",
            *_latency(waits.get(name), late),
        )
        for name, each in rates.items()
    ]
    heads = ("way", "jobs", "jobs/s", "slowest to fastest", "of by hand", "to a start", "added")
    print(harness.table(heads, rows))
    version = subprocess.run(
        ["sinfo", "--version"], env=env, check=True, capture_output=True, text=True
    )
    print(f"Medians of {repeat} rounds; {version.stdout.strip()}, one cluster of eight nodes.")


def _latency(waited: list[float] | None, late: float) -> tuple[str, str]:
    """A latency, and by how much it is more than that by hand."""
    if waited is None:
        return "", ""
    median = statistics.median(waited)
    return harness.duration(median), f"{median - late:+.3f} s"


def main() -> None:
    jobs, repeat = (60, 1) if harness.quick() else (500, 3)
    with tempfile.TemporaryDirectory(prefix="suan-slurm-bench-") as name:
        folder = Path(name)
        try:
            with cluster(folder) as conf:
                measure(folder, conf, jobs=jobs, repeat=repeat)
        except NotHere as reason:
            print(f"Not measured: {reason}")


if __name__ == "__main__":
    main()
