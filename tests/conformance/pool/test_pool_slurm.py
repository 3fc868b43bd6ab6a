"""Slurm alone: what only a cluster, its other users and its operator can do to a run."""

import asyncio
import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from suan.model.errors import PoolError, PoolRejected, PoolUnavailable
from suan.model.job import Cause
from suan.model.offer import NodeStatus
from suan.model.resources import Resources
from suan.model.units import MINUTE, SECOND, RunId
from suan.pools.slurm.login.attempts import Attempts
from tests.conformance.pool.killing import dies_at, runs_once
from tests.conformance.pool.trial import SlurmKind, Trial
from tests.sharing import NotHere
from tests.slurm import cancel_below, clock, command, saved, up
from tests.waiting import until, until_async

LAUNCH_AND_DIE = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.conformance.pool.trial import SlurmKind
async def main():
    kind = SlurmKind(Path(sys.argv[2]), {"c1": sys.argv[3]})
    async with kind.trial() as trial:
        await trial.launch("kill-r1", "echo x >> " + sys.argv[2] + "/count")
asyncio.run(main())
"""
GPUS = "H100"


@pytest.fixture
def kind(tmp_path: Path, slurm_clusters: dict[str, Path]) -> SlurmKind:
    return SlurmKind(tmp_path, slurm_clusters)


@pytest.fixture
def own(tmp_path: Path, slurm_clusters: dict[str, Path]) -> Iterator[SlurmKind]:
    """A cluster that no other test uses meanwhile, so that it may be broken."""
    kind = SlurmKind(tmp_path, slurm_clusters)
    kind.cluster = "c2"
    with (kind.conf.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield kind
        command(kind.conf, "scancel", "--user", "root")


async def job_of(trial: Trial, kind: SlurmKind, run: str) -> str:
    """The Slurm job of a run."""
    argv = ("squeue", "-h", f"--name={run}", "-o", "%A %k")
    (line,) = command(kind.conf, *argv).splitlines()
    job, comment = line.split()
    assert comment.startswith(f"suan:slurm:{run}:")
    return job


async def node(trial: Trial, name: str) -> NodeStatus:
    everything = await trial.pool.observe(None)
    assert everything.nodes is not None
    return next(each for each in everything.nodes if each.name == name)


@pytest.mark.parametrize("point", ["before_submitting", "submitted"])
async def test_server_killed_while_it_launches(kind: SlurmKind, point: str) -> None:
    await dies_at(f"slurm.{point}", LAUNCH_AND_DIE, str(kind.directory), str(kind.conf))
    await runs_once(kind, found=point != "before_submitting")


async def test_a_submission_that_nobody_noted_is_found_by_its_name(own: SlurmKind) -> None:
    own.more = "  sbatch_options: [--hold]\n"
    async with own.trial() as trial:
        await trial.launch("noted-r1", "echo ran")
    record = own.directory / "shared" / "runs" / "noted-r1" / "launch.1"
    launched, submitted = record.read_text().splitlines()
    assert submitted.isdigit()
    record.write_text(f"{launched}\n")
    async with own.trial() as after:
        assert await after.pool.find(RunId("noted-r1")) == "noted-r1"
        command(own.conf, "scontrol", "release", await job_of(after, own, "noted-r1"))
        assert (await after.end("noted-r1")).cause is Cause.SUCCEEDED
        assert await after.output("noted-r1") == b"ran\n"


async def test_the_line_to_the_login_node_breaks_and_is_made_anew(kind: SlurmKind) -> None:
    async with kind.trial() as trial:
        await trial.launch("line-r1", "echo one; sleep 1; echo two")
        process = trial.pool._line._process
        os.kill(process.pid, signal.SIGKILL)
        await until_async(lambda: gone(process), what="the program's end")
        assert (await trial.end("line-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("line-r1") == b"one\ntwo\n"


async def gone(process) -> bool:
    return process.returncode is not None


async def test_a_job_that_slurm_keeps_waiting_is_taken_back(own: SlurmKind) -> None:
    own.more = "  sbatch_options: [--hold]\n  patience_s: 1\n"
    async with own.trial() as trial:
        await trial.launch("wait-r1", "echo never")
        outcome = await trial.end("wait-r1")
        assert outcome.cause is Cause.UNLAUNCHED
        assert "JobHeldUser" in outcome.detail
        assert command(own.conf, "squeue", "-h", "--name=wait-r1") == ""


async def test_cancelled_while_slurm_keeps_it_waiting(own: SlurmKind) -> None:
    own.more = "  sbatch_options: [--hold]\n"
    async with own.trial() as trial:
        ref = await trial.launch("hold-r1", "echo never")
        await trial.pool.cancel(ref, MINUTE)
        assert (await trial.end("hold-r1")).cause is Cause.CANCELLED
        assert command(own.conf, "squeue", "-h", "--name=hold-r1") == ""


async def test_cancelled_by_somebody_in_slurm(kind: SlurmKind) -> None:
    async with kind.trial() as trial:
        await trial.launch("ext-r1", "echo ready; sleep 600")
        await trial.output_holds("ext-r1", b"ready")
        command(kind.conf, "scancel", await job_of(trial, kind, "ext-r1"))
        outcome = await trial.end("ext-r1")
        assert outcome.cause is Cause.CANCELLED
        assert "not by suan" in outcome.detail


@pytest.mark.parametrize("file", ["launch.1", "turn.1"])
async def test_a_job_that_has_another_runs_id_now_is_left_alone(own: SlurmKind, file: str) -> None:
    """A controller that was killed soon after a submission forgets it, and gives its id again."""
    record = own.directory / "shared" / "runs" / "old-r1" / file
    gate = own.directory / "gate"
    goes_on = f"until test -e {gate}; do sleep 0.1; done"
    if file == "launch.1":
        own.more = "  sbatch_options: [--hold]\n"
    async with own.trial() as trial:
        await trial.launch("old-r1", "echo ready; sleep 600")
        if file == "turn.1":
            await trial.output_holds("old-r1", b"ready")
        old = await job_of(trial, own, "old-r1")
    own.more = ""
    async with own.trial() as trial:
        await trial.launch("new-r1", f"trap 'echo asked; exit 9' TERM; echo ready; {goes_on}")
        await trial.output_holds("new-r1", b"ready")
        new = await job_of(trial, own, "new-r1")
        text, found = re.subn(rf"(?m)^{old}\b", new, record.read_text())
        assert found == 1
        record.write_text(text)
        await trial.pool.cancel("old-r1", 5 * MINUTE if file == "turn.1" else 0)
        command(own.conf, "scancel", old)
        assert (await trial.end("old-r1")).cause is Cause.CANCELLED
        gate.touch()
        assert (await trial.end("new-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("new-r1") == b"ready\n"


async def test_a_test_ends_what_is_its_own_and_nothing_else(
    kind: SlurmKind, tmp_path: Path, slurm_clusters: dict[str, Path]
) -> None:
    """Others run on the same cluster at the same time: what ended everything failed them."""
    theirs = SlurmKind(tmp_path / "theirs", slurm_clusters)
    mine = SlurmKind(tmp_path / "mine", slurm_clusters)
    for each in (theirs, mine):
        each.directory.mkdir()
    async with theirs.trial() as others, mine.trial() as trial:
        await others.launch("theirs-r1", "echo ready; sleep 600")
        await trial.launch("mine-r1", "echo ready; sleep 600")
        await others.output_holds("theirs-r1", b"ready")
        await trial.output_holds("mine-r1", b"ready")
        cancel_below(kind.conf, mine.directory)
        assert "not by suan" in (await trial.end("mine-r1")).detail
        assert await job_of(others, theirs, "theirs-r1")
        await others.pool.cancel("theirs-r1", 0)
        await others.end("theirs-r1")


async def test_a_failed_node_means_lost(own: SlurmKind) -> None:
    async with own.trial() as trial:
        await trial.launch("node-r1", "echo ready; sleep 600", nodes=("c2-n2",))
        await trial.output_holds("node-r1", b"ready")
        command(own.conf, "scontrol", "update", "node=c2-n2", "state=down", "reason=test")
        try:
            outcome = await trial.end("node-r1")
            assert outcome.cause is Cause.LOST
            assert "node failed" in outcome.detail
        finally:
            until(lambda: back(own, "c2-n2"), what="the node's return")


def back(kind: SlurmKind, name: str) -> bool:
    """Whether a node that was set down is in use again; the operator's word is given once more."""
    env = {**os.environ, "SLURM_CONF": str(kind.conf)}
    resume = ("scontrol", "update", f"node={name}", "state=resume")
    subprocess.run(resume, env=env, capture_output=True, check=False)
    return command(kind.conf, "sinfo", "-h", "-n", name, "-o", "%T").strip() == "idle"


async def test_what_slurm_requeues_does_not_run_twice(own: SlurmKind) -> None:
    own.more = "  sbatch_options: [--requeue]\n"
    count = own.directory / "count"
    async with own.trial() as trial:
        await trial.launch("req-r1", f"echo x >> {count}; echo ready; sleep 600")
        await trial.output_holds("req-r1", b"ready")
        command(own.conf, "scontrol", "requeue", await job_of(trial, own, "req-r1"))
        outcome = await trial.end("req-r1")
        assert outcome.cause is Cause.LOST
        assert "requeued" in outcome.detail
        until(
            lambda: command(own.conf, "squeue", "-h", "--name=req-r1") == "",
            what="the job's end",
        )
    assert count.read_text() == "x\n"


FREEZE_STEPD = """
pid=$$
while [ "$(cat /proc/$pid/comm)" != slurmstepd ]; do
  read -r _ _ _ pid _ < <(sed 's/(.*)/x/' /proc/$pid/stat)
done
kill -STOP $pid
echo $pid
"""


async def test_a_job_that_nobody_tells_slurm_the_end_of_is_ended(own: SlurmKind) -> None:
    async with own.trial() as trial:
        await trial.launch("mute-r1", FREEZE_STEPD)
        try:
            assert (await trial.end("mute-r1")).cause is Cause.SUCCEEDED
        finally:
            os.kill(int(await trial.output("mute-r1")), signal.SIGKILL)
        assert (await job_of(trial, own, "mute-r1")).isdigit()
        until(
            lambda: command(own.conf, "squeue", "-h", "--name=mute-r1") == "",
            timeout=45,  # Slurm finds out by itself after a minute, if its controller lives
            what="the job's end",
        )


async def test_jobs_of_others_and_the_operators_word_are_respected(own: SlurmKind) -> None:
    slurm = own.conf
    theirs = ("-c", "10", "--mem=1000", "--gres=gpu:h100:3", "-w", "c2-n1", "-o", "/dev/null")
    async with own.trial() as trial:
        command(slurm, "sbatch", *theirs, "--wrap", "sleep 600")
        command(slurm, "scontrol", "update", "node=c2-n2", "state=drain", "reason=test")
        reserve = ("create", "reservation=maint", "starttime=now+1hour", "duration=60", "user=root")
        command(slurm, "scontrol", *reserve, "nodes=c2-n3")
        try:
            first = await until_async(lambda: taken(trial, "c2-n1"), what="their job")
            assert first.others_use == Resources(10_000, 1000, ((GPUS, 3000),))
            assert first.total == Resources(64_000, 512_000, ((GPUS, 8000),))
            assert first.schedulable
            assert not (await node(trial, "c2-n2")).schedulable
            assert not (await node(trial, "c2-n3")).schedulable
        finally:
            command(slurm, "scontrol", "delete", "reservation=maint")
            command(slurm, "scontrol", "update", "node=c2-n2", "state=resume")


async def taken(trial: Trial, name: str) -> NodeStatus | None:
    found = await node(trial, name)
    return found if found.others_use.cpu_milli else None


async def test_our_own_runs_are_not_counted_as_others(own: SlurmKind) -> None:
    need = Resources(4000, 2048, ((GPUS, 2000),))
    async with own.trial() as trial:
        ref = await trial.launch("own-r1", "echo ready; sleep 600", per_task=need)
        await trial.output_holds("own-r1", b"ready")
        assert (await node(trial, "c2-n1")).others_use == Resources()
        await trial.pool.cancel(ref, 0)
        await trial.end("own-r1")


async def test_each_task_of_an_uneven_gang_has_devices_of_its_own(own: SlurmKind) -> None:
    script = 'echo "$SUAN_TASK_RANK $SUAN_NODE $CUDA_VISIBLE_DEVICES"'
    nodes = ("c2-n1", "c2-n2", "c2-n1")
    need = Resources(1000, 512, ((GPUS, 2000),))
    async with own.trial() as trial:
        await trial.launch("dev-r1", script, nodes=nodes, per_task=need)
        assert (await trial.end("dev-r1")).cause is Cause.SUCCEEDED
        said = [(await trial.output("dev-r1", task=rank)).decode().split() for rank in range(3)]
    assert [(rank, name) for rank, name, _ in said] == [
        (str(rank), name) for rank, name in enumerate(nodes)
    ]
    devices = [set(each.split(",")) for _, _, each in said]
    assert all(len(each) == 2 for each in devices)
    assert not devices[0] & devices[2]


async def test_a_task_fails_before_another_of_its_gang_has_begun(own: SlurmKind) -> None:
    """Slurm ends the others as it should, but not the one that begins only afterwards."""
    late = int((own.conf.parent / "slurmd.c2-n2.pid").read_text())
    failed = own.directory / "shared" / "runs" / "late-r1" / "task-0.end.1"
    script = 'if [ "$SUAN_TASK_RANK" = 0 ]; then exit 7; fi; sleep 600'
    async with own.trial() as trial:
        os.kill(late, signal.SIGSTOP)
        try:
            await trial.launch("late-r1", script, nodes=("c2-n1", "c2-n2"))
            await asyncio.to_thread(until, failed.exists, what="the failure")
            await asyncio.sleep(1.0)
        finally:
            os.kill(late, signal.SIGCONT)
        outcome = await trial.end("late-r1")
    assert (outcome.cause, outcome.exit_code) == (Cause.FAILED, 7)


async def test_the_controller_dies_and_comes_back(own: SlurmKind) -> None:
    directory = own.conf.parent
    fifo = own.directory / "fifo"
    os.mkfifo(fifo)
    async with own.trial() as trial:
        await trial.launch("ctl-r1", f"echo ready; cat {fifo}")
        await trial.output_holds("ctl-r1", b"ready")
        saved(own.conf)
        controller = int((directory / "slurmctld.pid").read_text())
        os.kill(controller, signal.SIGKILL)
        try:
            with pytest.raises(PoolUnavailable):
                await trial.pool.observe(None)
            with pytest.raises(PoolError):
                await trial.launch("ctl-r2", "true")
            fifo.write_text("went on\n")
        finally:
            until(lambda: not Path(f"/proc/{controller}").exists(), what="the controller's end")
            (directory / "slurmctld.pid").unlink()
            up(directory.parent, "-c", "2", "-n", "3")
        assert (await trial.end("ctl-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("ctl-r1") == b"ready\nwent on\n"
        if await trial.pool.find(RunId("ctl-r2")) is None:
            await trial.launch("ctl-r2", "true")
        assert (await trial.end("ctl-r2")).cause is Cause.SUCCEEDED


SHIFTED = "import time\n_true = time.time\ntime.time = lambda: _true() + {}\n"


@pytest.mark.parametrize("offset_s", [-3600, 3600])
async def test_a_cluster_whose_clock_is_wrong(
    kind: SlurmKind, offset_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starts and ends are told by the server's clock, or an hour would be billed as nothing."""
    try:
        env = clock(offset_s)
    except NotHere as reason:
        if os.environ.get("SUAN_REQUIRE_SLURM") == "1":
            raise
        pytest.skip(str(reason))
    (kind.directory / "sitecustomize.py").write_text(SHIFTED.format(offset_s))
    monkeypatch.setenv("PYTHONPATH", str(kind.directory))  # for the login node's program alone
    old = kind.directory / "old-bash"  # what bash 5 knows of the time libfaketime does not change
    old.write_text("unset EPOCHREALTIME\n")
    env["BASH_ENV"] = str(old)
    async with kind.trial() as trial:
        before = time.time()
        await trial.launch("clock-r1", "date +%s; sleep 1.5", env=env)
        await trial.end("clock-r1")
        theirs = int(await trial.output("clock-r1"))
    report = trial.reports["clock-r1"]
    assert report.started_at is not None
    assert report.ended_at is not None
    assert abs(theirs - before - offset_s) < 600  # the cluster's clock is wrong indeed
    assert before - 3 <= report.started_at / SECOND <= report.ended_at / SECOND <= time.time() + 3
    assert report.ended_at - report.started_at >= 1.4 * SECOND


async def test_a_partition_that_is_not_there(kind: SlurmKind) -> None:
    kind.more = "  partition: nosuch\n"
    pool = kind.open()
    with pytest.raises(PoolRejected, match="no partition called 'nosuch'") as raised:
        await pool.observe(None)
    assert "main" in raised.value.mend
    await pool.close()


async def test_no_commands_on_the_login_node(
    kind: SlurmKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = kind.open()
    monkeypatch.setenv("PATH", str(kind.directory))
    with pytest.raises(PoolUnavailable, match="cannot be run on the login node") as raised:
        await pool.observe(None)
    assert "PATH" in raised.value.mend
    await pool.close()


async def test_what_is_recorded_holds_no_secret(kind: SlurmKind) -> None:
    secret = "hunter2-" * 4
    async with kind.trial() as trial:
        await trial.launch("sec-r1", 'test -n "$PASSWORD"', secrets={"PASSWORD": secret})
        assert (await trial.end("sec-r1")).cause is Cause.SUCCEEDED
    for path in kind.directory.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    record = Attempts(str(kind.directory / "shared" / "runs" / "sec-r1")).launch(1)
    assert record is not None
    assert record["tasks"] == 1
