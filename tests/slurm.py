"""Real Slurm clusters for tests: started once for a whole run, shared by its workers.

Import ``slurm_clusters`` into a folder's ``conftest.py``. Where no Slurm can be had the tests are
skipped and say why; with ``SUAN_REQUIRE_SLURM=1``, as in CI, they fail instead.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sharing import NotHere, one_for_all, output
from tests.waiting import until

INFRA = Path(__file__).parents[1] / "infra" / "slurm"
FAKETIME = "*/faketime/libfaketimeMT.so.1"  # below /usr/lib
START_SECONDS = 240.0  # apt-get may have to fetch it first


@pytest.fixture(scope="session")
def slurm_clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The ``slurm.conf`` of two clusters, by name."""
    with one_for_all(tmp_path_factory, "slurm", start=_two_clusters, stop=down) as confs:
        yield {name: Path(conf) for name, conf in confs.items()}


@pytest.fixture(scope="session")
def slurm_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ``slurm.conf`` of a cluster that is reached by its slurmrestd."""
    with one_for_all(tmp_path_factory, "slurmrestd", start=_with_rest, stop=down) as conf:
        yield Path(conf)


def up(directory: Path, *options: str) -> dict[str, Path]:
    """Start what does not run of the clusters in ``directory``; their ``slurm.conf`` by name.

    Raises:
        NotHere: the script says why.
    """
    told = output(INFRA / "up", directory, *options, what="Slurm", seconds=START_SECONDS)
    lines = (line.split() for line in told.splitlines())
    return {name: Path(conf) for name, conf in lines}


def down(directory: Path) -> None:
    """End them, and remove what they kept."""
    subprocess.run([INFRA / "down", directory], capture_output=True, check=False, timeout=120)
    shutil.rmtree(directory, ignore_errors=True)


def command(conf: Path, *argv: str) -> str:
    """The output of one of Slurm's commands."""
    env = {**os.environ, "SLURM_CONF": str(conf)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def clock(offset_s: int) -> dict[str, str]:
    """Variables by which a job has another time.

    Raises:
        NotHere: there is no libfaketime, and it cannot be installed.
    """
    install = "apt-get install -y -qq --no-install-recommends faketime"
    found = next(Path("/usr/lib").glob(FAKETIME), None)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(install.split(), capture_output=True, check=False, timeout=START_SECONDS)
        found = next(Path("/usr/lib").glob(FAKETIME), None)
    if found is None:
        raise NotHere(f"no libfaketime; as root: {install}")
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME": f"{offset_s:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def token(conf: Path, seconds: int = 7200) -> str:
    """A token by which slurmrestd takes us for who we are."""
    told = command(conf, "scontrol", "token", f"lifespan={seconds}")
    return told.strip().removeprefix("SLURM_JWT=")


def cancel_below(conf: Path, directory: Path) -> None:
    """End what runs in a test's own directory. Others' jobs on a shared cluster are not a test's to
    end: two tests may run at once."""
    for line in command(conf, "squeue", "-h", "-o", "%A %Z").splitlines():
        job, _, place = line.partition(" ")
        if Path(place).is_relative_to(directory):
            command(conf, "scancel", "--quiet", job)


def saved(conf: Path) -> None:
    """Wait until the controller has written down all that it knows, so that it may be killed.

    It writes some seconds after a change: a job that comes and goes makes one.
    """
    state, now = conf.parent / "state" / "job_state", time.time()
    job = command(conf, "sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true")
    command(conf, "scancel", job.strip())
    until(lambda: state.exists() and state.stat().st_mtime > now, 60, what="saved state")


def _two_clusters(directory: Path) -> dict[str, str]:
    return {name: str(conf) for name, conf in up(directory, "-c", "2", "-n", "3").items()}


def _with_rest(directory: Path) -> str:
    return str(up(directory, "-c", "1", "-n", "3", "-r")["c1"])
