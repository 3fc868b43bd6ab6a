"""The lease: who leads, and whether it is still us.

Expiry is judged by elapsed time, not by comparing two machines' wall clocks: a follower takes over
when it has seen the lease unchanged for a whole ``lease_ttl``, or for two renewals' time where the
wall clock, too, says that it has expired; a leader trusts its lease for ``lease_ttl`` from before
it asked. The store's fencing token covers what timing cannot.
"""

import asyncio
import logging

from suan.control.clock import SteadyClock
from suan.control.settings import ControlSettings
from suan.control.trouble import OnTrouble
from suan.model.errors import LeaseLost, StoreError
from suan.model.store import Lease, Leases

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Acquires the lease, renews it, and tells whether acting is allowed now."""

    def __init__(self, leases: Leases, settings: ControlSettings, clock: SteadyClock) -> None:
        self._leases = leases
        self._settings = settings
        self._clock = clock
        self._held: Lease | None = None
        self._trusted_until = 0
        self._renewed = asyncio.Event()
        self._seen: tuple[str, int, int] | None = None
        self._unchanged_since = 0
        self.leader_url: str | None = None

    @property
    def lease(self) -> Lease:
        """Our lease.

        Raises:
            LeaseLost: we have none.
        """
        if self._held is None:
            raise LeaseLost("this process does not lead")
        return self._held

    def valid(self) -> bool:
        """Whether we may act: the lease is ours and cannot have expired."""
        return self._held is not None and self._clock.elapsed() < self._trusted_until

    async def ensure_valid(self) -> None:
        """Return once acting is allowed; before that a renewal has to come through."""
        while not self.valid():
            self._renewed.clear()
            await self._renewed.wait()

    async def acquire(self) -> Lease:
        """Wait until the lease is ours. A store that fails is asked again."""
        while True:
            try:
                if lease := await self._try():
                    return lease
            except StoreError as error:
                log.warning("lease not read: %s", error)
            await asyncio.sleep(self._settings.lease_ttl / 12e6)

    async def keep(self, on_trouble: OnTrouble) -> None:
        """Renew the lease for ever. While the store cannot be asked, ``valid`` turns false.

        Raises:
            LeaseLost: another process leads.
        """
        wait = self._settings.lease_ttl / 3
        while True:
            await asyncio.sleep(wait / 1e6)
            renewed = await self._renew(on_trouble)
            wait = self._settings.lease_ttl / 3 if renewed else self._settings.retry_first

    async def release(self) -> None:
        """Give the lease back so that another may lead at once. Failing to is no harm."""
        held, self._held = self._held, None
        self.leader_url = None
        if held is not None:
            try:
                await self._leases.release(held)
            except StoreError as error:
                log.warning("lease not released, it will expire: %s", error)

    def drop(self) -> None:
        """Forget a lease that is no longer ours."""
        self._held = None
        self._seen = None

    async def _try(self) -> Lease | None:
        current = await self._leases.current()
        self.leader_url = current.url if current is not None else None
        if current is not None and not self._looks_dead(current):
            return None
        asked = self._clock.elapsed()
        # A dead leader's clock may have been ahead of ours: what counts is that it is dead.
        now = max(self._clock.now(), current.expires_at + 1 if current is not None else 0)
        settings = self._settings
        lease = await self._leases.acquire(settings.holder, settings.url, now, settings.lease_ttl)
        if lease is not None:
            self._take(lease, asked)
        return lease

    def _looks_dead(self, lease: Lease) -> bool:
        elapsed, state = self._clock.elapsed(), (lease.holder, lease.token, lease.expires_at)
        expired = lease.expires_at <= self._clock.now()
        if self._seen is None and expired:
            return True  # at first sight there is only the wall clock to go by
        if state != self._seen:
            self._seen, self._unchanged_since = state, elapsed
        unchanged, ttl = elapsed - self._unchanged_since, self._settings.lease_ttl
        return unchanged >= ttl or (expired and 3 * unchanged >= 2 * ttl)

    async def _renew(self, on_trouble: OnTrouble) -> bool:
        asked, settings = self._clock.elapsed(), self._settings
        try:
            lease = await self._leases.renew(self.lease, self._clock.now(), settings.lease_ttl)
        except LeaseLost:
            self.drop()
            raise
        except StoreError as error:
            on_trouble("lease", f"the lease could not be renewed: {error}")
            return False
        self._take(lease, asked)
        on_trouble("lease", "")
        return True

    def _take(self, lease: Lease, asked: int) -> None:
        self._held = lease
        self._trusted_until = asked + self._settings.lease_ttl
        self.leader_url = lease.url
        self._renewed.set()
