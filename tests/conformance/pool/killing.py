"""A server that is killed while it launches, and what the next one makes of it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from suan.model.job import Cause
from suan.model.units import RunId
from tests.conformance.pool.trial import Kind

ROOT = str(Path(__file__).parents[3])


async def dies_at(point: str, program: str, *arguments: str, seconds: float = 60) -> None:
    """Run a program, with the repository as its first argument, that a kill point ends."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, ROOT, *arguments],
        env={**os.environ, "SUAN_KILL_AT": point},
        timeout=seconds,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


async def runs_once(kind: Kind, *, found: bool, secrets: dict[str, str] | None = None) -> None:
    """The run ``kill-r1`` of a server that died is found, or else launched, and has run once."""
    count = kind.directory / "count"
    async with kind.trial() as trial:
        ref = await trial.pool.find(RunId("kill-r1"))
        assert (ref is not None) == found
        if ref is None:
            await trial.launch("kill-r1", f"echo x >> {count}", secrets=secrets or {})
        assert (await trial.end("kill-r1")).cause is Cause.SUCCEEDED
    assert count.read_text() == "x\n"
