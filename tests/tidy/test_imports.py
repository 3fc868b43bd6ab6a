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


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--no-cache",
            "--config",
            "pyproject.toml",
        ],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def broken(report: str) -> list[str]:
    return re.findall(r"^(.+?) BROKEN", report, flags=re.MULTILINE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, apart from the working tree."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "src" / "suan", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert broken(result.stdout) == []


@pytest.mark.parametrize(("module", "line", "contract"), PLANTED)
def test_a_planted_violation_is_found(copy: Path, module: str, line: str, contract: str) -> None:
    planted = copy / "src" / "suan" / module
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f'"""Planted."""\n\n{line}\n')
    result = lint(copy)
    assert result.returncode != 0, result.stdout
    assert any(contract in each for each in broken(result.stdout)), result.stdout + result.stderr
