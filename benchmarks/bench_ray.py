"""Ray: 60 trivial jobs, and the latency to a start, through suan and by Ray's own client.

By Ray's own client is `JobSubmissionClient.submit_job`, one after the other with the needs that
suan states, and `list_jobs` until all have ended. suan gets the jobs in one request, as from
`suan submit --array`. Its server and store share the machine with the cluster. The ways take turns
on one real cluster of `infra/ray`; what takes the time is Ray's Python worker for each job.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import harness
import httpx
from beside import ASLEEP_S, table, through_suan

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.ray import RayCluster, down, python, up
from tests.servers import server
from tests.sharing import NotHere

NEEDS = {"cpu_milli": 1000, "memory_mib": 100}
CLIENT = """
import json, sys, time
from ray.job_submission import JobSubmissionClient
client = JobSubmissionClient(sys.argv[1])
needs = {"entrypoint_num_cpus": 1, "entrypoint_memory": 100 << 20}
for line in sys.stdin:
    scripts = json.loads(line)
    start = time.time()
    jobs = {client.submit_job(entrypoint=script, **needs) for script in scripts}
    while True:
        states = {job.submission_id: job.status for job in client.list_jobs()}
        if all(states[job].is_terminal() for job in jobs):
            break
        time.sleep(float(sys.argv[2]))
    assert all(states[job] == "SUCCEEDED" for job in jobs)
    print(json.dumps([start, time.time()]), flush=True)
"""


@contextmanager
def client(cluster: RayCluster) -> Iterator[Callable[[list[str]], tuple[float, float]]]:
    """Ray's own client: runs scripts, and tells when it began and when all had ended."""
    with subprocess.Popen(
        [python(), "-c", CLIENT, cluster.address, str(ASLEEP_S)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def run(scripts: list[str]) -> tuple[float, float]:
            requests.write(json.dumps(scripts) + "\n")
            requests.flush()
            began, ended = json.loads(answers.readline())
            return began, ended

        yield run
        requests.close()


def measure(folder: Path, cluster: RayCluster, *, jobs: int, repeat: int) -> None:
    """Both ways in turn, and what they took."""
    home = folder / "home"
    home.mkdir()
    entry = f"{{name: rays, kind: ray, address: {cluster.address}, prefix: bench-}}"
    (home / "pools.yaml").write_text(f"pools:\n- {entry}\n")
    rates: dict[str, list[float]] = {}
    waits: dict[str, list[float]] = {}
    with server(home) as running, client(cluster) as native:
        ways: dict[str, Callable[[str, int], tuple[float, float]]] = {
            "Ray's client": lambda script, count: native([script] * count),
            "suan": lambda script, count: through_suan(running, count, NEEDS, script=script),
        }
        for way in ways.values():
            way("true", 3)
        for number in range(repeat):
            for name, way in ways.items():
                began, ended = way("true", jobs)
                rates.setdefault(name, []).append(jobs / (ended - began))
                waits.setdefault(name, []).extend(
                    latency(way, folder / f"{number}-{each}-{name[:3]}") for each in range(5)
                )
    print(table(rates, waits, jobs=jobs, native="Ray's client"))
    version = httpx.get(f"{cluster.address}/api/version").json()["ray_version"]
    load = os.getloadavg()
    print(f"Medians of {repeat} rounds; Ray {version}, one cluster of three nodes.")
    print(f"Load at the end: {load[0]:.1f}.")


def latency(way: Callable[[str, int], tuple[float, float]], mark: Path) -> float:
    """Seconds from asking for one job to its own first look at the clock."""
    began, _ = way(f"date +%s.%N > {mark}", 1)
    return float(mark.read_text()) - began


def main() -> None:
    jobs, repeat = (6, 1) if harness.quick() else (60, 3)
    with tempfile.TemporaryDirectory(prefix="suan-rb-", dir="/tmp") as name:
        folder = Path(name)
        directory = folder / "ray"
        try:
            cluster = RayCluster(directory, up(directory, "-n", "3"))
            measure(folder, cluster, jobs=jobs, repeat=repeat)
        except NotHere as reason:
            print(f"Not measured: {reason}")
        finally:
            down(directory)


if __name__ == "__main__":
    main()
