"""Slurm batch scripts: what each option becomes, and where each mistake is."""

from pathlib import Path

import pytest

from suan.jobfile import JobFileError, Parsed, job_environment, parse
from suan.jobfile.environment import sized
from suan.jobfile.slurm.options import OPTIONS
from suan.model.spec import After, Checkpoint, JobSpec, RetryPolicy
from suan.model.units import HOUR, MINUTE


def script(*options: str, body: str = "true") -> str:
    return "\n".join(["#!/bin/bash", *(f"#SBATCH {option}" for option in options), "", body, ""])


def read(*options: str, **given: object) -> Parsed:
    return parse(script(*options), filename="s.sbatch", **given)  # type: ignore[arg-type]


def one(*options: str, **given: object) -> JobSpec:
    (spec,) = read(*options, **given).specs
    return spec


def test_the_smallest_script(tmp_path: Path) -> None:
    spec = one(base_dir=str(tmp_path))
    assert spec.run == script()
    assert (spec.name, spec.origin, spec.workdir) == ("s", "sbatch", str(tmp_path))
    assert spec.resources[0].cpu_milli == 1000
    assert spec.envs["SLURM_SUBMIT_DIR"] == str(tmp_path)


@pytest.mark.parametrize("options", [("-J a -N 2",), ("-Ja", "-N2"), ("--job-name=a --nodes 2",)])
def test_ways_to_write_an_option(options: tuple[str, ...]) -> None:
    spec = one(*options)
    assert (spec.name, spec.num_nodes) == ("a", 2)


@pytest.mark.parametrize(
    ("written", "expected", "warning"),
    [
        ("USR1", Checkpoint("SIGUSR1", MINUTE), "sent when the job is preempted, not before"),
        ("B:USR2@120", Checkpoint("SIGUSR2", 2 * MINUTE), "sent to all processes of the job"),
        ("R:10@0", Checkpoint("SIGUSR1", 0), "sent when the job is preempted"),
        ("SIGKILL@30", None, "SIGKILL is not sent"),
    ],
)
def test_a_signal_is_sent_when_it_is_preempted(
    written: str, expected: Checkpoint | None, warning: str
) -> None:
    parsed = read(f"--signal={written}")
    assert parsed.specs[0].checkpoint == expected
    assert warning in str(parsed.warnings[0])
    with pytest.raises(JobFileError, match="is no signal"):
        read("--signal=USR1@soon")


SHAPES = [
    # options, nodes, cpus per node, memory per node, accelerators per node, tasks
    ("", 1, 1, None, {}, 1),
    ("-n 4", 1, 4, None, {}, 4),
    ("-n 4 -c 2", 1, 8, None, {}, 4),
    ("-N 2 -n 4 -c 2", 2, 4, None, {}, 4),
    ("-N 2 -n 5", 2, 3, None, {}, 5),
    ("-N 2 --ntasks-per-node=4", 2, 4, None, {}, 8),
    ("-n 8 --ntasks-per-node=4", 2, 4, None, {}, 8),
    ("-N 2-4", 2, 1, None, {}, 2),
    ("--mem=4G", 1, 1, 4096, {}, 1),
    ("--mem=512", 1, 1, 512, {}, 1),
    ("--mem=0", 1, 1, None, {}, 1),
    ("-n 2 -c 2 --mem-per-cpu=1G", 1, 4, 4096, {}, 2),
    ("--gres=gpu:2", 1, 1, None, {"*": 2000}, 1),
    ("--gres=gpu:a100:2,nic:1", 1, 1, None, {"a100": 2000}, 1),
    ("--gres=gpu:a100:2(S:0-1)", 1, 1, None, {"a100": 2000}, 1),
    ("--gres=gpu", 1, 1, None, {"*": 1000}, 1),
    ("--gres=npu:Ascend910B3:8", 1, 1, None, {"Ascend910B3": 8000}, 1),
    ("-N 2 -G 8", 2, 1, None, {"*": 4000}, 2),
    ("-N 2 --gpus=h100:3", 2, 1, None, {"h100": 2000}, 2),
    ("-N 2 --gpus-per-node=a100:4", 2, 1, None, {"a100": 4000}, 2),
    ("-n 4 --gpus-per-task=1", 1, 4, None, {"*": 4000}, 4),
    ("--gpus-per-node=2 --mem-per-gpu=8G", 1, 1, 16384, {"*": 2000}, 1),
]


@pytest.mark.parametrize(("options", "nodes", "cpus", "memory", "accelerators", "tasks"), SHAPES)
def test_shapes(
    options: str,
    nodes: int,
    cpus: int,
    memory: int | None,
    accelerators: dict[str, int],
    tasks: int,
) -> None:
    spec = one(options)
    (option,) = spec.resources
    assert spec.num_nodes == nodes
    assert option.cpu_milli == 1000 * cpus
    assert option.memory_mib == memory
    assert option.accelerators == accelerators
    assert spec.envs["SLURM_NTASKS"] == str(tasks)


def test_the_other_options(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    spec = one(
        "-t 1-0 --array=0-8:4",
        "-d afterok:ABC:DEF,afterany:GHI --priority=5000 --no-requeue",
        "-D run -o out/%x-%j.txt --export=A=1,B,C",
        "-p gpu -A lab --qos=high",
        base_dir=str(tmp_path),
        environ={"B": "2"},
    )
    assert spec.time_limit == 24 * HOUR
    assert spec.array == (0, 4, 8)
    assert spec.after == (After("ABC"), After("DEF"), After("GHI", "ended"))
    assert spec.priority == 1000
    assert spec.retry == RetryPolicy(max_lost=0, max_preempted=0)
    assert spec.workdir == str(tmp_path / "run")
    assert spec.stdout == spec.stderr == str(tmp_path / "run/out/%x-%j.txt")
    assert {k: v for k, v in spec.envs.items() if len(k) == 1} == {"A": "1", "B": "2"}
    assert spec.labels == {"partition": "gpu", "account": "lab", "qos": "high"}


def test_errors_go_to_their_own_file() -> None:
    spec = one("-o /tmp/o -e /tmp/e")
    assert (spec.stdout, spec.stderr) == ("/tmp/o", "/tmp/e")
    assert one("-t UNLIMITED").time_limit is None
    assert one("-t 90").time_limit == 90 * MINUTE


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--mem=lots", "s.sbatch:2:9: --mem: 'lots' is not an amount of memory"),
        ("--nodes", "s.sbatch:2:9: --nodes: has no value"),
        ("-N 0", "s.sbatch:2:9: --nodes: '0' is not a number"),
        ("-N 10001", "s.sbatch:2:9: --nodes: at most 10000 nodes"),
        ("-n 99999 --ntasks-per-node=1", "s.sbatch:2:9: --ntasks: needs 99999 nodes"),
        ("-t soon", "s.sbatch:2:9: --time: 'soon' is not a time"),
        ("-a 5-1", "s.sbatch:2:9: --array: the range '5-1' is empty"),
        ("-d singleton", "s.sbatch:2:9: --dependency: the dependency 'singleton' is not supported"),
        ("--reservation=a,b", "s.sbatch:2:9: --reservation: 'a,b' names no reservation"),
        ("-d afterok", "s.sbatch:2:9: --dependency: 'afterok' names no job"),
        ("-d afterok:1?afterok:2", "s.sbatch:2:9: --dependency: alternatives (?) are not"),
        ("--priority=high", "s.sbatch:2:9: --priority: "),
        ("-a " + "1," * 5000, "s.sbatch:2:1: #SBATCH: the line is longer than 8192"),
        ("--job-name='x", "s.sbatch:2:1: #SBATCH: no closing quotation"),
        ("--gres=gpu:0", "s.sbatch:2:9: --gres: zero accelerators"),
        ("--export=A-B", "s.sbatch:2:9: --export: 'A-B' names no variable"),
        ("--chdir=sub", "s.sbatch:2:9: --chdir: the path 'sub' is relative"),
    ],
)
def test_errors_say_where_and_what(options: str, expected: str) -> None:
    with pytest.raises(JobFileError) as caught:
        read(options)
    assert str(caught.value.problems[0]).startswith(expected)


def test_every_problem_is_told() -> None:
    with pytest.raises(JobFileError) as caught:
        read("-N x", "-t y --mem=z")
    assert [problem.where for problem in caught.value.problems] == [
        "s.sbatch:2:9",
        "s.sbatch:3:9",
        "s.sbatch:3:9",
    ]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobFileError, match=f"{tmp_path}/gone does not exist"):
        read("-D gone", base_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--foo=1", "s.sbatch:2:9: --foo: unknown option, ignored (remove it"),
        ("--arrya=1-3", "s.sbatch:2:9: --arrya: unknown option, ignored (did you mean --array?)"),
        ("--mail-user=me", "s.sbatch:2:9: --mail-user: accepted, but has no effect in suan"),
        ("--exclusive -N 1", "s.sbatch:2:9: --exclusive: accepted, but has no effect"),
        ("-p gpu", "s.sbatch:2:9: --partition: kept as a label"),
        ("-N 2", "s.sbatch:2:9: --nodes: the script runs on every node"),
        ("-a 1-3%2", "s.sbatch:2:9: --array: the limit %2 has no effect"),
        ("--export=ALL", "s.sbatch:2:9: --export: ALL: the submitter's environment is not"),
        ("--export=GONE", "s.sbatch:2:9: --export: GONE is not set in the environment"),
        ("--priority=-9999", "s.sbatch:2:9: --priority: -9999 is brought to -1000"),
    ],
)
def test_what_has_no_effect_warns(options: str, expected: str) -> None:
    (warning,) = read(options).warnings
    assert str(warning).startswith(expected)


def test_options_after_the_first_command_are_ignored_as_in_slurm() -> None:
    text = "#!/bin/sh\n\n# about\n##SBATCH -N 9\n#SBATCH -n 2 # two\n\ndate\n#SBATCH -N 3\n"
    parsed = parse(text, filename="s.sh")
    assert parsed.specs[0].num_nodes == 1
    assert parsed.specs[0].envs["SLURM_NTASKS"] == "2"
    assert str(parsed.warnings[0]).startswith("s.sh:8:1: #SBATCH: comes after the first command")


def test_the_last_of_two_wins() -> None:
    assert one("-J a", "-J b").name == "b"


def test_option_names_are_unique() -> None:
    assert len({option.long for option in OPTIONS}) == len(OPTIONS)
    shorts = [option.short for option in OPTIONS if option.short]
    assert len(set(shorts)) == len(shorts)


@pytest.mark.parametrize(
    ("options", "least", "most"),
    [
        ("-N 2-8", 2, 8),
        ("--nodes=3-3", 3, None),
        ("--nodes=2-8\n#SBATCH --ntasks=16", 2, None),
        ("--nodes=2-8\n#SBATCH --gpus=8", 2, None),
        ("--nodes=2-8\n#SBATCH --ntasks-per-node=4", 2, 8),
    ],
)
def test_a_range_of_nodes_is_the_least_and_the_most(options: str, least: int, most: int) -> None:
    spec = one(*options.split("\n#SBATCH "))
    assert (spec.num_nodes, spec.max_nodes) == (least, most)


def test_a_range_that_ends_before_it_begins() -> None:
    with pytest.raises(JobFileError, match="the range 8-2 ends before it begins"):
        one("--nodes=8-2")


def test_a_run_of_another_size_has_slurms_variables_of_that_size() -> None:
    spec = one("--nodes=2-8", "--ntasks-per-node=4", "--cpus-per-task=2")
    env = job_environment(sized(spec, 3), job="J", run="J-r1")
    wanted = {
        "SUAN_NUM_NODES": "3",
        "SKYPILOT_NUM_NODES": "3",
        "SLURM_NNODES": "3",
        "SLURM_NTASKS": "12",
        "SLURM_TASKS_PER_NODE": "4(x3)",
        "SLURM_JOB_CPUS_PER_NODE": "8(x3)",
        "SLURM_CPUS_PER_TASK": "2",
    }
    assert {name: env[name] for name in wanted} == wanted
