"""Six SkyPilot tasks and six `#SBATCH` scripts, in the form of public ones, unchanged on two kinds
of pool each: on this machine, and on a real Slurm cluster. Some of each run on Ray, too."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray import RayCluster
from tests.servers import RunningServer, server, suan
from tests.waiting import until

EXAMPLES = Path(__file__).parents[2] / "examples"
POOLS = """pools:
- name: here
  nodes: [{{count: 2, cpus: 8, memory: 16GB, accelerators: {{A100-80GB: 4}}}}]
- name: there
  kind: slurm
  conf: {c1}
  directory: {directory}
  poll_s: 0.5
"""
RAY = """pools:
- name: rays
  kind: ray
  address: {address}
  prefix: forms-
  poll_s: 0.5
"""
ON_RAY = ("skypilot/minimal.yaml", "skypilot/distributed.yaml", "slurm/single.sbatch",
          "slurm/array.sbatch")  # fmt: skip
SEEN = {  # what the logs of each must hold, of all its jobs and tasks together
    "skypilot/minimal.yaml": [r"running setup on", r"hello from python 3"],
    "skypilot/multi-gpu.yaml": [r"gpus per node: 2", r"rank 0: loss 0.125", r"rank 1: loss 0.125"],
    "skypilot/distributed.yaml": [r"node 0 of 2", r"node 1 of 2", r"all-reduce over 2 nodes: 21"],
    "skypilot/batch-inference.yaml": [r"tiny-llm: prompts 8 to 11 done", r"12 prompts answered"],
    "skypilot/recovery.yaml": [r"starts at step 5", r"done at step 10"],
    "skypilot/pipeline.yaml": [r"100 samples", r"trained on 1 gpu", r"accuracy 0.93"],
    "slurm/single.sbatch": [r"runs with 1 core", r"pi is about 3.1416"],
    "slurm/gpu.sbatch": [r"has 2 devices", r"trains with 4 threads"],
    "slurm/multinode.sbatch": [r"2 nodes, the head is", *(f"rank {n} of 4" for n in range(4))],
    "slurm/array.sbatch": [r"member 0 of 4: rate 0.1", r"member 3 of 4: rate 0.003"],
    "slurm/openmp.sbatch": [r"2 threads sum to 500500"],
    "slurm/requeue.sbatch": [r"start 1", r"step 3"],
}


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, slurm_clusters: dict[str, Path]
) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    declared = POOLS.format(directory=home / "runs", **slurm_clusters)
    (home / "pools.yaml").write_text(declared)
    with server(home) as started:
        yield started


@pytest.fixture(scope="module")
def ended(running: RunningServer) -> dict[tuple[str, str], list[dict]]:
    """The jobs of each file on each pool, all submitted together and waited for."""
    return all_ended(running, [(file, pool) for file in SEEN for pool in ("here", "there")])


def all_ended(
    running: RunningServer, asked: list[tuple[str, str]]
) -> dict[tuple[str, str], list[dict]]:
    """Submit these files to these pools, and wait for all; the jobs by name and pool."""
    for file, pool in asked:
        label = f"of={file.replace('/', '-')}-{pool}"
        done = suan(running, "submit", "--infra", pool, "--label", label, str(EXAMPLES / file))
        assert done.returncode == 0, done.stderr

    def ends() -> list[dict]:
        told = suan(running, "queue", "-a", "--limit", "1000", "--json").stdout
        found: list[dict] = json.loads(told)["jobs"]
        return [] if any(job["state"] in ("pending", "running") for job in found) else found

    found = until(ends, 200, what="the ends of all jobs")
    by_name: dict[tuple[str, str], list[dict]] = {}
    for job in found:
        by_name.setdefault((job["name"], job["pool"]), []).append(job)
    return by_name


def test_there_are_six_of_each() -> None:
    there = {str(path.relative_to(EXAMPLES)) for kind in ("skypilot", "slurm")
             for path in (EXAMPLES / kind).iterdir()}  # fmt: skip
    assert there == set(SEEN)
    assert [sum(file.startswith(kind) for file in SEEN) for kind in ("skypilot", "slurm")] == [6, 6]


@pytest.mark.parametrize("pool", ["here", "there"])
@pytest.mark.parametrize("file", SEEN)
def test_it_runs_unchanged(
    running: RunningServer, ended: dict[tuple[str, str], list[dict]], file: str, pool: str
) -> None:
    ran_as_it_should(running, ended, file, pool=pool)


def test_some_run_unchanged_on_ray(tmp_path: Path, ray_cluster: RayCluster) -> None:
    (tmp_path / "pools.yaml").write_text(RAY.format(address=ray_cluster.address))
    with ray_cluster.shared(), server(tmp_path) as running:
        ended = all_ended(running, [(file, "rays") for file in ON_RAY])
        for file in ON_RAY:
            ran_as_it_should(running, ended, file, pool="rays")


def ran_as_it_should(
    running: RunningServer, ended: dict[tuple[str, str], list[dict]], file: str, *, pool: str
) -> None:
    """All jobs of a file succeeded in a pool, and wrote what it makes them write."""
    text = (EXAMPLES / file).read_text()
    names = re.findall(r"^(?:name: |#SBATCH (?:--job-name=|-J ))(\S+)", text, re.MULTILINE)
    mine = [job for name in names for job in ended.get((name, pool), [])]
    assert mine
    assert {job["state"] for job in mine} == {"succeeded"}, mine
    told = "".join(suan(running, "logs", "--all-tasks", job["id"]).stdout for job in mine)
    for words in SEEN[file]:
        assert re.search(words, told), told
