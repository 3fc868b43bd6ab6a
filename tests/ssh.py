"""A real sshd on the loopback for tests: started once for a whole run, shared by its workers.

Import ``ssh_login`` into a folder's ``conftest.py``. Where no sshd can be had the tests are skipped
and say why; with ``SUAN_REQUIRE_SSH=1``, as in CI, they fail instead.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sharing import one_for_all, output

INFRA = Path(__file__).parents[1] / "infra" / "ssh"
START_SECONDS = 240.0  # apt-get may have to fetch it first


@pytest.fixture(scope="session")
def ssh_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration by which ``ssh -F`` enters as ``login``; see ``infra/ssh``."""
    with one_for_all(tmp_path_factory, "ssh", start=lambda at: str(up(at)), stop=down) as config:
        yield Path(config)


def up(directory: Path) -> Path:
    """Start it unless it runs; its configuration.

    Raises:
        NotHere: the script says why.
    """
    return Path(output(INFRA / "up", directory, what="sshd", seconds=START_SECONDS))


def down(directory: Path) -> None:
    """End it."""
    subprocess.run([INFRA / "down", directory], capture_output=True, check=False, timeout=60)
