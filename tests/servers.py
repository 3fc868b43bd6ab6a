"""Real servers for tests: `python -m suan serve` in a process of its own, and the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

READY_SECONDS = 30.0


@dataclass
class RunningServer:
    """One server process, its home, and where it answers."""

    home: Path
    process: subprocess.Popen[bytes]
    url: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> str:
        return (self.home / "server.log").read_text(errors="replace")

    def wait_ready(self) -> None:
        """Until the server answers; its log is the error if it never does."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerDied(f"exit {self.process.returncode}\n{self.log}")
            body = registered(self.home)
            if body and body["pid"] == self.process.pid:
                self.url = str(body["url"])
                return
            time.sleep(0.01)  # a poll with a deadline: the file is the event
        raise TimeoutError(f"the server was not ready in {READY_SECONDS} s\n{self.log}")

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait for a clean exit."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


class ServerDied(Exception):
    """The server ended before it was ready."""


def registered(home: Path) -> dict[str, object] | None:
    """What ``server.json`` says, if it is there."""
    try:
        body = json.loads((home / "server.json").read_text())
    except (OSError, ValueError):
        return None
    assert isinstance(body, dict)
    return body


def start_server(
    home: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> RunningServer:
    """Start a server on a free port; returns at once."""
    home.mkdir(parents=True, exist_ok=True)
    full = {**os.environ, "SUAN_HOME": str(home), **(environ or {})}
    full.pop("SUAN_SERVER", None)
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "suan", "serve", "--port", "0", *arguments],
            env=full,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
        )
    return RunningServer(home, process, environ=full)


@contextmanager
def server(
    home: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> Iterator[RunningServer]:
    """A ready server, stopped at the end."""
    running = start_server(home, *arguments, environ=environ)
    try:
        running.wait_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def suan(
    running: RunningServer, *arguments: str, timeout: float = 120, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run one command line as a user would, against a running server."""
    return subprocess.run(
        [sys.executable, "-m", "suan", *arguments],
        env={**running.environ, "SUAN_SERVER": running.url, "NO_COLOR": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        **options,  # type: ignore[call-overload]
    )
