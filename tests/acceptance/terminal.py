"""A terminal of its own for a test: a home, an environment, and what is typed there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers import registered


class Terminal:
    """Types ``suan`` commands in one environment, in which nothing of suan's is set but ``set``."""

    def __init__(self, where: Path, **environ: str) -> None:
        self.where = where
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("SUAN_")},
            "HOME": str(where),
            "NO_COLOR": "1",
            "COLUMNS": "120",
            **environ,
        }

    @property
    def home(self) -> Path:
        """Where suan keeps its state."""
        return Path(self.environ.get("SUAN_HOME", self.where / ".suan"))

    @property
    def server_pid(self) -> int:
        """The server that was last started here."""
        body = registered(self.home)
        assert body is not None
        return int(str(body["pid"]))

    def type(
        self, *arguments: str, environ: Mapping[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run one command line to its end."""
        return subprocess.run(
            [sys.executable, "-m", "suan", *arguments],
            env={**self.environ, **(environ or {})},
            cwd=self.where,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def said(self, *arguments: str) -> str:
        """What a command that must succeed says."""
        done = self.type(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def job(self, job: str) -> dict[str, object]:
        """A job as `suan show` tells it."""
        found: dict[str, object] = json.loads(self.said("show", job, "--json"))["job"]
        return found

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one command line and go on."""
        return subprocess.Popen(
            [sys.executable, "-m", "suan", *arguments],
            env=self.environ,
            cwd=self.where,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@contextmanager
def terminal(where: Path, **environ: str) -> Iterator[Terminal]:
    """A terminal; whatever `up` left running is brought down at the end."""
    where.mkdir(parents=True, exist_ok=True)
    opened = Terminal(where, **environ)
    try:
        yield opened
    finally:
        opened.type("down")
