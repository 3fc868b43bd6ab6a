"""Files that jobs bring, and files that they leave; on every kind that can be sent any."""

import asyncio
import os
from pathlib import Path

import pytest

from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.job import Cause
from suan.model.pool import Deliver, Outputs, Parcel
from tests.conformance.pool.trial import Kind, Trial
from tests.content.shelf import Shelf

BIG = os.urandom(1 << 20) * 10  # several pieces


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def sent_to(trial: Trial) -> Deliver:
    if not isinstance(trial.pool, Deliver):
        pytest.skip(f"pools of the kind {trial.pool.kind} cannot be sent files")
    return trial.pool


async def deliver(trial: Trial, shelf: Shelf, *parcels: Parcel) -> list[int]:
    """Deliver them, and give what the pool said to have moved."""
    told: list[int] = []
    for parcel in parcels:
        await sent_to(trial).deliver(parcel, shelf, told.append)
    return told


async def test_a_run_finds_what_its_job_brings(trial: Trial, shelf: Shelf) -> None:
    work = shelf.parcel({"数据/a b": b"one\n", "run.sh": b"echo two\n", "l": Path("数据/a b")})
    mount = shelf.parcel({"": b"three\n"}, "more/file")
    empty = shelf.parcel({}, "none")
    await deliver(trial, shelf, work, mount, empty)
    script = 'cat "数据/a b"; sh run.sh; cat more/file; cat l; ls none; echo changed > "数据/a b"'
    for run in ("files-r1", "files-r2"):  # the second starts from what was brought, too
        await trial.launch(run, script, parcels=(work, mount, empty))
        assert (await trial.end(run)).cause is Cause.SUCCEEDED
        assert await trial.output(run) == b"one\ntwo\nthree\none\n"


async def test_mounts_are_laid_over_the_working_directory(trial: Trial, shelf: Shelf) -> None:
    work = shelf.parcel({"conf/a": b"old\n", "conf/b": b"kept\n"})
    mount = shelf.parcel({"a": b"new\n"}, "conf")
    await deliver(trial, shelf, work, mount)
    await trial.launch("over-r1", "cat conf/a conf/b", parcels=(work, mount))
    await trial.end("over-r1")
    assert await trial.output("over-r1") == b"new\nkept\n"


async def test_nothing_is_sent_twice(trial: Trial, shelf: Shelf, kind: Kind) -> None:
    first = shelf.parcel({"a": b"a" * 5000, "b": b"b" * 5000, "same": b"a" * 5000})
    told = await deliver(trial, shelf, first)
    assert (shelf.bytes_read, sum(told)) == (10_000, 10_000)
    second = shelf.parcel({"a": b"a" * 5000, "b": b"B" * 5000})  # one file is edited
    assert sum(await deliver(trial, shelf, first, second)) == 20_000
    assert shelf.bytes_read == 15_000
    async with kind.trial() as later:  # after a restart
        assert sum(await deliver(later, shelf, second)) == 10_000
    assert shelf.bytes_read == 15_000


async def test_it_goes_on_where_it_broke_off(trial: Trial, shelf: Shelf, kind: Kind) -> None:
    sent_to(trial)
    parcel = shelf.parcel({"big": BIG})
    shelf.stops_after = 8 << 20
    sending = asyncio.ensure_future(deliver(trial, shelf, parcel))
    await asyncio.wait_for(shelf.stopped.wait(), 30)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    with pytest.raises(PoolUnavailable):
        await trial.launch("part-r1", "true", parcels=(parcel,))
    before, shelf.stops_after = shelf.bytes_read, None
    async with kind.trial() as later:
        assert sum(await deliver(later, shelf, parcel)) == len(BIG)
        assert shelf.bytes_read - before <= len(BIG) - before
        await later.launch("part-r2", "sha256sum < big", parcels=(parcel,))
        await later.end("part-r2")
        found = await later.output("part-r2")
    assert found.split()[0].decode() == next(
        digest for digest, data in shelf.contents.items() if data == BIG
    )


async def test_what_was_not_delivered_is_unavailable(trial: Trial, shelf: Shelf) -> None:
    parcel = shelf.parcel({"a": b"never sent"})
    sent_to(trial)
    with pytest.raises(PoolUnavailable):
        await trial.launch("gone-r1", "true", parcels=(parcel,))
    await deliver(trial, shelf, parcel)
    await trial.launch("gone-r1", "cat a", parcels=(parcel,))
    await trial.end("gone-r1")
    assert await trial.output("gone-r1") == b"never sent"


@pytest.mark.parametrize("target", ["../up", "/tmp/elsewhere", "a/../../up"])
async def test_nothing_is_laid_out_elsewhere(trial: Trial, shelf: Shelf, target: str) -> None:
    parcel = shelf.parcel({"evil": b"x"}, target)
    await deliver(trial, shelf, parcel)
    with pytest.raises(PoolRejected):
        await trial.launch("evil-r1", "true", parcels=(parcel,))


async def test_what_is_no_parcel_is_rejected(trial: Trial, shelf: Shelf) -> None:
    with pytest.raises(PoolRejected):
        await deliver(trial, shelf, Parcel("", shelf.put(b"no manifest")))
    with pytest.raises(PoolRejected):
        await deliver(trial, shelf, Parcel("", "0" * 64))


async def test_parcels_at_the_same_time(trial: Trial, shelf: Shelf) -> None:
    parcels = [shelf.parcel({f"f{i}": b"%d" % i * 3000}, f"m{i}") for i in range(8)]
    await asyncio.gather(*(deliver(trial, shelf, each) for each in parcels))
    await trial.launch("many-r1", "cat m*/f* | wc -c", parcels=tuple(parcels))
    await trial.end("many-r1")
    assert (await trial.output("many-r1")).strip() == b"24000"


def kept_by(trial: Trial) -> Outputs:
    if not isinstance(trial.pool, Outputs):
        pytest.skip(f"pools of the kind {trial.pool.kind} keep no output files")
    return trial.pool


async def test_what_a_run_leaves(trial: Trial) -> None:
    pool = kept_by(trial)
    script = (
        'cd "$SUAN_OUTPUT_DIR"; mkdir -p deep/er; printf model > deep/er/模型; : > empty;'
        " chmod +x deep/er/模型; ln -s deep/er/模型 link; ln -s /etc/passwd out; mkfifo pipe;"
        ' cd "$OLDPWD";'
        " mkdir res; printf 0123456789 > res/log; printf x > res/none; printf y > single;"
        " printf no > unnamed; ln -s /etc res/etc"
    )
    await trial.launch("left-r1", script, outputs=("res/", "./single", "missing", "../.."))
    await trial.end("left-r1")
    left = {each.path: each for each in await pool.list_outputs("left-r1")}
    assert sorted(left) == ["deep/er/模型", "empty", "link", "res/log", "res/none", "single"]
    model = left["deep/er/模型"]
    assert (model.size, model.executable) == (5, True)
    assert model.digest == "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"
    assert await pool.read_output("left-r1", "res/log", offset=3, limit=4) == b"3456"
    assert await pool.read_output("left-r1", "res/log", offset=8, limit=40) == b"89"
    assert await pool.read_output("left-r1", "res/log", offset=10, limit=40) == b""
    assert await pool.read_output("left-r1", "deep/er/模型", offset=0, limit=40) == b"model"


async def test_no_other_file_can_be_read(trial: Trial) -> None:
    pool = kept_by(trial)
    await trial.launch(
        "read-r1", 'cd "$SUAN_OUTPUT_DIR"; mkdir deep; ln -s /etc/passwd out; echo x > ../unnamed'
    )
    await trial.end("read-r1")
    for path in (
        "nothing",
        "out",
        "../../etc/passwd",
        "/etc/passwd",
        "work/unnamed",
        "deep",
        "",
        ".",
    ):
        with pytest.raises(PoolRejected):
            await pool.read_output("read-r1", path, offset=0, limit=10)


async def test_of_a_run_that_never_was(trial: Trial) -> None:
    pool = kept_by(trial)
    for run in ("never-r1", "../x"):
        with pytest.raises(PoolRejected):
            await pool.list_outputs(run)
