"""The real PostgreSQL server, for the tests of servers that share a store."""

import pytest

from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives the command line against a real server."""
    for item in items:
        if "acceptance" in item.path.parts:
            item.add_marker("acceptance")
