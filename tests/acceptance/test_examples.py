"""Every row of examples/README.md, typed as it stands there."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import RunningServer, server, suan

EXAMPLES = Path(__file__).parents[2] / "examples"


class Row(NamedTuple):
    """One example: its file, what to type, and a part of what must be seen."""

    file: str
    command: str
    seen: str


def rows() -> list[Row]:
    """The table of the README."""
    cell = re.compile(r"^\| \[.*?\]\((.*?)\) \|.*?\| `(.*?)` \| `(.*?)` \|$", re.MULTILINE)
    return [Row(*found) for found in cell.findall((EXAMPLES / "README.md").read_text())]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with server(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's root, as far as the examples need it."""
    copy = tmp_path_factory.mktemp("root")
    shutil.copytree(EXAMPLES, copy / "examples", ignore=shutil.ignore_patterns("results"))
    return copy


def jobs_of(running: RunningServer, name: str) -> list[dict[str, object]]:
    """The jobs of a name, as `suan queue` lists them."""
    listed = suan(running, "queue", "-a", "--name", name, "--json")
    jobs: list[dict[str, object]] = json.loads(listed.stdout)["jobs"]
    return jobs


def test_the_readme_names_every_example() -> None:
    named = {row.file for row in rows()}
    there = {
        str(path.relative_to(EXAMPLES))
        for pattern in ("*.yaml", "*/job.yaml", "*.sbatch")
        for path in EXAMPLES.glob(pattern)
    }
    assert named == there
    assert len(named) >= 8


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.file)
def test_it_does_what_the_readme_says(running: RunningServer, root: Path, row: Row) -> None:
    program, *arguments = shlex.split(row.command)
    assert program == "suan"
    done = suan(running, *arguments, cwd=root)
    assert done.returncode == 0, done.stderr
    assert row.seen in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    check = CHECKS.get(row.file)
    if check is not None:
        check(running, root / "examples", done.stdout)


def trained(running: RunningServer, examples: Path, said: str) -> None:
    assert (examples / "train-digits" / "results" / "model.npz").stat().st_size > 10_000
    assert float(said.rpartition("accuracy ")[2].split()[0]) > 0.95


def summed(running: RunningServer, examples: Path, said: str) -> None:
    right = [line for line in said.splitlines() if line.endswith("correct")]
    assert sorted(line[:3] for line in right) == ["[0]", "[1]", "[2]", "[3]"]


def swept(running: RunningServer, examples: Path, said: str) -> None:
    results = examples / "sweep" / "results"
    losses = [json.loads(path.read_text())["loss"] for path in results.glob("rate-*.json")]
    assert len(losses) == 8
    assert json.loads((results / "best.json").read_text())["loss"] == min(losses)


def piped(running: RunningServer, examples: Path, said: str) -> None:
    said_in_order = [line.split()[0] for line in said.splitlines()]
    assert said_in_order[0] == "prepared"
    assert said_in_order[-1] == "cleaned"
    results = examples / "results" / "pipeline"
    assert (results / "report.txt").exists()
    assert not (results / "numbers.txt").exists()


def ran_everywhere(running: RunningServer, examples: Path, said: str) -> None:
    assert "[1] hello from node 1 of 2: step 3" in said
    assert "[0] setup on node 0" in said


def copied(running: RunningServer, examples: Path, said: str) -> None:
    (job,) = jobs_of(running, "slurm-srun")
    copy = Path(f"/tmp/slurm-slurm-srun-{job['id']}.out")
    assert copy.read_text() == said
    copy.unlink()


def all_members(running: RunningServer, examples: Path, said: str) -> None:
    members = jobs_of(running, "slurm-array")
    assert {job["array_index"]: job["state"] for job in members} == dict.fromkeys(
        (1, 2, 3), "succeeded"
    )
    copies = [
        Path(f"/tmp/slurm-slurm-array-{job['array_id']}_{job['array_index']}.out")
        for job in members
    ]
    told = {copy.read_text() for copy in copies}
    assert "member 3 of 3: 1 + … + 3000 = 4501500\n" in told
    assert len(told) == 3
    for copy in copies:
        copy.unlink()


def tried_thrice(running: RunningServer, examples: Path, said: str) -> None:
    (job,) = jobs_of(running, "retry")
    assert job["attempts"] == 3
    runs = json.loads(suan(running, "show", str(job["id"]), "--json").stdout)["runs"]
    assert [run["exit_code"] for run in runs] == [75, 75, 0]


CHECKS = {
    "train-digits/job.yaml": trained,
    "gang-ring/job.yaml": summed,
    "sweep/job.yaml": swept,
    "pipeline.yaml": piped,
    "skypilot-task.yaml": ran_everywhere,
    "slurm.sbatch": copied,
    "slurm-array.sbatch": all_members,
    "retry.yaml": tried_thrice,
}
