"""The store, whole: every protocol of ``suan.model.store`` over one database."""

from suan.store.database import Database
from suan.store.jobs import StoredJobs
from suan.store.journalling import StoredJournal
from suan.store.leasing import StoredLeases
from suan.store.ledger import StoredLedger
from suan.store.listing import StoredListing
from suan.store.peers import StoredPeers
from suan.store.recording import StoredRecords
from suan.store.submitting import StoredSubmissions
from suan.store.tokens import StoredTokens


class SqlStore(
    StoredSubmissions,
    StoredListing,
    StoredJobs,
    StoredLeases,
    StoredLedger,
    StoredRecords,
    StoredJournal,
):
    """One engine, whole."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._tokens = StoredTokens(database)
        self._peers = StoredPeers(database)

    @property
    def tokens(self) -> StoredTokens:
        return self._tokens

    @property
    def peers(self) -> StoredPeers:
        return self._peers

    @property
    def engine_name(self) -> str:
        return self._db.name

    async def close(self) -> None:
        """Finish what is under way and let go of the engine. Again is harmless."""
        await self._db.close()
