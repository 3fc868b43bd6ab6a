"""Who leads: one row, changed only by compare-and-set.

The token grows with every new holder and is kept when the lease is released, so that whatever an
earlier holder still tries to record is refused (see ``recording``).
"""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from suan.model.errors import LeaseLost
from suan.model.store import Lease
from suan.model.units import Duration, Instant
from suan.store import schema
from suan.store.part import Part

_leases = schema.leases
_ONLY = _leases.c.name == "leader"
_NOBODY = ""
_HELD = select(_leases.c.token).where(
    _ONLY, _leases.c.holder == bindparam("by"), _leases.c.token == bindparam("number")
)


class StoredLeases(Part):
    """``suan.model.store.Leases``."""

    async def acquire(self, holder: str, url: str, now: Instant, ttl: Duration) -> Lease | None:
        """Take the lease if it is free or expired, or renew one's own; ``None`` if it is held.

        One's own expired lease is taken anew, with a new token: what was under way under the old
        one may have been overtaken.
        """

        def work(connection: Connection) -> Lease | None:
            row = connection.execute(select(_leases).where(_ONLY)).one_or_none()
            held = row is not None and row.holder != _NOBODY and row.expires_at > now
            if row is not None and held and row.holder != holder:
                return None
            token = _token(row) + (0 if held else 1)
            lease = Lease(holder, token, url, now + ttl)
            _put(connection, lease, new=row is None)
            return lease

        return await self._db.write(work, kind="lease")

    async def renew(self, lease: Lease, now: Instant, ttl: Duration) -> Lease:
        renewed = Lease(lease.holder, lease.token, lease.url, now + ttl)

        def work(connection: Connection) -> Lease:
            check_held(connection, lease)
            _put(connection, renewed, new=False)
            return renewed

        return await self._db.write(work, kind="lease")

    async def release(self, lease: Lease) -> None:
        """Give it up. Absent or taken by another is success."""
        own = _ONLY, _leases.c.holder == lease.holder, _leases.c.token == lease.token
        query = update(_leases).where(*own).values(holder=_NOBODY, url="", expires_at=0)
        await self._db.write(lambda connection: connection.execute(query), kind="lease")

    async def current(self) -> Lease | None:
        """The lease as last taken, expired or not; ``None`` when nobody has it."""

        def work(connection: Connection) -> Lease | None:
            row = connection.execute(select(_leases).where(_ONLY)).one_or_none()
            if row is None or row.holder == _NOBODY:
                return None
            return Lease(row.holder, row.token, row.url, row.expires_at)

        return await self._db.read(work)


def check_held(connection: Connection, lease: Lease) -> None:
    """Raise ``LeaseLost`` unless ``lease`` is the newest. To be called inside a write."""
    found = connection.execute(_HELD, {"by": lease.holder, "number": lease.token})
    if found.one_or_none() is None:
        raise LeaseLost(
            f"{lease.holder} no longer leads: its lease {lease.token} was released or taken over",
            mend="nothing was recorded; stop leading and ask for the lease again",
        )


def _token(row: Row[Any] | None) -> int:
    return 0 if row is None else int(row.token)


def _put(connection: Connection, lease: Lease, *, new: bool) -> None:
    values = {
        "holder": lease.holder,
        "token": lease.token,
        "url": lease.url,
        "expires_at": lease.expires_at,
    }
    if new:
        connection.execute(insert(_leases).values(name="leader", **values))
    else:
        connection.execute(update(_leases).where(_ONLY).values(**values))
