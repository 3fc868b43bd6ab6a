"""YAML job files: what good ones give, and where each bad one is said to be wrong."""

import textwrap
from pathlib import Path

import pytest

from suan.jobfile import JobFileError, Parsed, load, parse
from suan.jobfile.document import MAX_JOB_FILE_BYTES
from suan.model.errors import InputError
from suan.model.spec import After, Checkpoint, JobSpec, ResourceOption, RetryPolicy
from suan.model.units import HOUR, MINUTE, SECOND


def read(text: str, **options: object) -> Parsed:
    return parse(textwrap.dedent(text).lstrip("\n"), filename="t.yaml", **options)  # type: ignore[arg-type]


def one(text: str, **options: object) -> JobSpec:
    (spec,) = read(text, **options).specs
    return spec


def problems(text: str, **options: object) -> list[str]:
    with pytest.raises(JobFileError) as caught:
        read(text, **options)
    return [str(problem) for problem in caught.value.problems]


def warnings(text: str, **options: object) -> list[str]:
    return [str(warning) for warning in read(text, **options).warnings]


def test_the_smallest_file() -> None:
    assert one("run: echo hi") == JobSpec(run="echo hi", name="t")


def test_every_acting_field() -> None:
    spec = one(
        """
        name: train
        setup: pip list
        run: |
          python train.py
        workdir: /tmp
        num_nodes: 2
        resources:
          accelerators: A100:2
          cpus: 4+
          memory: 16GB
          infra: slurm/main
        envs: {A: b}
        secrets: {TOKEN: hush}
        labels: {team: vision}
        queue: gpu
        tenant: lab
        priority: 100
        framework: cuda
        reservation: course-7
        time_limit: 1:00:00
        expected: 30m
        max_hourly_cost: 12.5
        after: [ABCDEFGHJKMN, {job: 0123456789AB, condition: ended}]
        retry:
          max_failures: 2
          on_exit_codes: [75, 76]
          max_lost: 1
          max_preempted: 5
          backoff: 10s
        checkpoint: {signal: USR1, grace: 90s}
        array: 0-2
        """
    )
    assert spec == JobSpec(
        run="python train.py\n",
        name="train",
        setup="pip list",
        workdir="/tmp",
        num_nodes=2,
        resources=(ResourceOption(4000, 16384, {"A100": 2000}, "slurm/main"),),
        envs={"A": "b"},
        secrets={"TOKEN": "hush"},
        labels={"team": "vision"},
        queue="gpu",
        tenant="lab",
        priority=100,
        framework="cuda",
        reservation="course-7",
        time_limit=HOUR,
        expected=30 * MINUTE,
        max_hourly_cost=12_500_000,
        after=(After("ABCDEFGHJKMN"), After("0123456789AB", "ended")),
        retry=RetryPolicy(2, (75, 76), 1, 5, 10 * SECOND),
        checkpoint=Checkpoint("SIGUSR1", 90 * SECOND),
        array=(0, 1, 2),
    )


def test_environment_values_stay_as_they_are_written() -> None:
    spec = one(
        """
        run: env
        envs: {COUNTRY: NO, MODE: 010, TIME: 1:30, ON: yes, F: 1e3, D: 2026-01-01, E: "", H: 0x1F}
        """
    )
    assert spec.envs == {
        "COUNTRY": "NO",
        "MODE": "010",
        "TIME": "1:30",
        "ON": "yes",
        "F": "1e3",
        "D": "2026-01-01",
        "E": "",
        "H": "0x1F",
    }


def test_null_values_come_from_the_submitters_environment() -> None:
    text = "run: env\nenvs: {A: }\nsecrets: {B: null}\n"
    spec = one(text, environ={"A": "1", "B": "2"})
    assert (spec.envs, spec.secrets) == ({"A": "1"}, {"B": "2"})
    found = problems(text, environ={"A": "1"})
    assert len(found) == 1
    assert found[0].startswith("t.yaml:3:14: secrets.B: B has no value here")


@pytest.mark.parametrize(
    ("written", "options", "ordered"),
    [
        ("A100", [{"A100": 1000}], False),
        ("{A100: 4}", [{"A100": 4000}], False),
        ("{A100:4, V100:8}", [{"A100": 4000}, {"V100": 8000}], False),
        ("{A100: 4, V100: 8}", [{"A100": 4000}, {"V100": 8000}], False),
        ("['A100:4', 'V100:8']", [{"A100": 4000}, {"V100": 8000}], True),
        ("['A100:4']", [{"A100": 4000}], False),
        ("2", [{"*": 2000}], False),
        ("gpu:0.5", [{"*": 500}], False),
    ],
)
def test_accelerators(written: str, options: list[dict[str, int]], ordered: bool) -> None:
    spec = one(f"run: x\nresources: {{accelerators: {written}}}")
    assert [option.accelerators for option in spec.resources] == options
    assert spec.ordered is ordered


@pytest.mark.parametrize(("kind", "ordered"), [("any_of", False), ("ordered", True)])
def test_alternatives_are_added_to_what_they_share(kind: str, ordered: bool) -> None:
    spec = one(
        f"""
        run: x
        resources:
          cpus: 8
          accelerators: H100:8
          {kind}:
            - infra: k8s/east
            - infra: slurm
              accelerators: {{A100: 8, A800: 8}}
        """
    )
    assert spec.resources == (
        ResourceOption(8000, None, {"H100": 8000}, "kubernetes/east"),
        ResourceOption(8000, None, {"A100": 8000}, "slurm"),
        ResourceOption(8000, None, {"A800": 8000}, "slurm"),
    )
    assert spec.ordered is ordered


def test_merge_keys_and_anchors() -> None:
    spec = one(
        """
        run: x
        envs: &all {A: 1, B: 2}
        labels:
          <<: *all
          B: 3
        """
    )
    assert spec.labels == {"A": "1", "B": "3"}


def test_a_sweep_and_shorthands() -> None:
    spec = one("run: x\nretry: 3\ntime: 90s\nsweep: {LR: [0.1, 1e-3], SEED: 1}")
    assert spec.sweep == {"LR": ("0.1", "1e-3"), "SEED": ("1",)}
    assert spec.retry == RetryPolicy(max_failures=3)
    assert spec.time_limit == 90 * SECOND


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10m", Checkpoint(interval=10 * MINUTE)),
        ("{}", Checkpoint()),
        ("{signal: usr1}", Checkpoint("SIGUSR1")),
        ("{signal: 12, grace: 0s}", Checkpoint("SIGUSR2", grace=0)),
        ("{signal: SIGINT, grace: 2m, interval: 1h}", Checkpoint("SIGINT", 2 * MINUTE, HOUR)),
    ],
)
def test_how_it_saves_its_work(written: str, expected: Checkpoint) -> None:
    assert one(f"run: x\ncheckpoint: {written}").checkpoint == expected


def test_exit_codes_alone_allow_one_more_run() -> None:
    assert one("run: x\nretry: {on_exit_codes: 75}").retry == RetryPolicy(1, (75,))


def test_skypilots_restart_rules() -> None:
    spec = one(
        """
        run: x
        resources:
          job_recovery: {max_restarts_on_errors: 3, recover_on_exit_codes: [33]}
          priority: 7
          labels: {a: b}
        """
    )
    assert spec.retry == RetryPolicy(3, (33,))
    assert (spec.priority, spec.labels) == (7, {"a": "b"})


def test_a_deadline_is_relative_to_now() -> None:
    assert one("run: x\ndeadline: +6h", now=HOUR).deadline == 7 * HOUR
    assert "has passed" in problems("run: x\ndeadline: 2020-01-01T00:00Z", now=2**60)[0]


ERRORS = [
    ("run: x\nreservation: a b\n", "t.yaml:2:14: reservation: 'a b' is not a name"),
    ("", "t.yaml:1:1: the job file is empty"),
    ("# nothing\n---\n", "t.yaml:1:1: the job file is empty"),
    ("- a\n- b\n", "t.yaml:1:1: must be a mapping of fields, not a list"),
    ("hello", "t.yaml:1:1: must be a mapping of fields, not 'hello'"),
    ("name: x\n", "t.yaml:1:1: run is missing"),
    ("name: x\nrun:\n", "t.yaml:1:1: run is missing"),
    ("run: ' '\n", "t.yaml:1:6: run: is empty"),
    ("run: [a]\n", "t.yaml:1:6: run: must be text, not a list"),
    ("run: x\nrun: y\n", "t.yaml:2:1: run: stands twice; it was first given on line 1"),
    ("run: x\nenvs:\n  A: 1\n  A: 2\n", "t.yaml:4:3: envs.A: stands twice"),
    ("run: x\nnum_nodes: two\n", "t.yaml:2:12: num_nodes: must be a whole number, not 'two'"),
    ("run: x\nnum_nodes: 1.5\n", "t.yaml:2:12: num_nodes: must be a whole number"),
    (
        "run: x\nnum_nodes: 2..x\n",
        "t.yaml:2:12: num_nodes: '2..x' is no number of nodes (write 4, or",
    ),
    ("run: x\nnum_nodes: 0..4\n", "t.yaml:2:12: num_nodes: must be from 1 to 10000, got 0"),
    ("run: x\nnum_nodes: 4..2\n", "t.yaml:2:12: num_nodes: the range 4..2 ends before it begins"),
    ("run: x\nnum_nodes: 0\n", "t.yaml:2:12: num_nodes: must be from 1 to 10000, got 0"),
    ("run: x\nnum_nodes: 99999999999999999999\n", "t.yaml:2:12: num_nodes: must be a whole"),
    ("run: x\npriority: 1001\n", "t.yaml:2:11: priority: must be from -1000 to 1000"),
    ("run: x\nresources: 3\n", "t.yaml:2:12: resources: must be a mapping of fields, not '3'"),
    ("run: x\nresources:\n  cpus: -1\n", "t.yaml:3:9: resources.cpus: '-1' is not a number"),
    ("run: x\nresources:\n  cpus: 0\n", "t.yaml:3:9: resources.cpus: zero processors"),
    ("run: x\nresources:\n  memory: lots\n", "t.yaml:3:11: resources.memory: 'lots' is not"),
    ("run: x\nresources:\n  accelerators: []\n", "t.yaml:3:17: resources.accelerators: is empty"),
    (
        "run: x\nresources:\n  accelerators: {A100: many}\n",
        "t.yaml:3:24: resources.accelerators.A",
    ),
    ("run: x\nresources: {any_of: [], cpus: 1}\n", "t.yaml:2:21: resources.any_of: must be a list"),
    (
        "run: x\nresources:\n  any_of: [{cpus: 1}, {cpus: x}]\n",
        "t.yaml:3:30: resources.any_of[1].cpus: 'x' is not a number of processors",
    ),
    (
        "run: x\nresources:\n  any_of: [{cpus: 1}]\n  ordered: [{cpus: 1}]\n",
        "t.yaml:3:3: resources: has both any_of and ordered",
    ),
    ("run: x\nenvs:\n  1A: x\n", "t.yaml:3:7: envs.1A: '1A' cannot name an environment variable"),
    ("run: x\nenvs: 3\n", "t.yaml:2:7: envs: must be a mapping"),
    ("run: x\nenvs:\n  A: [1]\n", "t.yaml:3:6: envs.A: must be text, not a list"),
    ('run: "a\\0b"\n', "t.yaml:1:6: run: holds a NUL character"),
    ("run: x\ntime_limit: 90\n", "t.yaml:2:13: time_limit: '90' has no unit"),
    ("run: x\ntime_limit: 0s\n", "t.yaml:2:13: time_limit: must be longer than nothing"),
    ("run: x\ndeadline: soon\n", "t.yaml:2:11: deadline: 'soon' is not a time"),
    ("run: x\ncheckpoint: 10\n", "t.yaml:2:13: checkpoint: '10' has no unit"),
    ("run: x\ncheckpoint: 0s\n", "t.yaml:2:13: checkpoint: must be longer than nothing"),
    ("run: x\ncheckpoint: [1m]\n", "t.yaml:2:13: checkpoint: must be text, not a list"),
    (
        "run: x\ncheckpoint: {signal: KILL, grace: -1s}\n",
        "t.yaml:2:22: checkpoint.signal: 'KILL' is not a signal to save on (use one of SIGTERM,",
    ),
    ("run: x\ncheckpoint: {grace: soon}\n", "t.yaml:2:21: checkpoint.grace: 'soon' is not a"),
    ("run: x\ncheckpoint: {interval: 0m}\n", "t.yaml:2:24: checkpoint.interval: must be longer"),
    ("run: x\nafter: {condition: ended}\n", "t.yaml:2:8: after: job is missing"),
    (
        "run: x\nafter: {job: b, condition: never}\n",
        "t.yaml:2:28: after.condition: must be one of succeeded, failed, ended, not 'never'",
    ),
    ("run: x\nretry: {max_failures: -1}\n", "t.yaml:2:23: retry.max_failures: must be from 0"),
    ("run: x\nretry: {on_exit_codes: [300]}\n", "t.yaml:2:25: retry.on_exit_codes[0]: must be"),
    ("run: x\narray: 5-1\n", "t.yaml:2:8: array: the range '5-1' is empty"),
    ("run: x\narray: 0-100000\n", "t.yaml:2:8: array: an array has at most 100,000 members"),
    ("run: x\nsweep: {A: []}\n", "t.yaml:2:12: sweep.A: has no values"),
    ("run: x\narray: 0-1\nsweep: {A: [1]}\n", "t.yaml:1:1: array and sweep: use one of them"),
    ("run: x\nname: ''\n", "t.yaml:2:7: name: must be one printable line"),
    ("run: x\nqueue: a b\n", "t.yaml:2:8: queue: 'a b' is not a name"),
    ("run: x\nlabels: a\n", "t.yaml:2:9: labels: must be a mapping, not 'a'"),
    ("run: x\n? [a]\n: b\n", "t.yaml:2:3: a field's name must be text"),
    ("run: x\nlabels: {<<: 3}\n", "t.yaml:2:14: labels: <<: needs a mapping"),
    ("run: x\nworkdir: code\n", "t.yaml:2:10: workdir: the path 'code' is relative"),
    ("run: x\nworkdir: {url: g, ref: m}\n", "t.yaml:2:10: workdir: a git repository"),
    ("name: [a\nrun: x\n", "t.yaml:2:4: not valid YAML: "),
    ("run: x\n\tname: y\n", "t.yaml:2:1: not valid YAML: "),
    ("run: echo a: b\n", "t.yaml:1:12: not valid YAML: mapping values are not allowed"),
    ("run: *nowhere\n", "t.yaml:1:6: not valid YAML: "),
    ("run: a\x07b\n", "t.yaml:1:7: not valid YAML: "),
    ("#SBATCH -N 1\nsrun: [\n", "t.yaml:3:1: not valid YAML: "),
]


@pytest.mark.parametrize(("text", "expected"), ERRORS, ids=range(len(ERRORS)))
def test_errors_say_where_and_what(text: str, expected: str) -> None:
    with pytest.raises(JobFileError) as caught:
        parse(text, filename="t.yaml")
    error = caught.value
    assert [str(p) for p in error.problems if str(p).startswith(expected)], error.problems
    assert error.where == error.problems[0].where
    assert error.mend == error.problems[0].mend


def test_mends_fit_the_mistake() -> None:
    assert "use spaces" in problems("run: x\n\tname: y\n")[0]
    assert "put quotes" in problems("run: echo a: b\n")[0]
    assert "#!/bin/bash" in problems("#SBATCH -N 1\nsrun: [\n")[0]


def test_all_problems_come_in_one_error() -> None:
    with pytest.raises(JobFileError) as caught:
        read("num_nodes: two\nresources: {cpus: x, memory: y}\n")
    error = caught.value
    assert [p.field for p in error.problems] == [
        "",
        "num_nodes",
        "resources.cpus",
        "resources.memory",
    ]
    assert error.message.startswith("run is missing\nand 3 more problems:\n  t.yaml:1:12:")
    assert error.where == "t.yaml:1:1"
    assert error.code == "invalid_input"


def test_a_slip_in_a_name_is_told_with_the_errors() -> None:
    assert problems("runn: x\nfoo: 1\n") == [
        "t.yaml:1:1: run is missing (add run: with the commands)",
        "t.yaml:1:1: runn: unknown field, ignored (did you mean run?)",
    ]


def test_unknown_fields_warn_and_near_misses_are_pointed_out() -> None:
    found = warnings("run: x\nnum_node: 2\nfoo: 1\nresources:\n  acelerators: A100\n")
    assert found == [
        "t.yaml:2:1: num_node: unknown field, ignored (did you mean num_nodes?)",
        "t.yaml:3:1: foo: unknown field, ignored (remove it, or check its spelling)",
        "t.yaml:5:3: resources.acelerators: unknown field, ignored (did you mean accelerators?)",
    ]


def test_fields_without_effect_say_so() -> None:
    found = warnings(
        "run: x\nlatency: 20ms\nbudget: 5\nresources: {use_spot: true}\nservice: {a: 1}\n"
        "array: 0-9%2\n"
    )
    assert len(found) == 5
    assert "latency: recorded with the job, but decides nothing yet" in found[0]
    assert "budget: recorded with the job, but decides nothing yet" in found[1]
    assert "resources.use_spot: accepted, but has no effect in suan" in found[2]
    assert "service: accepted, but has no effect" in found[3]
    assert "array: the limit %2 has no effect" in found[4]


def test_a_single_index_is_pointed_out() -> None:
    assert "write 0-9 for 10 members" in warnings("run: x\narray: 10")[0]


def test_secrets_are_in_no_message() -> None:
    for text in (
        "run: x\nsecrets: {A: [hush]}\n",
        "run: x\nsecrets: {'1A': hush}\n",
        "run: x\nsecrets: {A: hush, A: hush}\n",
        "run: x\nsecrets: hush\n",
        "run: x\nsecrets: {A: hush\n",
    ):
        with pytest.raises(InputError) as caught:
            read(text)
        told = f"{caught.value.message} {caught.value.where} {caught.value.mend}"
        assert "hush" not in told


def test_paths_start_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "data.csv").touch()
    file = tmp_path / "job.yaml"
    file.write_text("run: x\nworkdir: code\nfile_mounts: {data.csv: ./data.csv, b: 's3://b/c'}\n")
    parsed = load(str(file), submit_dir="/")
    (spec,) = parsed.specs
    assert spec.workdir == str(tmp_path / "code")
    assert spec.file_mounts == {"data.csv": str(tmp_path / "data.csv"), "b": "s3://b/c"}
    assert parsed.warnings == ()
    assert spec.name == "job"


def test_what_is_missing_on_disk_is_named(tmp_path: Path) -> None:
    found = problems("run: x\nworkdir: gone\nfile_mounts: {a: lost}\n", base_dir=str(tmp_path))
    assert f"t.yaml:2:10: workdir: the folder {tmp_path}/gone does not exist" in found[0]
    assert f"{tmp_path}/lost does not exist" in found[1]


def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the job file"):
        load(str(tmp_path / "none.yaml"), submit_dir="/")
    with pytest.raises(InputError, match="cannot read the job file"):
        load(str(tmp_path), submit_dir="/")


def test_large_and_binary_files_are_refused_before_parsing(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    file.write_bytes(b"run: x\n" + b"# \xff\n" * (10 * MAX_JOB_FILE_BYTES // 4))
    with pytest.raises(InputError, match="the limit is 1,048,576"):
        load(str(file), submit_dir="/")
    with pytest.raises(InputError, match="not UTF-8"):
        parse(b"run: \xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        parse("run: \ud800")
    with pytest.raises(InputError, match="the limit is"):
        parse("算" * MAX_JOB_FILE_BYTES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("run: " + "[" * 60, "nested more than 50 levels"),
        ("{" * 500_000, "nested more than 50 levels"),
        ("a: &a\n  b: *a\n", "refers to itself"),
        ("---\nrun: x\n" * 1001, "more than 1000 documents"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{y}: &{y} [{','.join([f'*{x}'] * 10)}]\n"
                for x, y in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "more than 200,000 values once its aliases are followed",
        ),
    ],
    ids=["deep", "deeper", "self", "documents", "billion laughs"],
)
def test_hostile_documents_are_refused(text: str, says: str) -> None:
    with pytest.raises(JobFileError, match=says):
        parse(text)


def test_an_array_of_many_listed_indices() -> None:
    assert len(one(f"run: x\narray: [{','.join(map(str, range(100_000)))}]").array) == 100_000


def test_a_file_of_mistakes_costs_no_more_than_a_thousand_of_them() -> None:
    many = "".join(f"u{i}: 1\n" for i in range(50_000))
    assert len(read("run: x\n" + many).warnings) == 1000
    with pytest.raises(JobFileError) as caught:
        parse("#!/bin/sh\n" + "#SBATCH -N x\n" * 50_000)
    assert len(caught.value.problems) == 1000


@pytest.mark.parametrize(
    ("written", "least", "most"),
    [("2..8", 2, 8), ("4", 4, None), ("3..3", 3, None), ("1..2", 1, 2)],
)
def test_a_range_of_nodes_makes_a_job_elastic(written: str, least: int, most: int | None) -> None:
    spec = read(f"run: x\nnum_nodes: {written}\n").specs[0]
    assert (spec.num_nodes, spec.max_nodes) == (least, most)


def test_inputs_are_mounts_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    text = "run: x\ninputs: [a.csv, 's3://b/set/?v=1']\nfile_mounts: {inputs/a.csv: a.csv}\n"
    (spec,) = read(text, base_dir=str(tmp_path)).specs
    assert spec.inputs == (f"{tmp_path}/a.csv", "s3://b/set/?v=1")
    assert spec.file_mounts == {
        "inputs/a.csv": f"{tmp_path}/a.csv",
        "inputs/set": "s3://b/set/?v=1",
    }
    (error,) = problems("run: x\ninputs: ['s3://b/a', 'gs://c/a']\n")
    assert "two of them are called 'a'" in error


def test_storage_mappings_are_copies_of_their_source() -> None:
    parsed = read("run: x\nfile_mounts: {/d: {source: 's3://b/c', mode: MOUNT}, e: {name: n}}\n")
    assert parsed.specs[0].file_mounts == {"/d": "s3://b/c"}
    assert [
        next(w for w in ("copy of what is there", "no `source`") if w in str(each))
        for each in parsed.warnings
    ] == ["copy of what is there", "no `source`"]


def test_outputs_lie_below_the_working_directory() -> None:
    (spec,) = read("run: x\noutputs: [logs/, ./a.txt]\n").specs
    assert spec.outputs == ("logs", "a.txt")
    assert "not below the working directory" in problems("run: x\noutputs: [/tmp/x]\n")[0]
    parsed = read("run: x\noutputs: ['s3://b/c']\n")
    assert parsed.specs[0].outputs == ()
    assert "is not written" in str(parsed.warnings[0])
