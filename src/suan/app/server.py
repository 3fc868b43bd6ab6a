"""One server: a store, the pools, the live loop over them, and the API, from start to stop."""

import asyncio
import gc
import logging
import os
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from suan import __version__
from suan.accounting import bill
from suan.api import ApiSettings, Services, bootstrap_token, create_app
from suan.app.registration import Registration
from suan.app.settings import ServerSettings
from suan.app.web import Web
from suan.content.cache import Cache, long_ago
from suan.content.fetching import Fetcher
from suan.content.kept import Kept
from suan.content.place import here
from suan.control import Controller, ControlSettings, wall_clock
from suan.model.bill import Bill
from suan.model.errors import InputError, StoreError
from suan.model.job import Run
from suan.model.offer import Terms
from suan.model.pool import Pool, Usage
from suan.model.store import Store
from suan.model.units import PoolName
from suan.pools.declared import PoolDeclaration, load_pools, open_pool
from suan.store import open_store

log = logging.getLogger(__name__)

CLAIM_SECONDS = 0.5  # how often a server looks whether server.json should name it
SWEEP_SECONDS = 3600
KEEP_ALIVE_SECONDS = 75  # longer than clients keep an idle line, or one would end as it is used
DRAIN_SECONDS = 3  # how long open requests (followed logs, event streams) may take to end


def listen(settings: ServerSettings) -> socket.socket:
    """The listening socket, made before anything else so that a taken port stops the start.

    Raises:
        InputError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.host, settings.port), family=family, backlog=512, reuse_port=False
        )
    except OSError as error:
        raise InputError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}",
            where="--host/--port",
            mend="stop what uses it, or give another --port (0 takes any free one)",
        ) from error


async def serve(settings: ServerSettings) -> None:
    """Run a server until it is told to stop (SIGTERM or SIGINT); runs go on without it."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with listen(settings) as listener:
        host, port = listener.getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        name = local_pool_name(settings.store_url)
        declared = load_pools(settings.pools_file, home=settings.home, default_name=name)
        async with (
            opened_pools(declared, settings.home) as pools,
            opened_store(settings) as store,
        ):
            content = Kept(Cache(str(settings.content_folders[0]), settings.content_bytes))
            controller = _controller(
                settings, url=url, store=store, pools=pools, declared=declared, content=content
            )
            await _answer(
                settings, listener, url=url, store=store, controller=controller, content=content
            )


@asynccontextmanager
async def opened_store(settings: ServerSettings) -> AsyncIterator[Store]:
    """The store, closed at the end."""
    store = await open_store(settings.store_url)
    try:
        yield store
    finally:
        await store.close()


def local_pool_name(store_url: str) -> str:
    """What this machine's own pool is called where no file names it.

    Servers on several machines may share a PostgreSQL store. If each called its machine "local",
    a new leader would look for the dead one's runs here, not find them, and run them again.
    """
    if store_url.startswith("sqlite"):
        return "local"
    words = re.findall(r"[a-z0-9]+", socket.gethostname().lower())
    return "-".join(words)[:63].strip("-") or "local"


@asynccontextmanager
async def opened_pools(
    declared: tuple[PoolDeclaration, ...], home: Path
) -> AsyncIterator[dict[PoolName, Pool]]:
    """Every declared pool by name, closed at the end."""
    pools: dict[PoolName, Pool] = {}
    try:
        for declaration in declared:
            pools[PoolName(declaration.name)] = open_pool(declaration, home=home)
        yield pools
    finally:
        for pool in pools.values():
            await pool.close()


async def _answer(
    settings: ServerSettings,
    listener: socket.socket,
    *,
    url: str,
    store: Store,
    controller: Controller,
    content: Kept,
) -> None:
    """The live loop and the API over it, until the API is told to stop."""
    started_at = wall_clock()
    app = create_app(
        Services(
            store=store,
            live=controller,
            settings=ApiSettings(
                bind_host=settings.host,
                require_tokens=settings.require_tokens,
                version=__version__,
                started_at=started_at,
                policy=settings.policy,
                place=here(),
            ),
            clock=wall_clock,
            content=content,
            fetcher=Fetcher(content.cache, settings.fetches),
        )
    )
    if settings.require_tokens:
        await _provide_token(settings, store)
    web = Web(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    registration = Registration(settings.home, url, started_at)
    await controller.start()
    _settle_garbage()
    claiming = asyncio.create_task(_keep_claimed(web, controller, registration))
    caches = [content, *(Kept(Cache(str(each))) for each in settings.content_folders[1:])]
    sweeping = asyncio.create_task(_sweep(store, caches, settings.content_days))
    try:
        await web.serve(sockets=[listener])
    finally:
        claiming.cancel()
        sweeping.cancel()
        registration.withdraw()
        await controller.stop()


def _controller(
    settings: ServerSettings,
    *,
    url: str,
    store: Store,
    pools: dict[PoolName, Pool],
    declared: tuple[PoolDeclaration, ...],
    content: Kept,
) -> Controller:
    def bill_of(run: Run, usage: Usage | None) -> Bill:
        ended = run.ended_at or 0
        return bill(
            per_task=run.per_task,
            tasks=len(run.nodes),
            duration=ended - (run.started_at or ended),  # one that never started costs nothing
            usage=usage,
            terms=pools[run.pool].offer.terms if run.pool in pools else Terms(),
        )

    return Controller(
        store,
        pools,
        bill=bill_of,
        content=content,
        settings=ControlSettings(
            holder=f"{socket.gethostname()}:{os.getpid()}:{wall_clock()}",
            url=url,
            lease_ttl=int(settings.lease_seconds * 1_000_000),
            policy=settings.decides_by,
            patience={PoolName(each.name): each.patience for each in declared},
        ),
    )


async def _keep_claimed(
    web: uvicorn.Server, controller: Controller, registration: Registration
) -> None:
    """Name this server in ``server.json`` once it answers, and whenever it comes to lead."""
    while True:
        if web.started:
            registration.claim(leading=controller.status().leading)
        await asyncio.sleep(CLAIM_SECONDS if web.started else 0.01)


async def _sweep(store: Store, caches: Sequence[Kept], days: float) -> None:
    """Drop what no unfinished job brings and nobody used for days, now and then."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            needed = await store.contents_needed()
            for each in caches:
                await each.sweep(needed, long_ago(days * 86_400))
        except (StoreError, OSError) as error:
            log.warning("what jobs brought was not swept: %s", error)


async def _provide_token(settings: ServerSettings, store: Store) -> None:
    """Where tokens are needed and there is none, make one and leave it for this machine's user."""
    secret = await bootstrap_token(store, wall_clock(), os.urandom)
    if secret is None:
        return
    path = settings.home / "token"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
    log.warning("made the first admin token; it is in %s and nowhere else", path)


def _settle_garbage() -> None:
    """Keep what start-up made out of the collector's way, and let it look less often.

    A hundred thousand pending jobs are a million live objects; a full collection over them would
    stop every request for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
