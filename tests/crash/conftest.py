"""The real PostgreSQL server, for the engine's half of the crash test."""

from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]
