"""What the workers of one test run share: a real server that the first starts and the last ends."""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class NotHere(Exception):
    """What tests need cannot be had on this machine; says why."""


@contextmanager
def one_for_all(
    factory: pytest.TempPathFactory,
    name: str,
    *,
    start: Callable[[Path], Any],
    stop: Callable[[Path], None],
) -> Iterator[Any]:
    """One server for all workers; yields what ``start`` tells of it, which must be plain JSON.

    Both are given the server's directory. Where it cannot be had, the tests are skipped and say
    why; with ``SUAN_REQUIRE_NAME=1``, as in CI, they fail instead.
    """
    base = factory.getbasetemp()
    state = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"{name}.json"
    try:
        with _shared(state) as known:
            if not known["count"]:  # in /tmp: sockets lie in it, and their paths must be short
                known["directory"] = tempfile.mkdtemp(prefix=f"suan-{name}-", dir="/tmp")
                try:
                    known["told"] = start(Path(known["directory"]))
                except NotHere:
                    stop(Path(known["directory"]))  # what did start
                    shutil.rmtree(known["directory"], ignore_errors=True)
                    raise
            known["count"] += 1
            told = known["told"]
    except NotHere as reason:
        if os.environ.get(f"SUAN_REQUIRE_{name.upper()}") == "1":
            raise
        pytest.skip(str(reason))
    try:
        yield told
    finally:
        with _shared(state) as known:
            known["count"] -= 1
            if not known["count"]:
                stop(Path(known["directory"]))
                shutil.rmtree(known["directory"], ignore_errors=True)


def output(script: Path, *arguments: str | Path, what: str, seconds: float) -> str:
    """What one of the repository's scripts prints.

    Raises:
        NotHere: there is no ``what`` here; the last thing that the script said.
    """
    done = subprocess.run(
        [script, *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise NotHere(f"no {what} here: {said[-1]}")
    return done.stdout.strip()


@contextmanager
def _shared(state: Path) -> Iterator[dict[str, Any]]:
    """What the workers know together, for one of them at a time: at first that nobody uses it."""
    with state.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or '{"count": 0}')
        yield known
        file.seek(0)
        file.truncate()
        file.write(json.dumps(known))
        file.flush()
