"""One real cluster, two ways to it: trivial jobs a second, and how long until one starts.

What `bench_slurm`, `bench_kubernetes` and `bench_ray` have in common.
"""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import harness
import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import RunningServer

Needs = dict[str, int]
ASLEEP_S = 0.25


def through_suan(
    running: RunningServer, jobs: int, needs: Needs, *, at_once: bool = True, script: str = "true"
) -> tuple[float, float]:
    """When the first of the jobs was submitted, and when a client saw that all had succeeded."""
    name = f"beside-{time.time_ns()}"
    spec: dict[str, object] = {"run": script, "name": name, "resources": [needs]}
    requests = jobs
    if at_once:
        requests, spec["array"] = 1, list(range(jobs))
    with httpx.Client(base_url=running.url, timeout=60) as http:
        start = time.time()
        for _ in range(requests):
            http.post("/v1/jobs", json=spec).raise_for_status()
        while True:
            counts = http.get("/v1/jobs/counts", params={"name": name}).json()
            if counts.get("succeeded", 0) == jobs:
                return start, time.time()
            if counts.get("failed", 0) or counts.get("cancelled", 0):
                raise RuntimeError(f"jobs failed: {counts}")
            time.sleep(ASLEEP_S)


def suans_ways(running: RunningServer, needs: Needs) -> dict[str, Callable[[int], float]]:
    """Seconds for a number of jobs, sent in one request or each in its own."""

    def seconds(jobs: int, *, at_once: bool) -> float:
        began, ended = through_suan(running, jobs, needs, at_once=at_once)
        return ended - began

    return {
        "suan, one request": partial(seconds, at_once=True),
        "suan, a request each": partial(seconds, at_once=False),
    }


def latencies(
    submit: Callable[[str], object], folder: Path, times: int, *, rest_s: float
) -> list[float]:
    """Seconds from asking to the job's own first look at the clock, one job at a time; after each
    ``rest_s``, so that the queue is empty again."""
    found = []
    for number in range(times):
        mark = folder / f"{time.time_ns()}-{number}"
        asked = time.time()
        submit(f"date +%s.%N > {mark}.new && mv {mark}.new {mark}")
        while not mark.exists():
            time.sleep(0.005)
        found.append(float(mark.read_text()) - asked)
        time.sleep(rest_s)
    return found


def table(
    rates: Mapping[str, list[float]], waits: Mapping[str, list[float]], *, jobs: int, native: str
) -> str:
    """Each way beside the ``native`` one: jobs a second, and seconds to a start where known."""
    rate, wait = statistics.median(rates[native]), statistics.median(waits[native])
    rows = [
        (
            name,
            jobs,
            harness.number(statistics.median(each)),
            f"{min(each):.2f} to {max(each):.2f}",
            f"{statistics.median(each) / rate:.2f}",
            *_latency(waits.get(name), wait),
        )
        for name, each in rates.items()
    ]
    heads = ("way", "jobs", "jobs/s", "slowest to fastest", f"of {native}", "to a start", "added")
    return harness.table(heads, rows)


def _latency(waited: list[float] | None, native: float) -> tuple[str, str]:
    """A latency, and by how much it is more than the native one."""
    if waited is None:
        return "", ""
    median = statistics.median(waited)
    return harness.duration(median), f"{median - native:+.3f} s"
