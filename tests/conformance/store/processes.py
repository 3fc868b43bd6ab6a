"""Starting ``worker.py``."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def work(url: str, *arguments: str, kill_at: str = "") -> subprocess.Popen[str]:
    """A worker, once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.store.worker", url, *arguments],
        cwd=ROOT,
        env=os.environ | {"SUAN_KILL_AT": kill_at},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def said(process: subprocess.Popen[str]) -> list[str]:
    """Everything that it goes on to print until it ends. An unfinished last line is left out."""
    with process:
        assert process.stdout is not None
        text = process.stdout.read()
    return text[: text.rfind("\n") + 1].split()
