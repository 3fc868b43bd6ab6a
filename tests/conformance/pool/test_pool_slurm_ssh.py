"""Slurm through ssh: a real sshd, the user's own configuration, a line that breaks."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from suan.model.errors import PoolAuthError, PoolOutcomeUnknown, PoolUnavailable
from suan.model.job import Cause
from suan.model.units import MINUTE, RunId
from suan.pools.slurm.login.attempts import Attempts
from suan.pools.slurm.pool import SlurmPool
from tests.conformance.pool.trial import SlurmKind, Trial
from tests.ssh import Wire, down, up
from tests.waiting import until, until_async


@pytest.fixture
def kind(
    tmp_path: Path,
    slurm_clusters: dict[str, Path],
    ssh_login: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> SlurmKind:
    """A pool whose login node is this machine, by ssh; as if ``~/.ssh/config`` were that of
    ``ssh_login``."""
    return through(tmp_path, slurm_clusters, ssh_login, monkeypatch)


def through(
    folder: Path,
    clusters: dict[str, Path],
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: str = "",
) -> SlurmKind:
    """``ssh`` is found first in a folder of the test's, where it has its configuration named."""
    ssh, commands = shutil.which("ssh"), folder / "bin"
    commands.mkdir()
    (commands / "ssh").write_text(f'#!/bin/sh\nexec {ssh} -F {config} {options} "$@"\n')
    (commands / "ssh").chmod(0o700)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    kind = SlurmKind(folder, clusters)
    kind.more = "  host: login\n"
    return kind


def line_of(trial: Trial) -> asyncio.subprocess.Process:
    """The ssh that the pool holds open."""
    assert isinstance(trial.pool, SlurmPool)
    assert trial.pool._line is not None
    process = trial.pool._line._process
    assert process is not None
    return process


async def noticed(trial: Trial) -> bool:
    """Whether the pool knows that its line is broken."""
    assert isinstance(trial.pool, SlurmPool)
    return trial.pool._line is not None and trial.pool._line._process is None


async def test_a_job_runs_as_it_would_here(kind: SlurmKind) -> None:
    said = 'echo "rank $SUAN_TASK_RANK of $SUAN_NUM_NODES says $WORD, 你好"'
    script = said + "; exit $((3 * SUAN_TASK_RANK))"  # the first that fails ends the others
    async with kind.trial() as trial:
        assert len(trial.nodes) == 3
        assert any("sbatch would take" in line for line in await trial.pool.check())
        await trial.launch("ssh-r1", script, tasks=2, env={"WORD": 'a "quoted" $word'})
        outcome = await trial.end("ssh-r1")
        assert (outcome.cause, outcome.exit_code) == (Cause.FAILED, 3)
        said = (await trial.output("ssh-r1", task=1)).decode()
        assert said == 'rank 1 of 2 says a "quoted" $word, 你好\n'
        ssh = Path(f"/proc/{line_of(trial).pid}/cmdline").read_bytes().split(b"\0")
        assert b"login" in ssh


async def test_the_line_breaks_and_the_run_does_not_notice(kind: SlurmKind) -> None:
    fifo = kind.directory / "fifo"
    os.mkfifo(fifo)
    async with kind.trial() as trial:
        ref = await trial.launch("brk-r1", f"echo one; cat {fifo}")
        await trial.output_holds("brk-r1", b"one")
        ssh = line_of(trial)
        os.kill(ssh.pid, signal.SIGKILL)
        await until_async(lambda: noticed(trial), what="the broken line to be noticed")
        fifo.write_text("two\n")
        assert (await trial.end("brk-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("brk-r1") == b"one\ntwo\n"
        assert line_of(trial).pid != ssh.pid
        await trial.pool.cancel(ref, MINUTE)  # of what has ended: no harm


@pytest.mark.parametrize(
    ("host", "said"),
    [("refused", "Permission denied"), ("stranger", "Host key verification failed")],
)
async def test_who_is_not_let_in_is_told_what_to_mend(
    kind: SlurmKind, host: str, said: str
) -> None:
    kind.more = f"  host: {host}\n"
    pool = kind.open()
    with pytest.raises(PoolAuthError, match=said) as raised:
        await pool.observe(None)
    assert f"`ssh {host} true` must work" in raised.value.mend
    await pool.close()


async def test_a_login_node_that_is_gone_and_comes_back(
    tmp_path: Path,
    slurm_clusters: dict[str, Path],
    ssh_login: Path,  # it has installed what there is to install
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path / "sshd"
    kind = through(tmp_path, slurm_clusters, up(own), monkeypatch)
    try:
        async with kind.trial() as trial:
            down(own)
            ssh = line_of(trial)
            os.kill(ssh.pid, signal.SIGKILL)
            await until_async(lambda: noticed(trial), what="the broken line to be noticed")
            with pytest.raises(PoolUnavailable, match="Connection refused"):
                await trial.pool.observe(None)
            with pytest.raises(PoolUnavailable, match="Connection refused"):  # and not: unknown
                await trial.launch("gone-r1", "true")
            up(own)
            await trial.launch("gone-r1", "echo back")
            assert (await trial.end("gone-r1")).cause is Cause.SUCCEEDED
            assert await trial.output("gone-r1") == b"back\n"
    finally:
        down(own)


@pytest.mark.parametrize("arrives", [True, False])
async def test_the_network_parts_while_a_run_is_launched(
    arrives: bool,
    tmp_path: Path,
    slurm_clusters: dict[str, Path],
    ssh_login: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The request is lost on its way, or the answer: nobody can tell, and it runs once."""
    words = ssh_login.read_text().split()
    port = int(words[words.index("Port") + 1])
    count = tmp_path / "count"
    async with Wire(port).laid() as wire:
        options = f"-o Port={wire.port} -o 'HostKeyAlias=[127.0.0.1]:{port}'"
        kind = through(tmp_path, slurm_clusters, ssh_login, monkeypatch, options)
        async with kind.trial() as trial:
            wire.mute, wire.deaf = arrives, not arrives
            launch = asyncio.create_task(trial.launch("part-r1", f"echo x >> {count}"))
            if arrives:
                record = Attempts(str(tmp_path / "shared" / "runs" / "part-r1"))
                await asyncio.to_thread(until, lambda: record.job(1), 60, what="the job")
            await asyncio.to_thread(until, lambda: wire.lost, 60, what="a loss")
            wire.cut()
            with pytest.raises(PoolOutcomeUnknown):
                await launch
            found = await trial.pool.find(RunId("part-r1"))
            assert (found is not None) == arrives
            if found is None:
                await trial.launch("part-r1", f"echo x >> {count}")
            assert (await trial.end("part-r1")).cause is Cause.SUCCEEDED
    assert count.read_text() == "x\n"
