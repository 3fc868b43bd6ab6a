"""What a batch script finds when it runs: real bash, no pool."""

import subprocess
from pathlib import Path

import pytest

from suan.jobfile import job_environment, launch_script, parse


def run(text: str, tmp_path: Path, **node: str) -> tuple[int, list[str], str]:
    """Run a batch script as a pool would; exit code, sorted lines of output, errors."""
    (spec,) = parse(text, filename="t.sbatch", base_dir=str(tmp_path)).specs
    env = job_environment(spec, job="J1", run="J1-r1", user="ann")
    file = tmp_path / "script"
    file.write_text(launch_script(spec))
    done = subprocess.run(
        ["bash", str(file)],
        env={"PATH": "/usr/bin:/bin", **env, **node},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, sorted(done.stdout.splitlines()), done.stderr


def test_srun_starts_every_task_once(tmp_path: Path) -> None:
    code, lines, _ = run(
        "#!/bin/bash\n#SBATCH -n 3\necho batch\n"
        "srun bash -c 'echo $SLURM_PROCID/$SLURM_NTASKS $SLURM_LOCALID $SLURM_NODEID'\n",
        tmp_path,
    )
    assert (code, lines) == (0, ["0/3 0 0", "1/3 1 0", "2/3 2 0", "batch"])


def test_srun_starts_a_nodes_share_of_a_gang(tmp_path: Path) -> None:
    text = "#!/bin/bash\n#SBATCH -N 2 -n 4\nsrun bash -c 'echo $SLURM_PROCID of $SLURM_NTASKS'\n"
    assert run(text, tmp_path, SKYPILOT_NODE_RANK="0")[1] == ["0 of 4", "1 of 4"]
    assert run(text, tmp_path, SKYPILOT_NODE_RANK="1")[1] == ["2 of 4", "3 of 4"]


@pytest.mark.parametrize(
    "options", ["-n2", "-n 2", "--ntasks=2", "--ntasks 2", "--mpi=none -u -n 2 --", "-c 1 -n 2"]
)
def test_sruns_options(options: str, tmp_path: Path) -> None:
    _, lines, errors = run(f"#!/bin/bash\n#SBATCH -n 4\nsrun {options} echo hi\n", tmp_path)
    assert (lines, errors) == (["hi", "hi"], "")


def test_srun_gives_the_worst_exit_code(tmp_path: Path) -> None:
    text = "#!/bin/bash\n#SBATCH -n 3\nsrun bash -c 'exit $((SLURM_PROCID * 2))'\n"
    assert run(text, tmp_path)[0] == 4
    assert run("#!/bin/bash\nset -e\nsrun false\necho no\n", tmp_path)[:2] == (1, [])
    assert run("#!/bin/bash\nsrun -l bash -c 'echo x; exit 3'\n", tmp_path)[:2] == (3, ["0: x"])


def test_steps_can_run_side_by_side(tmp_path: Path) -> None:
    text = "#!/bin/bash\nsrun -n1 echo a &\nsrun -n1 echo b &\nwait\n"
    assert run(text, tmp_path)[1] == ["a", "b"]


def test_hostnames_are_shown_one_by_one(tmp_path: Path) -> None:
    text = '#!/bin/bash\nscontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1\n'
    assert run(text, tmp_path, SKYPILOT_NODE_IPS="10.0.0.1\n10.0.0.2")[1] == ["10.0.0.1"]


def test_line_numbers_and_standard_input_are_the_scripts_own(tmp_path: Path) -> None:
    code, lines, errors = run("#!/bin/bash\n\nnonesuch\ncat\necho $LINENO\n", tmp_path)
    assert "line 3: nonesuch" in errors
    assert (code, lines) == (0, ["5"])


def test_any_interpreter_will_do(tmp_path: Path) -> None:
    python = (
        "#!/usr/bin/env python3\n#SBATCH -J py\nimport os\nprint(os.environ['SLURM_JOB_NAME'])\n"
    )
    assert run(python, tmp_path)[1] == ["py"]
    assert run("#!/bin/sh\nsrun echo sh\n", tmp_path)[1] == ["sh"]
    assert run("#!/bin/bash -e\nfalse\necho no\n", tmp_path)[:2] == (1, [])


def test_the_script_may_hold_the_end_mark(tmp_path: Path) -> None:
    assert run("#!/bin/bash\necho '\nEND_OF_SCRIPT\n'\n", tmp_path)[1] == ["", "", "END_OF_SCRIPT"]


def test_other_jobs_are_run_as_they_are() -> None:
    (spec,) = parse("run: echo hi").specs
    assert launch_script(spec) == "echo hi"
