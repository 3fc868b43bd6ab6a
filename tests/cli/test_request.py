"""From a command line to job specifications."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from suan.cli.request import JobCommand, JobOptions, job_options, specs
from suan.model.errors import InputError
from suan.model.spec import After, JobSpec

FILE = "name: from-file\nrun: echo hi\nenvs: {A: file, B: file}\nresources: {cpus: 2}\n"


def asked(*arguments: str, stdin: str | None = None, env: dict[str, str] | None = None) -> Any:
    """The jobs that a command line asks for, or the error it gives."""
    found: list[tuple[JobSpec, ...]] = []

    @click.command(cls=JobCommand)
    @click.argument("what", nargs=-1, type=click.UNPROCESSED)
    @job_options
    def probe(what: tuple[str, ...], options: JobOptions) -> None:
        found.append(specs(what, options))

    result = CliRunner().invoke(probe, arguments, input=stdin, env=env)
    if result.exception is not None:
        raise result.exception
    return found[0]


@pytest.fixture
def job_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "job.yaml"
    path.write_text(FILE)
    return path


def test_a_command_runs_here_and_keeps_its_own_options(job_file: Path) -> None:
    (spec,) = asked("--cpus", "2", "--gpus", "A100:2", "--", "python", "t.py", "--name", "a b")
    assert spec.run == "python t.py --name 'a b'"
    assert spec.name == "t"
    assert spec.workdir == str(job_file.parent)
    assert spec.origin == "command"
    (need,) = spec.resources
    assert (need.cpu_milli, list(need.accelerators.values())) == (2000, [2000])


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("k8s", "kubernetes"),
        ("K8s/east", "kubernetes/east"),
        ("slurm/main", "slurm/main"),
        ("my-pool", "my-pool"),
        ("*", "*"),
    ],
)
def test_a_place_is_called_as_in_a_job_file(job_file: Path, written: str, kept: str) -> None:
    for option in ("--infra", "--pool"):
        (spec,) = asked("job.yaml", option, written)
        assert [need.infra for need in spec.resources] == [kept]


def test_what_is_no_place_is_refused(job_file: Path) -> None:
    with pytest.raises(InputError, match="not a place") as refused:
        asked("job.yaml", "--infra", "two words")
    assert refused.value.where == "--infra"


def test_the_command_line_goes_before_the_file(job_file: Path) -> None:
    (spec,) = asked(
        *("job.yaml", "--name", "mine", "--env", "A=cli", "--priority", "7", "--cpus", "4"),
        *("--queue", "night", "--label", "k=v", "--after", "abc:ended", "--retries", "2"),
        *("--time-limit", "90s", "--nodes", "3", "--memory", "2"),
    )
    assert (spec.name, spec.priority, spec.queue, spec.num_nodes) == ("mine", 7, "night", 3)
    assert spec.envs == {"A": "cli", "B": "file"}
    assert spec.labels == {"k": "v"}
    assert spec.after == (After("abc", "ended"),)
    assert spec.retry.max_failures == 2
    assert spec.time_limit == 90_000_000
    assert (spec.resources[0].cpu_milli, spec.resources[0].memory_mib) == (4000, 2048)


def test_what_is_not_said_is_kept(job_file: Path) -> None:
    (spec,) = asked("job.yaml")
    assert (spec.name, spec.run.strip(), spec.envs) == (
        "from-file",
        "echo hi",
        {"A": "file", "B": "file"},
    )


def test_several_files_and_stdin(job_file: Path) -> None:
    names = [spec.name for spec in asked("job.yaml", "-", stdin="name: piped\nrun: echo x\n")]
    assert names == ["from-file", "piped"]


def test_secrets_and_variables_may_come_from_here(job_file: Path) -> None:
    (spec,) = asked("--secret", "KEY", "--env", "V", "--", "x", env={"KEY": "s3", "V": "w"})
    assert spec.secrets == {"KEY": "s3"}
    assert spec.envs == {"V": "w"}


def test_an_array(job_file: Path) -> None:
    (spec,) = asked("--array", "0-2", "--", "x")
    assert spec.array == (0, 1, 2)


WRONG = [
    ((), "arguments"),
    (("nowhere.yaml",), "arguments"),
    (("--cpus", "many", "--", "x"), "--cpus"),
    (("--gpus", ":", "--", "x"), "--gpus"),
    (("--memory", "big", "--", "x"), "--memory"),
    (("--time-limit", "soon", "--", "x"), "--time-limit"),
    (("--array", "z", "--", "x"), "--array"),
    (("--env", "1A=x", "--", "x"), "--env"),
    (("--env", "UNSET_HERE", "--", "x"), "--env"),
    (("--secret", "UNSET_HERE", "--", "x"), "--secret"),
    (("--label", "novalue", "--", "x"), "--label"),
    (("--after", "j:sometime", "--", "x"), "--after"),
]


@pytest.mark.parametrize(("arguments", "where"), WRONG)
def test_what_is_wrong_is_told_with_its_place(
    job_file: Path, arguments: tuple[str, ...], where: str
) -> None:
    with pytest.raises(InputError) as caught:
        asked(*arguments)
    assert caught.value.where == where
    assert caught.value.message


def test_warnings_that_say_the_same_are_one_line(tmp_path: Path) -> None:
    script = tmp_path / "job.sbatch"
    script.write_text("#!/bin/bash\n#SBATCH --mail-type=END\n#SBATCH --mail-user=a@b.io\ntrue\n")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("suan.cli.request.note", said.append)
        asked(str(script))
    (warning,) = said
    assert "job.sbatch:2:9: --mail-type, --mail-user: " in warning


def test_a_program_is_not_read_as_a_job_file(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text("print(1)\n")
    with pytest.raises(InputError) as caught:
        asked(str(program))
    assert f"-- python3 {program}" in caught.value.mend


def test_a_file_without_dashes_is_explained(job_file: Path) -> None:
    with pytest.raises(InputError, match="no file 'python'") as caught:
        asked("python")
    assert caught.value.mend.endswith("suan probe -- python")
    with pytest.raises(InputError, match="no file") as caught:
        asked("job.yml")
    assert caught.value.mend == "check the path"


def test_a_range_of_nodes(job_file: Path) -> None:
    for option in ("--nodes", "--num-nodes"):
        (spec,) = asked("job.yaml", option, "2..8")
        assert (spec.num_nodes, spec.max_nodes) == (2, 8)
        (fixed,) = asked("job.yaml", option, "3")
        assert (fixed.num_nodes, fixed.max_nodes) == (3, None)
    with pytest.raises(InputError, match="'2-8' is no number of nodes"):
        asked("job.yaml", "--nodes", "2-8")
