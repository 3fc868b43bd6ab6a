"""Rules for all tests: no sockets where nothing real is talked to."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOCKETS_ALLOWED = frozenset({"integration", "acceptance", "conformance", "crash"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Turn sockets off outside the folders whose purpose is to talk to real servers.

    Unix sockets stay on: an event loop makes a pair of them to wake itself.
    """
    for item in items:
        if item.path.relative_to(TESTS).parts[0] not in SOCKETS_ALLOWED:
            item.add_marker(pytest.mark.disable_socket(allow_unix_socket=True))
