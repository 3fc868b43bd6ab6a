"""A full disk, a read-only one, a lock, damage: each a clear error, and nothing lost."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from suan.model.errors import (
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from suan.model.spec import JobSpec
from suan.model.store import JobFilter, Store
from suan.store import open_store
from suan.store.sql import SqlStore
from tests.conformance.store.samples import submit

BIG = JobSpec(run="echo " + "x" * 20_000)


def clear(error: StoreError, *, file: Path) -> None:
    """An error says what, where, and how to mend it."""
    assert str(file.name) in error.message
    assert error.mend


async def ids(store: Store) -> set[str]:
    return {job.id for job in (await store.gather(100_000)).jobs}


async def submit_until_refused(store: Store, prefix: str) -> tuple[set[str], StoreError]:
    done: set[str] = set()
    for at in range(5000):
        try:
            await submit(store, f"{prefix}{at}", spec=BIG)
        except StoreError as error:
            return done, error
        done.add(f"{prefix}{at}")
    raise AssertionError("nothing was refused")


def pragma(store: Store, statement: str) -> None:
    """Change a setting of the writer's one connection, outside of any transaction."""
    assert isinstance(store, SqlStore)
    connection = store._db._engines.writer.raw_connection()
    connection.cursor().execute(f"PRAGMA {statement}").close()
    connection.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "suan.db"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB, mounted; only root can have one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mount)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a disk of one's own cannot be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


async def test_a_full_disk(disk: Path) -> None:
    store = await open_store(f"sqlite:///{disk}/suan.db")
    filler = disk / "filler"
    filler.write_bytes(b"x" * 1_000_000)
    done, error = await submit_until_refused(store, "j")
    assert isinstance(error, StoreFull), error
    clear(error, file=disk / "suan.db")
    assert await ids(store) == done  # reading goes on
    for _ in range(3):
        with pytest.raises(StoreFull):
            await submit(store, "again", spec=BIG)
    filler.unlink()
    await submit(store, "again", spec=BIG)
    assert await ids(store) == done | {"again"}
    await store.close()
    again = await open_store(f"sqlite:///{disk}/suan.db")
    assert await ids(again) == done | {"again"}
    await again.close()


async def test_a_new_store_on_a_full_disk(disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (disk / "filler").write_bytes(b"x" * 4_000_000)
    with pytest.raises(StoreFull) as refused:
        await open_store(f"sqlite:///{disk}/suan.db")
    clear(refused.value, file=disk / "suan.db")
    (disk / "filler").unlink()
    await (await open_store(f"sqlite:///{disk}/suan.db")).close()


async def test_a_full_file(file: Path) -> None:
    store = await open_store(f"sqlite:///{file}")
    pragma(store, "max_page_count=200")
    done, error = await submit_until_refused(store, "j")
    assert isinstance(error, StoreFull), error
    clear(error, file=file)
    pragma(store, "max_page_count=1073741823")
    await submit(store, "again", spec=BIG)
    assert await ids(store) == done | {"again"}
    await store.close()


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """A directory that cannot be written: by its mode, or for root by a read-only mount."""
    if os.geteuid() != 0:
        directory.chmod(0o500)
        for each in directory.iterdir():
            each.chmod(0o400)
        yield
        directory.chmod(0o700)
        for each in directory.iterdir():
            each.chmod(0o600)
        return
    bind = ["mount", "--bind", str(directory), str(directory)]
    if subprocess.run(bind, capture_output=True, check=False).returncode:
        pytest.skip("root can write anything here, and nothing can be mounted")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(directory)], check=True)
    yield
    subprocess.run(["umount", str(directory)], check=True)


async def test_a_read_only_directory(tmp_path: Path) -> None:
    home = tmp_path / "home"
    url = f"sqlite:///{home}/suan.db"
    store = await open_store(url)
    await submit(store, "a")
    await store.close()
    with read_only(home):
        with pytest.raises(StoreReadOnly) as refused:
            await open_store(url)
        clear(refused.value, file=home / "suan.db")
        with pytest.raises(StoreReadOnly):
            await open_store(f"sqlite:///{home}/new/suan.db")
    again = await open_store(url)
    assert await ids(again) == {"a"}
    await again.close()


async def test_a_store_that_turns_read_only(file: Path) -> None:
    store = await open_store(f"sqlite:///{file}")
    await submit(store, "a")
    pragma(store, "query_only=ON")
    with pytest.raises(StoreReadOnly) as refused:
        await submit(store, "b")
    clear(refused.value, file=file)
    assert await ids(store) == {"a"}
    pragma(store, "query_only=OFF")
    await submit(store, "c")
    assert await ids(store) == {"a", "c"}
    await store.close()


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another(file: Path) -> Iterator[None]:
    argv = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield


async def test_a_lock_held_by_another_process(file: Path) -> None:
    url = f"sqlite:///{file}?timeout=0.1"
    store = await open_store(url)
    await submit(store, "a")
    with locked_by_another(file):
        with pytest.raises(StoreUnavailable, match="locked by another process") as refused:
            await submit(store, "b")
        clear(refused.value, file=file)
        with pytest.raises(StoreUnavailable, match="locked"):
            await open_store(url)
        assert await ids(store) == {"a"}
    await submit(store, "c")
    assert await ids(store) == {"a", "c"}
    await store.close()


async def test_a_file_that_is_no_database(file: Path) -> None:
    words = b"these are not the bytes you are looking for\n" * 200
    file.write_bytes(words)
    with pytest.raises(StoreCorrupt, match="not a database") as refused:
        await open_store(f"sqlite:///{file}")
    clear(refused.value, file=file)
    assert file.read_bytes() == words


async def test_bytes_overwritten_in_the_middle(file: Path) -> None:
    store = await open_store(f"sqlite:///{file}")
    await submit(store, *(f"j{at}" for at in range(2000)))
    await store.close()
    size = file.stat().st_size
    with file.open("r+b") as data:
        data.seek(size // 4)
        data.write(b"\xa5" * (size // 2))
    found = []
    try:
        store = await open_store(f"sqlite:///{file}")
    except StoreCorrupt as error:
        found.append(error)
    else:
        for read in (store.list(JobFilter(), None, 5000), store.gather(5000)):
            try:
                await read
            except StoreCorrupt as error:
                found.append(error)
        await store.close()
    assert found
    assert found[0].mend


async def test_a_file_cut_short(file: Path) -> None:
    store = await open_store(f"sqlite:///{file}")
    await submit(store, *(f"j{at}" for at in range(2000)))
    await store.close()
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(StoreCorrupt):  # noqa: PT012 - which of the two says it is SQLite's choice
        store = await open_store(f"sqlite:///{file}")
        await store.list(JobFilter(), None, 5000)
    del store


async def test_a_missing_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "suan.db"
    store = await open_store(f"sqlite:///{file}")
    await submit(store, "j")
    for path in (file, *file.parent.glob("suan.db-*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    await store.close()


async def test_a_directory_or_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dir").mkdir()
    for path in (tmp_path / "file" / "suan.db", tmp_path / "dir"):
        with pytest.raises(StoreError) as refused:
            await open_store(f"sqlite:///{path}")
        assert refused.value.mend


async def test_writes_are_synced_and_logged_ahead(file: Path) -> None:
    store = await open_store(f"sqlite:///{file}")
    assert isinstance(store, SqlStore)

    def settings(connection) -> tuple[object, ...]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return tuple(connection.execute(text(f"PRAGMA {name}")).scalar() for name in names)

    assert await store._db.write(settings) == ("wal", 2, 1)
    await store.close()
    with sqlite3.connect(file) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    plain.close()
