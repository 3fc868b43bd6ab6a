"""The whole path: 2,000 real `true` jobs from submit to finished, beside GNU parallel.

The jobs go through the command line's own HTTP interface in one call, the queue, the scheduler,
the durable store and the local pool; each gets a run directory, logs, a durable status and a bill.
GNU parallel starts the processes and no more. sbatch is measured where a Slurm answers.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness
import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import RunningServer, server

AT_ONCE = 32


def through_suan(running: RunningServer, jobs: int) -> float:
    """Seconds from the submission to the last job's end, as a client sees it."""
    cpu_milli = max(1, 1000 * (os.cpu_count() or 1) // AT_ONCE)
    spec = {
        "run": "true",
        "name": "whole-path",
        "array": list(range(jobs)),
        "resources": [{"cpu_milli": cpu_milli, "memory_mib": 16}],
    }
    with httpx.Client(base_url=running.url, timeout=60) as http:
        start = time.perf_counter()
        answer = http.post("/v1/jobs", json=spec)
        answer.raise_for_status()
        query = {"array_id": answer.json()["id"]}
        while True:
            counts = http.get("/v1/jobs/counts", params=query).json()
            if counts.get("succeeded", 0) == jobs:
                return time.perf_counter() - start
            if counts.get("failed", 0):
                raise RuntimeError(f"jobs failed: {counts}")
            time.sleep(0.02)


def through_parallel(jobs: int) -> float:
    """The same number of processes under GNU parallel."""
    start = time.perf_counter()
    subprocess.run(
        ["parallel", f"-j{AT_ONCE}", "-n0", "true"],
        input="\n".join(map(str, range(jobs))),
        text=True,
        check=True,
    )
    return time.perf_counter() - start


def through_slurm(jobs: int) -> float:
    """One sbatch for each job, and until squeue is empty."""
    start = time.perf_counter()
    for _ in range(jobs):
        subprocess.run(
            ["sbatch", "-o", "/dev/null", "--wrap=true"], check=True, stdout=subprocess.DEVNULL
        )
    while subprocess.run(["squeue", "-h"], check=True, capture_output=True).stdout.strip():
        time.sleep(0.05)
    return time.perf_counter() - start


def slurm_answers() -> bool:
    """Whether this machine can submit to a Slurm."""
    if not shutil.which("sbatch"):
        return False
    return subprocess.run(["sinfo"], check=False, capture_output=True).returncode == 0


def main() -> None:
    jobs, repeat = (200, 1) if harness.quick() else (2000, 3)
    seconds: dict[str, list[float]] = {"suan": []}
    with (
        tempfile.TemporaryDirectory(prefix="suan-path-") as folder,
        server(Path(folder)) as running,
    ):
        through_suan(running, 20)
        for _ in range(repeat):
            seconds["suan"].append(through_suan(running, jobs))
            if shutil.which("parallel"):
                seconds.setdefault("GNU parallel", []).append(through_parallel(jobs))
        memory = harness.rss_mib(running.process.pid)
    if not shutil.which("parallel"):
        print("GNU parallel: not installed here (apt-get install parallel)\n")
    if slurm_answers():
        seconds["sbatch"] = [through_slurm(jobs)]
    else:
        print("sbatch: no Slurm answers here\n")
    rates = {name: jobs / statistics.median(values) for name, values in seconds.items()}
    print(
        harness.table(
            ("path", "jobs", "median", "jobs/s", "against suan"),
            [
                (
                    name,
                    jobs,
                    harness.duration(jobs / rate),
                    harness.number(rate),
                    f"{rate / rates['suan']:.2f} x",
                )
                for name, rate in rates.items()
            ],
        )
    )
    print(f"The server held {memory:.0f} MiB at the end.")


if __name__ == "__main__":
    main()
