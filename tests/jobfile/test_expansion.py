"""Arrays, sweeps, patterns, the environment, and commands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.jobfile import (
    Membership,
    command_spec,
    expand_pattern,
    job_environment,
    members,
    parse_array,
    slurm_environment,
)
from suan.model.errors import InputError
from suan.model.spec import JobSpec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-9", (tuple(range(10)), None)),
        ("1,3,5", ((1, 3, 5), None)),
        ("5,1,1", ((1, 5), None)),
        ("0-20:5", ((0, 5, 10, 15, 20), None)),
        ("0-99%10", (tuple(range(100)), 10)),
        ("7", ((7,), None)),
        ("1-3,10-20:10", ((1, 2, 3, 10, 20), None)),
    ],
)
def test_arrays(text: str, expected: tuple[tuple[int, ...], int | None]) -> None:
    assert parse_array(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "-1",
        "3-1",
        "0-9:0",
        "0-9%",
        "0-9%0",
        "0-100000",
        "0-999999999",
        "1,,2",
        "0-9:",
        ",".join(["0-99999"] * 1000),
    ],
)
def test_what_is_no_array(text: str) -> None:
    with pytest.raises(ValueError):
        parse_array(text)


@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=50))
def test_listed_indices_read_back(indices: set[int]) -> None:
    assert parse_array(",".join(map(str, indices))) == (tuple(sorted(indices)), None)


def test_members_of_a_sweep_are_its_grid() -> None:
    spec = JobSpec(run="x", sweep={"A": ("1", "2"), "B": ("x", "y")})
    assert members(spec) == [
        (0, {"A": "1", "B": "x"}),
        (1, {"A": "1", "B": "y"}),
        (2, {"A": "2", "B": "x"}),
        (3, {"A": "2", "B": "y"}),
    ]
    assert members(JobSpec(run="x", array=(3, 5))) == [(3, {}), (5, {})]
    assert members(JobSpec(run="x")) == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("slurm-%j.out", "slurm-J7.out"),
        ("%x-%A_%a.txt", "a_b-AR_5.txt"),
        ("%4a", "0005"),
        ("%N.%n.%t", "node2.2.2"),
        ("%%j", "%j"),
        ("%q", "%q"),
        ("\\%j", "%j"),
        ("100%", "100%"),
    ],
)
def test_patterns(pattern: str, expected: str) -> None:
    assert expand_pattern(pattern, job="J7", name="a/b", array_id="AR", index=5, node=2) == expected


def test_patterns_outside_an_array() -> None:
    assert expand_pattern("%A.%j", job="J7", name="n") == "J7.J7"


def test_the_environment_of_a_member() -> None:
    spec = JobSpec(run="x", name="n", envs={"A": "1", "SUAN_JOB_ID": "mine"}, num_nodes=2)
    member = Membership("AR", 1, {"LR": "0.1", "A": "2"}, (0, 1))
    env = job_environment(spec, job="J", run="J-r2", attempt=2, member=member, user="ann")
    assert env["A"] == "2"
    assert env["SUAN_JOB_ID"] == "J"
    assert (env["SUAN_ARRAY_ID"], env["SUAN_ARRAY_INDEX"], env["SUAN_ARRAY_SIZE"]) == (
        "AR",
        "1",
        "2",
    )
    assert json.loads(env["SUAN_PARAMS"]) == {"LR": "0.1", "A": "2"}
    assert (env["SUAN_ATTEMPT"], env["SUAN_USER"], env["DSTACK_NODES_NUM"]) == ("2", "ann", "2")
    assert not [name for name in env if name.startswith("SLURM_")]


def test_secrets_are_not_in_the_environment_of_a_spec() -> None:
    spec = JobSpec(run="x", secrets={"TOKEN": "hush"})
    assert "hush" not in job_environment(spec, job="J", run="J-r1").values()


def test_slurms_environment_of_a_member() -> None:
    spec = JobSpec(run="x", name="n", workdir="/w", origin="sbatch", labels={"partition": "p"})
    member = Membership("AR", 4, {}, (0, 4, 8))
    env = slurm_environment(spec, job="J", attempt=3, member=member, user="ann")
    assert env["SLURM_JOB_PARTITION"] == "p"
    assert env["SLURM_RESTART_COUNT"] == "2"
    assert env["SLURM_SUBMIT_DIR"] == "/w"
    assert [env[f"SLURM_ARRAY_TASK_{x}"] for x in ("ID", "COUNT", "MIN", "MAX", "STEP")] == [
        "4",
        "3",
        "0",
        "8",
        "4",
    ]
    assert (
        env.items()
        <= job_environment(spec, job="J", run="J-r3", attempt=3, member=member, user="ann").items()
    )


def test_a_command_becomes_a_job() -> None:
    spec = command_spec(["python", "train.py", "--note", "a b"], workdir="/w")
    assert spec == JobSpec(
        run="python train.py --note 'a b'", name="train", workdir="/w", origin="command"
    )


@pytest.mark.parametrize(
    ("argv", "name"),
    [(["/usr/bin/env"], "env"), (["python3", "-c", "x"], "python3"), (["bash", "a.sh"], "a")],
)
def test_a_commands_name(argv: list[str], name: str) -> None:
    assert command_spec(argv).name == name


def test_no_command_is_an_error() -> None:
    with pytest.raises(InputError, match="no command"):
        command_spec([])
