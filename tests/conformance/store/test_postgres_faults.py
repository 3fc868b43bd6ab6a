"""PostgreSQL going away, full, read-only, locked: each a clear error, and nothing lost."""

import random
import string
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from suan.model.errors import (
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from suan.model.spec import JobSpec
from suan.model.store import Store
from suan.store import open_store
from suan.store.opening import WRITER_LOCK
from tests.conformance.store.samples import submit
from tests.postgres import private_server, start, stop

pytestmark = pytest.mark.postgres

NOISE = "".join(random.Random(5).choices(string.ascii_letters, k=20_000))  # no compressing it
BIG = JobSpec(run=f"echo {NOISE}")


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


@pytest.fixture
def server(
    postgres_server: str,
) -> Iterator[tuple[str, Path]]:  # the shared one tells if any can be
    with private_server() as started:
        yield started


async def test_a_server_that_stops_and_comes_back(server: tuple[str, Path]) -> None:
    url, directory = server
    store = await open_store(url)
    await submit(store, "a")
    stop(directory)
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as refused:
            await submit(store, "b")
        assert refused.value.mend
        with pytest.raises(StoreUnavailable):
            await store.gather(1)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await open_store(url)
    assert start(directory) == url
    await submit(store, "c")
    assert await ids(store) == {"a", "c"}
    await store.close()


async def test_connections_that_break_are_replaced(postgres_url: str) -> None:
    store = await open_store(postgres_url)
    await submit(store, "a")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await ids(store) == {"a"}
    await submit(store, "b")
    assert await ids(store) == {"a", "b"}
    await store.close()


async def test_a_read_only_database(server: tuple[str, Path]) -> None:
    url, _ = server
    store = await open_store(url)
    await submit(store, "a")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        admin.execute("SELECT pg_reload_conf()")
        # The setting reaches the writer's session only when the server has told it.
        _, refused = await submit_until_refused(store, "x")
        assert isinstance(refused, StoreReadOnly), refused
        assert refused.mend
        before = await ids(store)
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        admin.execute("SELECT pg_reload_conf()")
    for _ in range(100):
        try:
            await submit(store, "c")
            break
        except StoreReadOnly:
            continue
    assert await ids(store) == before | {"c"}
    await store.close()


async def test_a_lock_held_by_another_server(postgres_url: str) -> None:
    store = await open_store(f"{postgres_url}?timeout=0.1")
    await submit(store, "a")
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [WRITER_LOCK])
        with pytest.raises(StoreUnavailable, match="locked by another server"):
            await submit(store, "b")
        assert await ids(store) == {"a"}
    await submit(store, "c")
    assert await ids(store) == {"a", "c"}
    await store.close()


async def test_a_writer_that_hangs_is_thrown_out(postgres_url: str) -> None:
    """Its session ends by itself after five seconds, so that it cannot stop a takeover."""
    store = await open_store(postgres_url)
    setting = "SHOW idle_in_transaction_session_timeout"
    read = await store._db.write(lambda c: c.exec_driver_sql(setting).scalar())  # type: ignore[attr-defined]
    assert read == "5s"
    await store.close()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda url: url.replace("suan:", "suan:not-"), "name or password"),
        (lambda url: url.rpartition("/")[0] + "/nowhere", "does not exist"),
        (lambda url: "postgresql://suan:hush@127.0.0.1:1/x", "cannot be reached"),
    ],
)
async def test_what_cannot_be_opened(postgres_server: str, wrong, says: str) -> None:
    with pytest.raises(StoreUnavailable, match=says) as refused:
        await open_store(wrong(postgres_server))
    assert refused.value.mend
    assert "hush" not in refused.value.message


async def test_a_full_disk(server: tuple[str, Path]) -> None:
    url, directory = server
    disk = directory / "disk"
    disk.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("a disk of one's own cannot be mounted here")
    try:
        await fill_and_free(url, disk)
    finally:
        stop(directory)
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def fill_and_free(url: str, disk: Path) -> None:
    space = disk / "space"
    space.mkdir()
    subprocess.run(["chown", "-R", "postgres", str(disk)], check=True)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        admin.execute("CREATE DATABASE small TABLESPACE small")
    store = await open_store(f"{url.rpartition('/')[0]}/small")
    filler = disk / "filler"
    filler.write_bytes(b"x" * 2_000_000)
    done, refused = await submit_until_refused(store, "j")
    assert isinstance(refused, StoreFull), refused
    assert refused.mend
    assert await ids(store) == done
    filler.unlink()
    await submit(store, "again", spec=BIG)
    assert await ids(store) == done | {"again"}
    await store.close()
