"""The local pool alone: its server, its fork server, its runners and its disk die."""

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from suan.model.errors import PoolOutcomeUnknown, PoolUnavailable
from suan.model.job import Cause
from suan.model.units import RunId
from suan.pools.local.pool import LocalPool
from tests.conformance.pool.killing import dies_at
from tests.conformance.pool.test_pool_cancel import escaped
from tests.conformance.pool.trial import LocalKind
from tests.waiting import until

LAUNCH_AND_DIE = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.conformance.pool.trial import LocalKind
async def main():
    async with LocalKind(Path(sys.argv[2])).trial() as trial:
        await trial.launch("kill-r1", "echo x >> " + sys.argv[2] + "/count")
asyncio.run(main())
"""


@pytest.fixture
def kind(tmp_path: Path) -> LocalKind:
    return LocalKind(tmp_path)


def run_directory(kind: LocalKind, run: str) -> Path:
    return kind.home / "pools" / "local" / "runs" / run


def status(kind: LocalKind, run: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((run_directory(kind, run) / "status.json").read_text())
    return found


def fork_servers(kind: LocalKind) -> list[int]:
    """The processes that look like one, but for those it forked: numbers say nothing of age."""
    mark = str(kind.home / "pools" / "forkserver.users").encode()
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if any(word.startswith(mark) for word in command):
                parents[int(entry.name)] = int(parent)
    return [process for process, parent in parents.items() if parent not in parents]


@pytest.mark.parametrize("point", ["directory_made", "launch_written", "runner_started"])
async def test_server_killed_while_it_launches(kind: LocalKind, point: str) -> None:
    await dies_at(f"local.{point}", LAUNCH_AND_DIE, str(kind.directory))
    count = kind.directory / "count"
    async with kind.trial() as trial:
        found = await trial.pool.find(RunId("kill-r1"))
        assert (found is None) == (point != "runner_started")
        if found is None:
            await trial.observe()
            assert trial.reports == {}
            await trial.launch("kill-r1", f"echo x >> {count}")
        assert (await trial.end("kill-r1")).cause is Cause.SUCCEEDED
    assert count.read_text() == "x\n"


async def test_a_killed_runner_means_lost_and_leaves_nothing(kind: LocalKind) -> None:
    async with kind.trial() as trial:
        await escaped(trial, "lost-r1", "sleep 600 & echo $!; setsid sleep 600 & wait")
        runner = status(kind, "lost-r1")["runner"]
        assert isinstance(runner, int)
        os.kill(runner, signal.SIGKILL)
        outcome = await trial.end("lost-r1")
        assert outcome.cause is Cause.LOST
        assert "runner died" in outcome.detail
        until(lambda: not trial.running(), what="the end of what escaped")
        until(lambda: not _marked(kind, "lost-r1"), what="the end of all that it left")


async def test_a_runner_killed_while_nobody_looked(kind: LocalKind) -> None:
    async with kind.trial() as before:
        await before.launch("lost-r2", "sleep 600")
    runner = status(kind, "lost-r2")["runner"]
    assert isinstance(runner, int)
    os.kill(runner, signal.SIGKILL)
    until(lambda: not alive(runner), what="the runner's end")
    async with kind.trial() as after:
        outcome = after.reports["lost-r2"].outcome
        assert outcome is not None
        assert outcome.cause is Cause.LOST
        assert not _marked(kind, "lost-r2")


def _marked(kind: LocalKind, run: str) -> list[str]:
    mark = f"SUAN_RUN_DIR={run_directory(kind, run)}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(entry.name)
            except (OSError, ProcessLookupError):
                continue
    return found


async def test_runs_survive_their_fork_server_and_it_is_replaced(kind: LocalKind) -> None:
    fifo = kind.directory / "fifo"
    os.mkfifo(fifo)
    async with kind.trial() as trial:
        await trial.launch("fork-r1", f"cat {fifo}")
        (server,) = set(fork_servers(kind)) - {status(kind, "fork-r1")["runner"]}
        os.kill(server, signal.SIGKILL)
        until(lambda: not alive(server), what="the fork server's end")
        await trial.launch("fork-r2", "true")
        assert (await trial.end("fork-r2")).cause is Cause.SUCCEEDED
        fifo.write_text("on\n")
        assert (await trial.end("fork-r1")).cause is Cause.SUCCEEDED


async def test_the_fork_server_ends_when_nobody_uses_it(kind: LocalKind) -> None:
    async with kind.trial() as trial:
        await trial.launch("idle-r1", "true")
        await trial.end("idle-r1")
        assert fork_servers(kind)
    until(lambda: not fork_servers(kind), timeout=10, what="the fork server's end")


async def test_secrets_are_nowhere_on_disk(kind: LocalKind) -> None:
    secret = "hunter2-" * 4
    async with kind.trial() as trial:
        await trial.launch("sec-r1", 'test -n "$PASSWORD"', secrets={"PASSWORD": secret})
        assert (await trial.end("sec-r1")).cause is Cause.SUCCEEDED
    for path in kind.directory.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    assert (run_directory(kind, "sec-r1") / "launch.json").stat().st_mode & 0o777 == 0o600


async def test_limits_in_force_are_told(kind: LocalKind) -> None:
    async with kind.trial() as trial:
        await trial.launch("lim-r1", "true", memory_limit_mib=100)
        await trial.end("lim-r1")
    told = str(status(kind, "lim-r1")["limits"])
    assert told.startswith(("cgroup v2: memory 100 MiB", "rlimit: memory 100 MiB"))


async def test_a_damaged_status_reads_as_lost(kind: LocalKind) -> None:
    async with kind.trial() as trial:
        await trial.launch("dam-r1", "true")
        await trial.end("dam-r1")
        (run_directory(kind, "dam-r1") / "status.json").write_bytes(b'{"state": "en')
    async with kind.trial() as after:
        outcome = after.reports["dam-r1"].outcome
        assert outcome is not None
        assert outcome.cause is Cause.LOST


@pytest.fixture
def small_disk(kind: LocalKind) -> Path:
    """The pool's home on a file system of 2 MiB."""
    if os.getuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    kind.home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(kind.home)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    return kind.home


async def test_full_disk_is_the_jobs_error_and_its_end_is_told(
    kind: LocalKind, small_disk: Path
) -> None:
    try:
        async with kind.trial() as trial:
            await trial.launch("full-r1", "head -c 4M /dev/zero; code=$?; sync; exit $code")
            outcome = await trial.end("full-r1")
            assert (outcome.cause, outcome.exit_code) == (Cause.FAILED, 1)
            assert status(kind, "full-r1")["state"] == "ended"
            with pytest.raises(PoolUnavailable, match="No space left"):
                await trial.launch("full-r2", "true")
            (run_directory(kind, "full-r1") / "task-0.stdout").unlink()
            await trial.launch("full-r2", "true")
            assert (await trial.end("full-r2")).cause is Cause.SUCCEEDED
        await asyncio.to_thread(until, lambda: not fork_servers(kind), 10)
    finally:
        subprocess.run(["umount", "--lazy", str(small_disk)], check=True)


async def test_directories_of_runs_that_ended_long_ago_go(kind: LocalKind) -> None:
    async with kind.trial() as trial:
        for run in ("old-r1", "new-r1"):
            await trial.launch(run, "true")
            await trial.end(run)
        until(lambda: not alive_runner(kind, "old-r1"), what="the runner's end")
        os.utime(run_directory(kind, "old-r1"), (0, 0))
        await trial.pool.observe(None)
    assert not run_directory(kind, "old-r1").exists()
    assert run_directory(kind, "new-r1").exists()


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def alive_runner(kind: LocalKind, run: str) -> bool:
    runner = status(kind, run)["runner"]
    return isinstance(runner, int) and alive(runner)


async def test_a_launch_that_waited_while_its_run_was_given_up_comes_too_late(
    kind: LocalKind,
) -> None:
    """Its caller gave up waiting, asked, was told "never", and may have retried elsewhere."""
    mark = kind.directory / "ran"
    async with kind.trial() as trial:
        pool = trial.pool
        assert isinstance(pool, LocalPool)
        ticket = next(pool._runs.tickets)  # asked for now, its turn comes later
        assert await pool.find(RunId("late-r1")) is None
        with pytest.raises(PoolOutcomeUnknown):
            pool._runs.launch(trial.a_launch("late-r1", f"touch {mark}"), ticket)
        assert not mark.exists()
        await trial.launch("late-r1", "true")
        assert (await trial.end("late-r1")).cause is Cause.SUCCEEDED
