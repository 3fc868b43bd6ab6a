"""Slurm: 500 trivial jobs, and the latency to a start, through suan and by hand on one cluster.

By hand is one `sbatch` after the other and `squeue` until it is empty, as a shell script does it.
suan gets the jobs in one request, as from `suan submit --array`, or in one for each. Its server,
store, program on the login node and keepers share the machine with Slurm. The ways take turns on
one real cluster of `infra/slurm`.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import harness
import httpx
from beside import ASLEEP_S, latencies, suans_ways, table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import server
from tests.sharing import NotHere
from tests.slurm import down, up

NEEDS = {"cpu_milli": 1000, "memory_mib": 100}


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
        ways |= suans_ways(running, NEEDS)
        for way in ways.values():
            way(20)
        for _ in range(repeat):
            for name, way in ways.items():
                rates.setdefault(name, []).append(jobs / way(jobs))
        waits = {
            "by hand": latencies(
                lambda script: sbatch(env, script), folder, 10 * repeat, rest_s=0.3
            ),
            "suan, a request each": latencies(
                lambda script: http.post("/v1/jobs", json={"run": script, "resources": [NEEDS]}),
                folder,
                10 * repeat,
                rest_s=0.3,
            ),
        }
    print(table(rates, waits, jobs=jobs, native="by hand"))
    version = subprocess.run(
        ["sinfo", "--version"], env=env, check=True, capture_output=True, text=True
    )
    print(f"Medians of {repeat} rounds; {version.stdout.strip()}, one cluster of eight nodes.")


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
