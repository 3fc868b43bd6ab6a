"""The import contract holds, and bites: each planted violation must be found."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.tree import PACKAGE, ROOT

# the module that gets a line, the line, and the contract that must break
PLANTED = [
    ("core/planted.py", "import asyncio", "The scheduler and the vocabulary touch no world"),
    ("core/planted.py", "import time", "The scheduler and the vocabulary touch no world"),
    ("core/planted.py", "import random", "The scheduler and the vocabulary touch no world"),
    ("core/planted.py", "import logging", "The scheduler and the vocabulary touch no world"),
    ("model/planted.py", "import msgspec", "The vocabulary and the start of the command line"),
    ("model/planted.py", "from suan import core", "Higher imports lower"),
    ("facts/planted.py", "from suan import jobfile", "Higher imports lower"),
    ("store/planted.py", "from suan import pools", "Higher imports lower"),
    ("core/planted.py", "from suan import accounting", "Higher imports lower"),
    ("client/planted.py", "from suan import api", "Higher imports lower"),
    ("control/planted.py", "from suan import cli", "Higher imports lower"),
    ("api/planted.py", "from suan import cli", "Higher imports lower"),
    ("cli/planted.py", "from suan import store", "Adapters meet only in the composition root"),
    ("api/planted.py", "from suan import pools", "Adapters meet only in the composition root"),
    ("unlisted/__init__.py", "", "Higher imports lower"),
]


LINTER = Path(sys.executable).with_name("lint-imports")


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINTER, "--config", "pyproject.toml"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def broken(report: str) -> list[str]:
    return re.findall(r"^(.+?) BROKEN", report, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its contracts, apart from the working tree; linted once, so it is cached."""
    tree = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, tree / "src" / "suan", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def test_the_contracts_hold(copy: Path) -> None:
    result = lint(copy)
    assert broken(result.stdout) == [], result.stdout
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("module", "line", "contract"), PLANTED)
def test_a_planted_violation_is_found(copy: Path, module: str, line: str, contract: str) -> None:
    planted = copy / "src" / "suan" / module
    new_package = not planted.parent.exists()
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f'"""Planted."""\n\n{line}\n')
    try:
        result = lint(copy)
    finally:
        shutil.rmtree(planted.parent) if new_package else planted.unlink()
    assert result.returncode != 0, result.stdout
    assert ("unlisted" if new_package else ".planted") in result.stdout
    assert any(contract in each for each in broken(result.stdout)), result.stdout + result.stderr
