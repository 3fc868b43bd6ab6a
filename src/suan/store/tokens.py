"""Access tokens: ``suan.model.store.Tokens``. Only a hash of each secret is kept."""

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from suan.model.store import Token
from suan.model.units import Instant
from suan.store import schema
from suan.store.database import Database

_tokens = schema.tokens
_COLUMNS = tuple(column for column in _tokens.c if column.name != "digest")


class StoredTokens:
    """Expired and revoked tokens are found too: whether they are good is the caller's question."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(self, token: Token, digest: bytes) -> None:
        """Keep a token.

        Raises:
            StoreConflict: its id or digest is taken.
        """
        values = {
            "id": token.id,
            "name": token.name,
            "scope": token.scope,
            "user_name": token.user,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "revoked_at": token.revoked_at,
            "digest": digest,
        }
        await self._db.write(lambda connection: connection.execute(insert(_tokens), values))

    async def find(self, digest: bytes) -> Token | None:
        query = select(*_COLUMNS).where(_tokens.c.digest == digest)

        def work(connection: Connection) -> Token | None:
            row = connection.execute(query).one_or_none()
            return _token(row) if row else None

        return await self._db.read(work)

    async def key(self, token_id: str) -> tuple[Token, bytes] | None:
        query = select(_tokens).where(_tokens.c.id == token_id)

        def work(connection: Connection) -> tuple[Token, bytes] | None:
            row = connection.execute(query).one_or_none()
            return (_token(row), bytes(row.digest)) if row else None

        return await self._db.read(work)

    async def list(self) -> tuple[Token, ...]:
        """All tokens, by the time they were made and id."""

        def work(connection: Connection) -> tuple[Token, ...]:
            found = [_token(row) for row in connection.execute(select(*_COLUMNS))]
            return tuple(sorted(found, key=lambda token: (token.created_at, token.id)))

        return await self._db.read(work)

    async def revoke(self, token_id: str, now: Instant) -> bool:
        """Whether there was such a token that was not revoked yet."""
        query = (
            update(_tokens)
            .where(_tokens.c.id == token_id, _tokens.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return await self._db.write(lambda connection: connection.execute(query).rowcount == 1)


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scope=row.scope,
        user=row.user_name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
