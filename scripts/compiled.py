"""The scheduler as a C extension: the same source, compiled by mypyc.

``python scripts/compiled.py`` makes a whole suan of it under ``.cache``, unless that is there for
this source already, and prints the folder, for ``PYTHONPATH``. As hatchling's build hook it puts
the extension into the wheel. Where there is no C compiler, or no mypyc, it says so: nothing is
printed then, and the wheel is pure (docs/decisions/0018-one-source-compiled-or-not.md).
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parents[1]
COMPILED = ("core", "sim/engine.py", "sim/living.py")  # the rest is not called often enough
PURE = "SUAN_PURE"  # set to 1: no wheel is compiled
_BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import Distribution

extensions = mypycify(sys.argv[1:], opt_level="1", debug_level="0", target_dir="c")
command = Distribution({"name": "suan", "ext_modules": extensions}).get_command_obj("build_ext")
command.build_lib, command.build_temp = ".", "objects"
command.ensure_finalized()
command.run()
"""


def hindrance() -> str:
    """What is missing to compile; empty if nothing is."""
    missing = [name for name in ("mypyc", "setuptools") if find_spec(name) is None]
    if missing:
        return f"the package {missing[0]} is not installed"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are not installed"
    return ""


def build(source: Path, into: Path) -> None:
    """Copies the package ``source`` into a folder and compiles part of it there.

    Raises:
        RuntimeError: it could not be compiled; with what the compiler said.
    """
    copy = into / "suan"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    paths = [str(each.relative_to(into)) for name in COMPILED for each in _modules(copy / name)]
    argv = ["-c", _BUILD, "--config-file", str(ROOT / "pyproject.toml"), *paths]
    with tempfile.TemporaryFile("w+") as log:
        done = subprocess.run(
            [sys.executable, *argv], cwd=into, stdout=log, stderr=log, check=False
        )
        if done.returncode:
            log.seek(0)
            raise RuntimeError(f"suan could not be compiled:\n{log.read()}")
    for left in ("c", "objects", ".mypy_cache"):
        shutil.rmtree(into / left, ignore_errors=True)


def _modules(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def extensions(tree: Path) -> Iterator[Path]:
    """What was compiled in a folder."""
    return tree.rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}")


def tree() -> Path:
    """The folder with this source's compiled suan, made if there is none yet."""
    source = ROOT / "src" / "suan"
    folder = ROOT / ".cache" / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / _digest(source)
        if not made.exists():
            for old in folder.iterdir():
                if old.is_dir():
                    shutil.rmtree(old)
            build(source, folder / "new")
            (folder / "new").rename(made)
        return made


def _digest(source: Path) -> str:
    """Of all that the build rests on."""
    found = hashlib.sha256(f"{sys.version} {metadata.version('mypy')} {COMPILED} {_BUILD}".encode())
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            found.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


class CompiledWheel(BuildHookInterface):  # type: ignore[type-arg] # of no configuration
    """Puts the compiled modules beside their sources in the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files."""
        why = f"{PURE} is set" if os.environ.get(PURE) == "1" else hindrance()
        if why or version == "editable":
            self.app.display_info(f"suan: a pure wheel: {why or 'it is editable'}")
            return
        made = tree()
        for path in extensions(made):
            build_data["force_include"][str(path)] = str(path.relative_to(made))
        build_data["pure_python"], build_data["infer_tag"] = False, True


if __name__ == "__main__":
    if why_not := hindrance():
        print(f"suan cannot be compiled here: {why_not}", file=sys.stderr)
    else:
        print(tree())
