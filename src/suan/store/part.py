"""What the parts of a store share: the database, and the specs already decoded."""

from suan.store.database import Database
from suan.store.rows import SpecCache


class Part:
    """One protocol's methods over a database."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._specs = SpecCache()
