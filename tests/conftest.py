"""Rules for all tests: no sockets where nothing real is talked to, and once more where it is."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOCKETS_ALLOWED = frozenset({"integration", "acceptance", "conformance", "crash"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Turn sockets off outside the folders whose purpose is to talk to real servers.

    Unix sockets stay on: an event loop makes a pair of them to wake itself. In CI, where five real
    clusters share two cores, what talks to them is tried once more if it fails, and is told as
    ``RERUN``; nothing else is.
    """
    for item in items:
        if item.path.relative_to(TESTS).parts[0] not in SOCKETS_ALLOWED:
            item.add_marker(pytest.mark.disable_socket(allow_unix_socket=True))
        elif os.environ.get("CI"):
            item.add_marker(pytest.mark.flaky(reruns=1))
