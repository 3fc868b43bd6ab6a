"""Opening: migrations, what is refused, and what opening costs."""

import asyncio
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import text

from suan.model.bill import Bill
from suan.model.errors import InputError, StoreCorrupt, StoreError, StoreUnavailable
from suan.model.job import RunState
from suan.model.quota import Spent
from suan.model.spec import JobSpec
from suan.model.units import HOUR, JobId
from suan.store import open_store, schema
from suan.store.migrate import MIGRATIONS
from suan.store.sql import SqlStore
from tests.conformance.store.samples import NOW, cycle, entry, lead, placed, submit


async def run_sql(url: str, *statements: str) -> None:
    store = await open_store(url)
    assert isinstance(store, SqlStore)
    for statement in statements:
        await store._db.write(lambda connection, s=statement: connection.execute(text(s)))
    await store.close()


async def test_many_open_a_new_store_at_once(store_url: str) -> None:
    patient = f"{store_url}{'&' if '?' in store_url else '?'}timeout=60"
    stores = await asyncio.gather(*(open_store(patient) for _ in range(6)))
    for at, store in enumerate(stores):
        await submit(store, f"j{at}")
    assert len((await stores[0].gather(10)).jobs) == 6
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_newer_schema_is_refused(store_url: str) -> None:
    await run_sql(store_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="9999") as refused:
        await open_store(store_url)
    assert type(refused.value) is StoreError
    assert "upgrade suan" in refused.value.mend


async def test_somebody_elses_database_is_refused(store_url: str) -> None:
    await run_sql(store_url, "DROP TABLE alembic_version")
    with pytest.raises(StoreCorrupt, match="belongs to something else"):
        await open_store(store_url)


async def test_a_missing_table_is_said(store_url: str) -> None:
    await run_sql(store_url, "DROP TABLE feed")
    store = await open_store(store_url)
    with pytest.raises(StoreCorrupt, match="missing"):
        await store.feed(0, 10)
    await store.close()


async def test_without_create_nothing_is_made(store_url: str) -> None:
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="no store"):
            await open_store(store_url, create=False)
    await (await open_store(store_url)).close()
    await (await open_store(store_url, create=False)).close()


async def test_the_migrations_make_the_tables_of_the_schema(store_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store = await open_store(store_url)
    assert isinstance(store, SqlStore)

    def compare(connection):
        return compare_metadata(MigrationContext.configure(connection), schema.metadata)

    assert await store._db.read(compare) == []
    await store.close()


OLD = (  # what the later migrations added, taken away again
    """UPDATE specs SET body = replace(body, '"secrets":{"TOKEN":""}', '"secrets":{}')""",
    "DROP TABLE platform",
    "DROP TABLE peer_offers",
    "DROP TABLE forwarded_runs",
    "ALTER TABLE runs DROP COLUMN usage",
    "ALTER TABLE runs DROP COLUMN hurries",
    "DROP TABLE spent",
    "DROP TABLE reservations",
    "ALTER TABLE jobs DROP COLUMN nodes",
    "DROP TABLE tenant_weights",
    "DROP TABLE tenant_quotas",
    "DROP TABLE quotas",
    "DROP TABLE user_limits",
    "DROP INDEX ix_runs_past",
    "ALTER TABLE runs DROP COLUMN stop",
    "UPDATE alembic_version SET version_num = '0001'",
)


async def test_a_store_of_before_keeps_what_it_said(store_url: str) -> None:
    store = await open_store(store_url)
    await submit(store, "a", spec=JobSpec(run="true", secrets={"TOKEN": "hush"}))
    queues = {"night": (3, "fifo", False)}
    run = placed("a")
    bill = Bill(cpu_ms=7, accelerator_ms=5, money=3)
    times = {"started_at": NOW, "ended_at": NOW + HOUR, "state": RunState.ENDED}
    past = replace(placed("a", 2), **times, bill=bill)
    await store.record(cycle(entry(1), runs=(run, past), queues=queues), await lead(store))
    await store.close()
    await run_sql(store_url, *OLD)
    upgraded = await open_store(store_url)
    job = await upgraded.get(JobId("a"))
    assert job is not None
    assert job.spec == JobSpec(run="true", secrets={"TOKEN": ""})
    assert await upgraded.secrets(job) == {"TOKEN": "hush"}
    assert await upgraded.queues() == queues  # its discipline was said, so it is not the policy's
    assert await upgraded.open_runs() == (run,)
    assert not await upgraded.quotas()
    assert not await upgraded.tenants()
    assert not await upgraded.limits()
    assert not await upgraded.reservations()
    used = Spent((NOW + HOUR) // HOUR * HOUR, 5, 3)
    assert await upgraded.spent(["ada"], NOW) == {"ada": (used,)}
    assert len(await upgraded.entries(0, 10)) == 1
    await upgraded.close()
    await (await open_store(store_url, create=False)).close()


def test_the_newest_migration_is_the_revision() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [schema.REVISION]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///x?timeout=soon",
        "postgresql://h:port/db",
    ],
)
async def test_what_is_no_url_of_a_store(url: str) -> None:
    with pytest.raises(InputError) as refused:
        await open_store(url)
    assert refused.value.where == "store"
    assert refused.value.mend


async def test_the_engine_names_itself(store_url: str) -> None:
    store = await open_store(store_url)
    assert store_url.startswith(store.engine_name)
    await store.close()


PROBE = """
import asyncio, sys
import suan.store
assert not [name for name in ("sqlalchemy", "msgspec", "alembic") if name in sys.modules]
asyncio.run(suan.store.open_store(sys.argv[1]))
assert "alembic" not in sys.modules
"""


async def test_opening_a_current_store_loads_no_migrations(store_url: str) -> None:
    await (await open_store(store_url)).close()
    subprocess.run([sys.executable, "-c", PROBE, store_url], check=True, timeout=60)
