"""The wheel, installed where no source is: everything that suan needs at run time is in it."""

import os
import site
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import compiled

pytestmark = pytest.mark.timeout(1200)  # to compile takes two minutes on an idle machine
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, by the locked backend and without the network."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    done = subprocess.run(
        [*command, "--outdir", str(out), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("suan-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel; the dependencies come from this one's."""
    where = tmp_path_factory.mktemp("venv")
    venv.create(where, with_pip=False, symlinks=True)
    (packages,) = where.glob("lib/python*/site-packages")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"),
            *("--python", str(where / "bin" / "python")),
            *("install", "--no-deps", "--no-index", str(wheel)),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    theirs = [p for p in site.getsitepackages() if Path(p).is_dir()]
    # Paths alone: a .pth in them, which would lead to the source, is not read.
    (packages / "dependencies.pth").write_text("\n".join(theirs) + "\n")
    return where / "bin"


@pytest.fixture
def user(installed: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user who knows nothing of the source; brought down at the end."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SUAN_", "PYTHON"))}
    path = f"{installed}:/usr/bin:/bin"
    environ = {**kept, "HOME": str(tmp_path), "SUAN_PORT": "0", "PATH": path}
    yield environ
    typed(installed, environ, "down")


def typed(
    installed: Path, environ: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """One command line of the installed suan."""
    return subprocess.run(
        [str(installed / "suan"), *arguments],
        env=environ,
        cwd=environ["HOME"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_holds_all_that_is_no_code(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    data = {
        str(path.relative_to(source))
        for path in (source / "suan").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert data <= names
    for ending in ("sites.csv", "srun.sh"):
        assert any(name.endswith(ending) for name in names)
    assert any("/migrations/versions/" in name for name in names)
    assert not any(name.startswith(("tests/", "examples/", "benchmarks/")) for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_scheduler_in_it_is_compiled_where_that_can_be(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(".so") for name in names) is not bool(compiled.hindrance())
    assert ("py3-none-any" in wheel.name) is bool(compiled.hindrance())


def test_it_runs_where_no_source_is(installed: Path, user: dict[str, str], tmp_path: Path) -> None:
    where = subprocess.run(
        [str(installed / "python"), "-c", "import suan; print(suan.__file__)"],
        env=user, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(installed.parent))
    version = typed(installed, user, "--version")
    assert (version.returncode, version.stdout.split()[0]) == (0, "suan")
    up = typed(installed, user, "up")
    assert (up.returncode, "is up at" in up.stdout) == (0, True), up.stderr
    assert typed(installed, user, "run", "--", "echo", "wheel").stdout == "wheel\n"
    python = typed(installed, user, "run", "--", "echo $SUAN_PYTHON")
    assert Path(python.stdout.strip()).is_relative_to(installed)
    script = tmp_path / "steps.sbatch"
    script.write_text("#!/bin/bash\n#SBATCH -n 2 --mem=32M\nsrun echo step\n")
    assert typed(installed, user, "run", str(script)).stdout == "step\nstep\n"
    assert "horinger" in typed(installed, user, "site", "list").stdout
    assert "CO2e" in typed(installed, user, "run", "--", "true").stderr
    assert "stopped" in typed(installed, user, "down").stdout
    assert "same" in typed(installed, user, "replay").stdout
