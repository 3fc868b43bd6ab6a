"""Recording cycles: what the scheduler has decided is either recorded or never carried out.

The scheduler in memory has moved on when a cycle comes to be recorded, so a store that fails for
now is asked again with the same cycle until it takes it: the loop stands still meanwhile, runs go
on, and ``trouble`` says why. Any other failure ends the term, and a new one starts from the store.
"""

import asyncio
import logging

from suan.control.lease import LeaseKeeper
from suan.control.metrics import ControlMetrics
from suan.control.settings import ControlSettings
from suan.control.trouble import OnTrouble
from suan.model.errors import (
    StoreConflict,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from suan.model.store import Cycle, JournalEntry, Store

log = logging.getLogger(__name__)

PASSING = (StoreUnavailable, StoreFull, StoreReadOnly)


class Recorder:
    """Writes one term's cycles, numbered without a gap."""

    def __init__(
        self,
        store: Store,
        keeper: LeaseKeeper,
        settings: ControlSettings,
        *,
        metrics: ControlMetrics,
        on_trouble: OnTrouble,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._settings = settings
        self._metrics = metrics
        self._on_trouble = on_trouble
        self._last = 0

    async def begin(self) -> None:
        """Find where the journal ends."""
        self._last = await self._store.last()

    @property
    def next_number(self) -> int:
        """The next entry's number."""
        return self._last + 1

    async def record(self, cycle: Cycle) -> None:
        """Record a cycle, however long it takes.

        Raises:
            LeaseLost: another process leads; nothing was recorded.
            StoreError: the store cannot go on.
        """
        delay, tried = self._settings.retry_first, False
        while True:
            try:
                await self._store.record(cycle, self._keeper.lease)
                break
            except StoreConflict:
                if tried and await self._is_recorded(cycle):
                    break  # it was committed, and only the answer was lost
                raise
            except PASSING as error:
                tried = True
                self._metrics.store_retries += 1
                self._on_trouble("record", f"a cycle cannot be recorded: {error}")
                await asyncio.sleep(delay / 1e6)
                delay = min(2 * delay, self._settings.retry_most)
        if tried:
            self._on_trouble("record", "")
        self._last += len(cycle.entries)

    async def _is_recorded(self, cycle: Cycle) -> bool:
        if not cycle.entries:
            return False
        entry = cycle.entries[0]
        found = await self._store.entries(entry.number - 1, 1)
        return bool(found) and _identity(found[0]) == _identity(entry)


def _identity(entry: JournalEntry) -> tuple[int, int, int, str]:
    return entry.number, entry.token, entry.now, entry.digest
