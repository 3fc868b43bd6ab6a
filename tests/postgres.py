"""A real PostgreSQL server for tests: one for a whole run, an empty database for each test.

Import ``postgres_server`` and ``postgres_url`` into a folder's ``conftest.py``, and mark the tests
``postgres``. Where no server can be had the tests are skipped and say why; with
``SUAN_REQUIRE_POSTGRES=1``, as in CI, they fail instead. ``SUAN_TEST_POSTGRES`` may name a server
that runs already.
"""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.sharing import one_for_all, output

SCRIPT = Path(__file__).parents[1] / "scripts" / "postgres"
START_SECONDS = 240.0  # apt-get may have to fetch it first


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server's own database, with the right to create others."""
    given = os.environ.get("SUAN_TEST_POSTGRES")
    if given:
        yield given
        return
    with one_for_all(tmp_path_factory, "postgres", start=start, stop=stop) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database, gone after the test."""
    with fresh_database(postgres_server) as url:
        yield url


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """A new database on ``server``; yields its URL."""
    name = f"t{uuid.uuid4().hex[:16]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def private_server(*settings: str) -> Iterator[tuple[str, Path]]:
    """A server of the test's own, to be stopped and broken; yields its URL and directory."""
    directory = Path(tempfile.mkdtemp(prefix="suan-postgres-"))  # not below pytest's own folder:
    try:  # the user "postgres" must be able to reach it
        yield start(directory, *settings), directory
    finally:
        stop(directory)
        shutil.rmtree(directory, ignore_errors=True)


def start(directory: Path, *settings: str) -> str:
    """Start the server that lives (or will live) in ``directory``; returns its URL."""
    return output(SCRIPT, "start", directory, *settings, what="PostgreSQL", seconds=START_SECONDS)


def stop(directory: Path) -> None:
    """Stop it, if it runs."""
    subprocess.run(
        [str(SCRIPT), "stop", str(directory)], capture_output=True, check=False, timeout=60
    )
