"""The command line: starting, and a command against a running server, beside the peers'.

Each figure is a whole process, from start to exit, in one run on one machine. The peers come from
PyPI into a virtual environment of their own under `.cache/`; where they cannot be had it is said.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import harness

PEERS = Path(__file__).parents[1] / ".cache" / "bench-peers"
PACKAGES = {"sky": "skypilot", "dstack": "dstack"}
SUAN = [str(Path(sys.executable).with_name("suan"))]
JOBS = 100_000  # in the queue that is listed


def peers() -> dict[str, list[str]]:
    """The peers' commands that can be run here; they are installed once."""
    if not (PEERS / "bin" / "sky").exists():
        with contextlib.suppress(subprocess.CalledProcessError, OSError):
            venv.create(PEERS, with_pip=True)
            pip = [str(PEERS / "bin" / "python"), "-m", "pip", "install", "-q"]
            subprocess.run([*pip, *PACKAGES.values()], check=True, timeout=1200)
    return {
        f"`{name} --version`": [str(PEERS / "bin" / name), "--version"]
        for name in PACKAGES
        if (PEERS / "bin" / name).exists()
    }


def quietly(env: dict[str, str], *arguments: str) -> None:
    """Run a command that is not measured."""
    nowhere = subprocess.DEVNULL
    subprocess.run([*SUAN, *arguments], env=env, check=True, stdout=nowhere, stderr=nowhere)


@contextlib.contextmanager
def platform() -> Iterator[dict[str, str]]:
    """A running server with jobs in its queue, in a home of its own; the environment to use it."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "SUAN_HOME": home, "NO_COLOR": "1"}
        for name in ("SUAN_SERVER", "SUAN_TOKEN"):
            env.pop(name, None)
        quietly(env, "up", "--port", "0")
        try:
            needs = ["--gpus", "64", "--array", f"0-{JOBS - 1}"]  # so that they stay in line
            quietly(env, "submit", *needs, "--", "true")
            quietly(env, "run", "--", "true")  # starts when those before it have been taken in line
            yield env
        finally:
            quietly(env, "down")


def main() -> None:
    """Measure and print."""
    repeat = 5 if harness.quick() else 15
    starts = {f"`suan {flag}`": [*SUAN, flag] for flag in ("--version", "--help")}
    asks = {
        f"`suan {words}`, {note}": [*SUAN, *words.split()]
        for words, note in (
            ("status", f"{JOBS:,} jobs pending"),
            ("queue", f"{JOBS:,} jobs pending"),
            ("pool list", "server running"),
            ("run -- true", "job run to its end"),
        )
    }
    others = peers()
    with platform() as env:
        samples = {
            name: harness.command(argv, repeat=repeat, env=env)
            for name, argv in {**starts, **asks, **others}.items()
        }
    print(harness.side_by_side(samples, against="`suan --version`"))
    print("Wanted: `--version` and `--help` within 0.2 s, a command within 0.35 s.\n")
    for name, package in PACKAGES.items():
        if f"`{name} --version`" not in others:
            print(f"Skipped: `{name} --version` ({package} could not be installed here).\n")


if __name__ == "__main__":
    main()
