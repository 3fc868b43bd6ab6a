"""Slurm by slurmrestd: what only this way to a cluster can do to a pool. The suite runs it, too."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from suan.model.errors import PoolAuthError, PoolError, PoolRejected, PoolUnavailable
from suan.model.job import Cause
from suan.model.pool import Pool
from suan.pools.slurm.login.attempts import Attempts
from suan.pools.slurm.pool import SlurmPool
from tests.conformance.pool.trial import SlurmRestKind, Trial
from tests.slurm import command, down, token, up
from tests.waiting import until, until_async
from tests.webserver import web

ONE = ("-c", "1", "-n", "1", "-r", "-o", "MessageTimeout=3")  # a controller is soon given up


@pytest.fixture
def kind(tmp_path: Path, slurm_rest: Path) -> SlurmRestKind:
    return SlurmRestKind(tmp_path, slurm_rest)


@pytest.fixture
def own(tmp_path: Path, slurm_rest: Path) -> Iterator[SlurmRestKind]:
    """A cluster of the test's own, that it may break."""
    assert slurm_rest  # there is a slurmrestd to be had
    directory = Path(tempfile.mkdtemp(prefix="suan-rest-", dir="/tmp"))
    try:
        yield SlurmRestKind(tmp_path, up(directory, *ONE)["c1"])
    finally:
        down(directory)
        shutil.rmtree(directory, ignore_errors=True)


async def checked(pool: Pool) -> list[str]:
    """What the check of a pool says."""
    assert isinstance(pool, SlurmPool)
    try:
        return await pool.check()
    finally:
        await pool.close()


async def trouble(pool: Pool) -> PoolError:
    """What the check of a pool stumbles over."""
    with pytest.raises(PoolError) as raised:
        await checked(pool)
    return raised.value


async def test_the_newest_version_that_both_know_is_spoken(kind: SlurmRestKind) -> None:
    version, taken, _ = await checked(kind.open())
    assert version.startswith("slurm ")
    assert ", by slurmrestd v0.0." in version
    assert "v0.0.36" not in version
    assert "partitions: main" in version
    assert taken.startswith("slurmrestd answers ")


async def test_an_expired_token_is_told_as_such_and_a_new_one_is_taken_up(
    kind: SlurmRestKind,
) -> None:
    kind.token_file.write_text(token(kind.given, 1))
    pool = kind.open()
    assert isinstance(pool, SlurmPool)
    try:
        told = await expired(pool)
        assert "has expired, at 2" in str(told)
        assert "scontrol token username=" in told.mend
        kind.token_file.write_text("SLURM_JWT=" + token(kind.given) + "\n")
        assert await pool.check()
    finally:
        await pool.close()


async def expired(pool: SlurmPool) -> PoolAuthError:
    """Ask until the token has expired."""
    async with asyncio.timeout(60):
        while True:
            try:
                await pool.check()
            except PoolAuthError as told:
                return told
            except PoolUnavailable:
                continue  # a busy daemon resets a connection


async def test_a_token_of_another_cluster_is_told_as_such(kind: SlurmRestKind) -> None:
    head, claims, sealed = token(kind.given).split(".")
    kind.token_file.write_text(".".join((head, claims, sealed[::-1])))
    told = await trouble(kind.open())
    assert isinstance(told, PoolAuthError)
    assert "slurmctld does not accept the token" in str(told)


async def test_no_token_is_told_as_such(
    kind: SlurmRestKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (kind.given.parent / "slurmrestd.url").read_text().strip()
    way = f"  url: {url}\n  user: {os.environ.get('USER', 'root')}\n"
    told = await trouble(kind.opened(way + "  token_file: /no/such/file\n"))
    assert isinstance(told, PoolAuthError)
    assert "into /no/such/file" in told.mend
    told = await trouble(kind.opened(way + "  token_env: NO_SUCH\n"))
    assert "NO_SUCH" in str(told)
    monkeypatch.setenv("THEIR_TOKEN", token(kind.given))
    assert await checked(kind.opened(way + "  token_env: THEIR_TOKEN\n"))


async def test_what_is_no_slurmrestd_and_what_is_not_there(kind: SlurmRestKind) -> None:
    kind.token_file.write_text("x.y.z")
    way = f"  user: ada\n  token_file: {kind.token_file}\n"
    with web() as served:
        told = await trouble(kind.opened(f"  url: {served.url}\n{way}"))
    assert isinstance(told, PoolRejected)
    assert "speaks no version of the API from v0.0.37" in str(told)
    told = await trouble(kind.opened(f"  url: http://127.0.0.1:1\n{way}"))
    assert isinstance(told, PoolUnavailable)
    assert "cannot be reached" in str(told)


async def test_an_option_that_it_cannot_be_told(kind: SlurmRestKind) -> None:
    kind.more = "  sbatch_options: [--switches=2]\n"
    told = await trouble(kind.open())
    assert isinstance(told, PoolRejected)
    assert "cannot be told '--switches=2'" in str(told)


async def test_only_its_own_job_is_cancelled(kind: SlurmRestKind) -> None:
    gate = kind.directory / "gate"
    goes_on = f"echo ready; until test -e {gate}; do sleep 0.1; done"
    kind.more = "  sbatch_options: [--hold]\n"
    async with kind.trial() as trial:
        await trial.launch("old-r1", "true")
        await trial.pool.cancel("old-r1", 0)
        await trial.end("old-r1")
        assert command(kind.given, "squeue", "-h", "--name=old-r1") == ""
        await trial.launch("old-r2", "true")
    kind.more = ""
    record = kind.directory / "shared" / "runs" / "old-r2"
    async with kind.trial() as trial:
        await trial.launch("new-r1", goes_on)
        await trial.output_holds("new-r1", b"ready")
        old, new = (Attempts(str(record.with_name(run))).job(1) for run in ("old-r2", "new-r1"))
        assert old
        assert new
        Attempts(str(record)).submitted(1, new)
        await trial.pool.cancel("old-r2", 0)
        command(kind.given, "scancel", old)
        assert (await trial.end("old-r2")).cause is Cause.CANCELLED
        gate.touch()
        assert (await trial.end("new-r1")).cause is Cause.SUCCEEDED


async def test_controller_and_daemon_die_and_come_back(own: SlurmRestKind) -> None:
    place = own.given.parent
    gate = own.directory / "gate"
    async with own.trial() as trial:
        script = f"echo ready; until test -e {gate}; do sleep 0.1; done; echo went on"
        await trial.launch("ctl-r1", script)
        await trial.output_holds("ctl-r1", b"ready")
        for daemon, said in (("slurmctld", "contact slurm controller"), ("slurmrestd", "reached")):
            ended(place / f"{daemon}.pid", asked=daemon == "slurmctld")
            with pytest.raises(PoolUnavailable, match=said):
                await trial.pool.observe(None)
            with pytest.raises(PoolUnavailable):
                await trial.launch("ctl-r2", "true")
            up(place.parent, *ONE)
            await until_async(lambda: answers(trial), what="an answer")
        gate.touch()
        assert (await trial.end("ctl-r1")).cause is Cause.SUCCEEDED
        assert await trial.output("ctl-r1") == b"ready\nwent on\n"
        await trial.launch("ctl-r2", "true")
        assert (await trial.end("ctl-r2")).cause is Cause.SUCCEEDED


async def answers(trial: Trial) -> bool:
    try:
        await trial.pool.observe(None)
    except PoolUnavailable:
        return False
    return True


def ended(pid_file: Path, *, asked: bool) -> None:
    """End a daemon, and wait until it has."""
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM if asked else signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists(), 60, what="a daemon's end")
    pid_file.unlink(missing_ok=True)
