"""``suan serve``: the server in the foreground."""

import asyncio
import logging
import sys
from typing import Any

import click

from suan.app.settings import DEFAULT_HOST, DEFAULT_POLICY, DEFAULT_PORT, Flags, resolve
from suan.model.policy import POLICIES


@click.command()
@click.option("--home", metavar="DIR", help="State, logs and pools' files [$SUAN_HOME or ~/.suan].")
@click.option("--host", metavar="ADDR", help=f"Where to listen [$SUAN_HOST or {DEFAULT_HOST}].")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Which port; 0 takes a free one [$SUAN_PORT or {DEFAULT_PORT}].",
)
@click.option(
    "--store",
    "store_url",
    metavar="URL",
    help="sqlite:////PATH or postgresql://… [$SUAN_STORE or HOME/suan.db].",
)
@click.option(
    "--pools", "pools_file", metavar="FILE", help="pools.yaml [$SUAN_POOLS or HOME/pools.yaml]."
)
@click.option(
    "--require-tokens", is_flag=True, help="Ask for tokens on loopback too [$SUAN_REQUIRE_TOKENS]."
)
@click.option(
    "--policy",
    metavar="NAME",
    help=f"How it decides: {', '.join(POLICIES)} [$SUAN_POLICY or {DEFAULT_POLICY}].",
)
def serve(**given: Any) -> None:
    """Run the server in the foreground; `suan up` starts this in the background.

    SIGTERM or Ctrl-C stops the server; what runs goes on, and is adopted when a server returns.
    """
    settings = resolve(Flags(**given))
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for chatty in ("uvicorn", "alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    import uvloop

    from suan.app.server import serve as serve_until_stopped

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_stopped(settings))
