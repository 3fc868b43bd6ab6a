"""A real browser for tests: Debian's Chromium, without a window.

Import ``chromium`` into a test. Where none can be had the tests are skipped and say why; with
``SUAN_REQUIRE_CHROMIUM=1``, as in CI, they fail instead.
"""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "chromium"
INSTALL_SECONDS = 240.0  # apt-get may have to fetch it first
OPEN_SECONDS = 120.0
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
)


class NoChromium(Exception):
    """No browser can be had here; says why."""


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a browser, installed if it must and may be."""
    try:
        return _installed(tmp_path_factory)
    except NoChromium as reason:
        if os.environ.get("SUAN_REQUIRE_CHROMIUM") == "1":
            raise
        pytest.skip(str(reason))


def opened(browser: str, page: Path) -> tuple[str, str]:
    """The document as it stands after its scripts have run, and what the browser complained of."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [browser, *QUIET, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
            capture_output=True,
            text=True,
            timeout=OPEN_SECONDS,
            check=True,
        )
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(complaints)


def _installed(factory: pytest.TempPathFactory) -> str:
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (base / "chromium.lock").open("w") as lock:  # one worker installs, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [str(SCRIPT)], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise NoChromium(f"no Chromium here: {said[-1]}")
    return done.stdout.strip()
