"""Compiled or not, the same source makes the same plans."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import compiled

ROOT = Path(__file__).parents[2]


def digests(source: Path) -> dict[str, Any]:
    """What ``tests.sim.digests`` prints with suan from a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim.digests"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{source}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)  # to compile takes two minutes on an idle machine
def test_every_policy_makes_the_same_plans() -> None:
    if why := compiled.hindrance():
        pytest.skip(f"nothing can be compiled here: {why}")
    source, extension = digests(ROOT / "src"), digests(compiled.tree())
    assert source["compiled"] == [False, False]
    assert extension["compiled"] == [True, True]
    assert extension["digests"] == source["digests"]
    assert len(set(source["digests"].values())) > 5, "the policies hardly differ here"
