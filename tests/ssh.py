"""A real sshd on the loopback for tests: started once for a whole run, shared by its workers.

Import ``ssh_login`` into a folder's ``conftest.py``. Where no sshd can be had the tests are skipped
and say why; with ``SUAN_REQUIRE_SSH=1``, as in CI, they fail instead.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sharing import shared_among_workers

INFRA = Path(__file__).parents[1] / "infra" / "ssh"
START_SECONDS = 240.0  # apt-get may have to fetch it first


class NoSsh(Exception):
    """No sshd can be had here; says why."""


@pytest.fixture(scope="session")
def ssh_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration by which ``ssh -F`` enters as ``login``; see ``infra/ssh``."""
    base = tmp_path_factory.getbasetemp()
    state = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "ssh.json"
    try:
        with _shared(state) as config:
            yield config
    except NoSsh as reason:
        if os.environ.get("SUAN_REQUIRE_SSH") == "1":
            raise
        pytest.skip(str(reason))


def up(directory: Path) -> Path:
    """Start it unless it runs; its configuration.

    Raises:
        NoSsh: the script says why.
    """
    done = subprocess.run(
        [INFRA / "up", directory],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise NoSsh(f"no sshd here: {said[-1]}")
    return Path(done.stdout.strip())


def down(directory: Path) -> None:
    """End it."""
    subprocess.run([INFRA / "down", directory], capture_output=True, check=False, timeout=60)


@contextmanager
def _shared(state: Path) -> Iterator[Path]:
    """One for all workers of a run: the first one starts it, the last one ends it."""
    with shared_among_workers(state) as users:
        if not users["count"]:
            users["directory"] = tempfile.mkdtemp(prefix="suan-ssh-")
            users["config"] = str(up(Path(users["directory"])))
        users["count"] += 1
        config = Path(users["config"])
    try:
        yield config
    finally:
        with shared_among_workers(state) as users:
            users["count"] -= 1
            if not users["count"]:
                down(Path(users["directory"]))
                shutil.rmtree(users["directory"], ignore_errors=True)
