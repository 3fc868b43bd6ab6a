"""Runs: gangs, exit codes, environment, limits of time and memory."""

import json
import re

import pytest

from suan.model.job import Cause
from suan.model.units import SECOND
from tests.conformance.pool.trial import Kind, Trial

PYTHON = '"$SUAN_PYTHON"'


async def test_capacity_is_told_once_and_whole(trial: Trial) -> None:
    everything = await trial.pool.observe(None)
    assert everything.nodes
    assert everything.complete
    for node in everything.nodes:
        assert node.total.cpu_milli > 0
        assert node.total.memory_mib > 0
    again = await trial.pool.observe(everything.cursor)
    assert again.nodes is None


async def test_success_is_reported_with_times_and_usage(trial: Trial) -> None:
    ref = await trial.launch("ok-r1", "echo hello")
    outcome = await trial.end("ok-r1")
    assert (outcome.cause, outcome.exit_code, outcome.signal) == (Cause.SUCCEEDED, 0, None)
    report = trial.reports["ok-r1"]
    assert report.ref == ref
    assert report.started_at is not None
    assert report.ended_at is not None
    assert report.started_at <= report.ended_at
    assert report.usage is not None
    assert report.usage.cpu_us is not None
    assert await trial.output("ok-r1") == b"hello\n"


@pytest.mark.parametrize("code", [1, 3, 127, 255])
async def test_exit_code_is_the_last_commands(trial: Trial, code: int) -> None:
    await trial.launch("bad-r1", f"false\n(exit {code})")
    outcome = await trial.end("bad-r1")
    assert (outcome.cause, outcome.exit_code) == (Cause.FAILED, code)


async def test_a_failing_command_in_the_middle_does_not_end_the_script(trial: Trial) -> None:
    await trial.launch("mid-r1", "false\necho on")
    assert (await trial.end("mid-r1")).cause is Cause.SUCCEEDED


@pytest.mark.parametrize(("name", "number"), [("KILL", 9), ("SEGV", 11), ("TERM", 15)])
async def test_signal_is_told(trial: Trial, name: str, number: int) -> None:
    await trial.launch("sig-r1", f"kill -{name} $$")
    outcome = await trial.end("sig-r1")
    assert (outcome.cause, outcome.exit_code, outcome.signal) == (
        Cause.FAILED, 128 + number, number,
    )  # fmt: skip


async def test_gang_has_ranks_and_meets(trial: Trial) -> None:
    """Four tasks really exchange data at MASTER_ADDR:MASTER_PORT."""
    script = f"""{PYTHON} - <<'EOF'
import os, socket
rank, nodes = int(os.environ["SUAN_TASK_RANK"]), int(os.environ["SUAN_NUM_NODES"])
address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    with socket.create_server(address) as server:
        peers = [server.accept()[0] for _ in range(nodes - 1)]
        ranks = sorted(int(peer.recv(16)) for peer in peers)
        for peer in peers:
            peer.sendall(b"go")
            peer.close()
    print("met", ranks)
else:
    import time
    for _ in range(1000):
        try:
            peer = socket.create_connection(address)
            break
        except ConnectionRefusedError:
            time.sleep(0.01)
    peer.sendall(str(rank).encode())
    assert peer.recv(16) == b"go"
    peer.close()
    print("went", rank)
EOF"""
    await trial.launch("gang-r1", script, tasks=4)
    assert (await trial.end("gang-r1")).cause is Cause.SUCCEEDED
    assert await trial.output("gang-r1", task=0) == b"met [1, 2, 3]\n"
    assert await trial.output("gang-r1", task=3) == b"went 3\n"


async def test_first_failing_task_ends_the_gang(trial: Trial) -> None:
    script = 'if [ "$SUAN_TASK_RANK" = 2 ]; then exit 7; fi; sleep 600'
    await trial.launch("fail-r1", script, tasks=4)
    outcome = await trial.end("fail-r1")
    assert (outcome.cause, outcome.exit_code) == (Cause.FAILED, 7)
    assert "task 2" in outcome.detail


async def test_environment_has_the_names_people_know(kind: Kind, trial: Trial) -> None:
    script = f"{PYTHON} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    secrets = {"TOKEN": "s3cret"}
    env = {"GREETING": "你好 $HOME", "SLURM_JOB_ID": "7"}
    await trial.launch("env-r1", script, tasks=2, env=env, secrets=secrets)
    assert (await trial.end("env-r1")).cause is Cause.SUCCEEDED
    found = json.loads(await trial.output("env-r1", task=1))
    expected = {
        "SUAN_JOB_ID": "env", "SUAN_RUN_ID": "env-r1", "SUAN_TASK_RANK": "1",
        "SUAN_NUM_NODES": "2", "SKYPILOT_NODE_RANK": "1", "SKYPILOT_NUM_NODES": "2",
        "SKYPILOT_NUM_GPUS_PER_NODE": "0", "SLURM_PROCID": "1", "SLURM_NODEID": "1",
        "GREETING": "你好 $HOME", "TOKEN": "s3cret",
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    assert found["SKYPILOT_NODE_IPS"].splitlines() == found["SUAN_NODE_IPS"].splitlines()
    assert len(found["SUAN_NODE_IPS"].splitlines()) == 2
    assert found["SUAN_NODE"] == found["SLURMD_NODENAME"]
    if kind.names_nodes:
        assert found["SUAN_NODE"] == trial.nodes[1 % len(trial.nodes)]
    assert re.fullmatch(r"\d+", found["MASTER_PORT"])
    assert found["SUAN_OUTPUT_DIR"]
    assert "SUAN_KILL_AT" not in found


async def test_standard_input_is_empty(trial: Trial) -> None:
    await trial.launch("in-r1", "cat; echo done")
    await trial.end("in-r1")
    assert await trial.output("in-r1") == b"done\n"


async def test_setup_shares_the_shell_and_comes_first(trial: Trial) -> None:
    await trial.launch("set-r1", "echo $FROM_SETUP", setup="FROM_SETUP=yes; cd /")
    assert (await trial.end("set-r1")).cause is Cause.SUCCEEDED
    assert await trial.output("set-r1") == b"yes\n"


async def test_failed_setup_ends_the_task(trial: Trial) -> None:
    await trial.launch("set-r2", "echo never", setup="(exit 9)")
    assert (await trial.end("set-r2")).exit_code == 9
    assert await trial.output("set-r2") == b""


async def test_script_may_name_its_interpreter(trial: Trial) -> None:
    await trial.launch("bang-r1", "#!/usr/bin/env python3\nprint(6 * 7)\n")
    assert (await trial.end("bang-r1")).cause is Cause.SUCCEEDED
    assert await trial.output("bang-r1") == b"42\n"


async def test_large_script_runs(trial: Trial) -> None:
    """Far above what fits in one argument of a command."""
    script = "\n".join(["# " + "x" * 98] * 20_000 + ["echo end"])
    await trial.launch("long-r1", script)
    assert (await trial.end("long-r1")).cause is Cause.SUCCEEDED
    assert await trial.output("long-r1") == b"end\n"


async def test_time_limit_ends_the_run(trial: Trial) -> None:
    await trial.launch("time-r1", "sleep 600", time_limit=SECOND // 5)
    outcome = await trial.end("time-r1")
    assert outcome.cause is Cause.TIMED_OUT
    assert "0.2 s" in outcome.detail


async def test_memory_limit_is_told_as_such(trial: Trial) -> None:
    holds = "import sys, time; x = b'x' * (400 << 20); time.sleep(float(sys.argv[1]))"
    script = f'exec {PYTHON} -c "{holds}"'
    await trial.launch("mem-r1", script + " 60", memory_limit_mib=200)
    assert (await trial.end("mem-r1")).cause is Cause.OUT_OF_MEMORY
    await trial.launch("mem-r2", script + " 0", memory_limit_mib=800)
    assert (await trial.end("mem-r2")).cause is Cause.SUCCEEDED


async def test_memory_limit_holds_for_the_tree_together(trial: Trial) -> None:
    """Six processes of 60 MiB stay below the limit each, and not together."""
    one = f"{PYTHON} -c 'import time; x = b\"x\" * (60 << 20); time.sleep(600)' &"
    await trial.launch("mem-r3", "\n".join([one] * 6) + "\nwait", memory_limit_mib=200)
    assert (await trial.end("mem-r3")).cause is Cause.OUT_OF_MEMORY


async def test_workdir_is_used_as_it_is(trial: Trial) -> None:
    workdir = trial.directory / "my work"
    workdir.mkdir()
    (workdir / "input").write_text("42\n")
    await trial.launch("dir-r1", "cat input; touch made", workdir=str(workdir))
    assert (await trial.end("dir-r1")).cause is Cause.SUCCEEDED
    assert await trial.output("dir-r1") == b"42\n"
    assert (workdir / "made").exists()


@pytest.mark.parametrize("workdir", ["/does/not/exist", "relative", "/dev/null"])
async def test_bad_workdir_is_refused_for_good(kind: Kind, trial: Trial, workdir: str) -> None:
    if workdir.startswith("/") and not kind.sees_files:
        await trial.launch("dir-r2", "true", workdir=workdir)
        outcome = await trial.end("dir-r2")
        assert (outcome.cause, outcome.exit_code) == (Cause.FAILED, 126)
        assert f"workdir '{workdir}'" in outcome.detail
        return
    assert "workdir" in await trial.refused("dir-r2", workdir=workdir)


async def test_unknown_node_and_bad_variable_are_refused(trial: Trial) -> None:
    assert "no node nowhere" in await trial.refused("node-r1", nodes=("nowhere",))
    assert "cannot be set" in await trial.refused("var-r1", env={"A=B": "1"})
    assert "not the name of a run" in await trial.refused("../x-r1")


async def test_file_mounts_appear_below_the_workdir(trial: Trial) -> None:
    source = trial.directory / "data"
    source.mkdir()
    (source / "x").write_text("mounted\n")
    await trial.launch("mnt-r1", "cat in/data/x", file_mounts={"in/data": str(source)})
    assert (await trial.end("mnt-r1")).cause is Cause.SUCCEEDED
    assert await trial.output("mnt-r1") == b"mounted\n"


@pytest.mark.parametrize(
    ("destination", "source", "said"),
    [
        ("data", "s3://bucket/data", "cannot fetch"),
        ("data", "/no/such/file", "does not exist"),
        ("/etc/data", "/etc/hostname", "outside"),
        ("../data", "/etc/hostname", "outside"),
    ],
)
async def test_bad_mount_is_refused(
    kind: Kind, trial: Trial, destination: str, source: str, said: str
) -> None:
    if said == "does not exist" and not kind.sees_files:
        await trial.launch("mnt-r2", "true", file_mounts={destination: source})
        assert said in (await trial.end("mnt-r2")).detail
        return
    assert said in await trial.refused("mnt-r2", file_mounts={destination: source})
