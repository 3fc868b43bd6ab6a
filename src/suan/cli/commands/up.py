"""``suan up``: start the platform on this machine."""

import os
import subprocess
import sys
import time
from pathlib import Path

import click

from suan.cli import format as form
from suan.cli.commands.pool import pool_state, wrong_with
from suan.cli.connect import connect, json_option
from suan.cli.output import note, print_json, say
from suan.cli.process import Registered, registered
from suan.cli.progress import progress
from suan.client.discovery import home
from suan.client.errors import ServerError, ServerUnreachable
from suan.client.sync import Client
from suan.model.errors import InputError, SuanError
from suan.model.policy import POLICIES
from suan.model.views import PoolView, ServerView

MOST_LOG_BYTES = 10 << 20  # a larger log is set aside when the next server starts
LOOK_S = 0.05
POOLS_S = 30.0  # how long the pools are given to be seen for the first time
SECOND_LOOK_S = 3.0  # and those are at which the first look failed


@click.command
@click.option("--foreground", is_flag=True, help="Stay in this terminal instead.")
@click.option("--host", metavar="ADDRESS", help="Where to listen; by default this machine alone.")
@click.option("--port", type=click.IntRange(0, 65535), help="By default 7826.")
@click.option("--store", metavar="URL", help="sqlite:///PATH or postgresql://…")
@click.option(
    "--pools",
    type=click.Path(resolve_path=True),
    metavar="FILE",
    help="By default $SUAN_HOME/pools.yaml, if it is there.",
)
@click.option("--require-tokens", is_flag=True, help="Ask for tokens on this machine too.")
@click.option("--policy", type=click.Choice(tuple(POLICIES)), help="How it decides; `default`.")
@click.option("--timeout", type=int, default=30, show_default=True, help="Seconds to wait.")
@json_option
def up(
    foreground: bool,
    require_tokens: bool,
    timeout: int,
    as_json: bool,
    **flags: str | int | None,
) -> None:
    """Start the platform on this machine; nothing has to be configured.

    Its log is $SUAN_HOME/server.log. If it is up already, says so.
    """
    command = [sys.executable, "-m", "suan", "serve"]
    for name, value in flags.items():
        command += [f"--{name}", str(value)] if value is not None else []
    command += ["--require-tokens"] if require_tokens else []
    there = registered()
    if there is not None and there.alive and _answers(there):
        _tell(there, as_json, already=True, wanted=flags["policy"])
        return
    if foreground:
        os.execv(sys.executable, command)  # noqa: S606 # our own interpreter, no shell wanted
    _tell(_start(command, timeout), as_json, already=False)


def _start(command: list[str], timeout_s: float) -> Registered:
    """Start the server and wait until it is well.

    Raises:
        SuanError: it ended, or is not well in time; with what it said last.
    """
    log = _log_file()
    begin = log.stat().st_size if log.exists() else 0
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=home(),
        )
    until = time.monotonic() + timeout_s
    with progress() as show:
        while True:
            show("starting …")
            there = registered()
            if there is not None and there.pid == process.pid and _answers(there):
                return there
            if process.poll() is not None:
                raise _failed("the server ended while it started", log, begin)
            if time.monotonic() > until:
                raise _failed(f"the server is not well after {timeout_s:g} s", log, begin)
            time.sleep(LOOK_S)


def _log_file() -> Path:
    """Where the server writes what it has to say.

    Raises:
        InputError: suan's own directory cannot be made or written.
    """
    log = home() / "server.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if log.exists() and log.stat().st_size > MOST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        log.open("ab").close()
    except OSError as error:
        raise InputError(
            f"suan's directory cannot be written: {error.strerror}",
            where=str(log),
            mend="set SUAN_HOME to a directory that you may write",
        ) from error
    return log


def _answers(there: Registered) -> bool:
    try:
        with connect(there.url, timeout_s=5.0) as client:
            return client.health().get("status") == "ok"
    except (ServerUnreachable, ServerError):
        return False


def _failed(message: str, log: Path, begin: int) -> SuanError:
    """What went wrong, with the reason that the server gave last."""
    with log.open("rb") as file:
        file.seek(begin)
        said = file.read().decode("utf-8", "replace").strip().splitlines()
    reason = "\n".join(said[-8:]) or "it said nothing"
    error = SuanError(f"{message}:\n{reason}", mend=f"the whole log is {log}")
    error.code = "server_start"
    return error


def _tell(
    there: Registered, as_json: bool, *, already: bool, wanted: str | int | None = None
) -> None:
    with connect(there.url) as client:
        server, pools = _settled(client)
    if as_json:
        about = {"url": there.url, "pid": there.pid, "already_up": already}
        print_json({**about, "server": server, "pools": pools})
        return
    say(f"suan {server.version} is {'already ' if already else ''}up at {there.url}")
    say(_summary(server, pools))
    if already and wanted not in (None, server.policy):
        note(f"warning: it decides by {server.policy}; `suan down` first, to have it use {wanted}")
    note("next: suan run -- echo hello")


def _settled(client: Client) -> tuple[ServerView, tuple[PoolView, ...]]:
    """What the platform is once somebody leads and every pool was seen or has failed to be."""
    until = time.monotonic() + POOLS_S
    failing = False
    while True:
        server = client.server()
        try:
            pools = client.pools()
        except ServerError:  # nobody leads yet
            if time.monotonic() > until:
                raise
            pools = None
        if pools is not None:
            if time.monotonic() > until or all(pool.available for pool in pools):
                return server, pools
            if not failing and all(map(_tried, pools)):
                failing, until = True, min(until, time.monotonic() + SECOND_LOOK_S)
        time.sleep(LOOK_S)


def _tried(pool: PoolView) -> bool:
    return pool.available or bool(pool.detail)


def _summary(server: ServerView, pools: tuple[PoolView, ...]) -> str:
    lines = []
    for pool in pools:
        size = f"{form.counted(pool.nodes, 'node')}, {form.amount(pool.total)}"
        told = "; ".join(filter(None, [size, wrong_with(pool)]))
        lines.append(f"  pool {pool.name} ({pool.kind}, {pool_state(pool)}): {told}")
    if server.trouble:
        lines.append(f"  trouble: {server.trouble}")
    return "\n".join(lines or ["  no pools yet"])
