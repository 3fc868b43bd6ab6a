"""A client for a command, and the options that commands share."""

import os
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from suan.client.discovery import LOOPBACK, find
from suan.client.sync import Client
from suan.client.wire import Sender

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT_S = 60.0


def connect(url: str | None = None, *, timeout_s: float = TIMEOUT_S) -> Client:
    """A client for the server at ``url``, else the one the user named, else the one found."""
    context = click.get_current_context(silent=True)
    if url is None and context is not None:
        url = context.find_root().obj
    endpoint = find(url)
    return Client(url, timeout_s=timeout_s, sender=_sender(endpoint.url, timeout_s))


def _sender(url: str, timeout_s: float) -> Sender | None:
    """The sender that loads fast; httpx only where there may be a proxy to go through."""
    parts = urlsplit(url)
    names = (f"{parts.scheme}_proxy", "all_proxy")
    proxied = any(os.environ.get(name) or os.environ.get(name.upper()) for name in names)
    if proxied and parts.hostname not in LOOPBACK:
        return None
    from suan.client.plain import PlainSender

    return PlainSender(timeout_s)


def json_option(command: F) -> F:
    """``--json``: the API's own JSON in place of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def complete_job(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Job ids for the shell: unfinished first. Silent where no server answers."""
    from suan.model.errors import SuanError

    try:
        with connect(timeout_s=1.0) as client:
            jobs = client.page(limit=200).jobs
    except SuanError:
        return []
    return [job.id for job in jobs if job.id.startswith(incomplete)]


def complete_pool(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Pool names for the shell. Silent where no server answers."""
    from suan.model.errors import SuanError

    try:
        with connect(timeout_s=1.0) as client:
            pools = client.pools()
    except SuanError:
        return []
    return [pool.name for pool in pools if pool.name.startswith(incomplete)]


def job_argument(**attributes: Any) -> Callable[[F], F]:
    """JOB, completed from the server."""
    return click.argument("job", metavar="JOB", shell_complete=complete_job, **attributes)


def pool_argument(**attributes: Any) -> Callable[[F], F]:
    """POOL, completed from the server."""
    return click.argument("pool", metavar="POOL", shell_complete=complete_pool, **attributes)
