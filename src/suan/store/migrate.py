"""Bringing the schema up to date, when it is not; Alembic is loaded only then.

The whole upgrade is one writing transaction, so that of two servers that open a store at once
one upgrades it and the other finds it done, and a crash leaves the old schema.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from suan.model.errors import StoreCorrupt, StoreError, StoreUnavailable
from suan.store.errors import Place
from suan.store.schema import REVISION

MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(engine: Engine, place: Place, *, create: bool) -> None:
    """Upgrade a store to ``REVISION``.

    Raises:
        StoreError: a newer suan has upgraded it already.
        StoreCorrupt: it holds tables of something else.
        StoreUnavailable: it is empty, and ``create`` is false.
    """
    with engine.connect() as connection, connection.begin():
        found = _revision(connection, place)
        if found == REVISION:
            return
        if found is not None and found > REVISION:
            raise StoreError(
                f"the store's schema is {found}, and this suan knows only up to {REVISION}:"
                f" {place.name}",
                mend="upgrade suan on this machine; a newer one has already upgraded the store",
            )
        if found is None and not create:
            raise StoreUnavailable(
                f"there is no store in {place.name}",
                mend="start a server first (suan up), or mend the store's URL",
            )
        _upgrade(connection)


def _revision(connection: Connection, place: Place) -> str | None:
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        if len(found) == 1:
            return str(found[0])
        raise StoreCorrupt(
            f"the store has {len(found)} schema versions instead of one: {place.name}",
            mend="restore the store from a backup",
        )
    if tables:
        raise StoreCorrupt(
            f"this database belongs to something else (table {min(tables)!r}): {place.name}",
            mend="give suan a database or file of its own",
        )
    return None


def _upgrade(connection: Connection) -> None:
    from alembic import command  # only when there is something to do: it costs time and memory
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
