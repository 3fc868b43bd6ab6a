"""``suan pool check``: would a pool take a job? Asked without a server, before the first job is."""

import asyncio
from pathlib import Path

import click

from suan.cli.commands.pool import pool
from suan.cli.connect import json_option, pool_argument
from suan.cli.format import amount
from suan.cli.output import print_json, say
from suan.model.errors import NotFound, PoolRejected, PoolUnavailable
from suan.model.offer import NodeStatus
from suan.model.pool import Pool
from suan.model.resources import Resources
from suan.model.views import AmountView

__all__ = ["pool"]


@pool.command("check")
@pool_argument()
@click.option("--home", metavar="DIR", help="Where the server lives [$SUAN_HOME or ~/.suan].")
@click.option(
    "--pools", "pools_file", metavar="FILE", help="pools.yaml [$SUAN_POOLS or HOME/pools.yaml]."
)
@json_option
def check_pool(*, pool: str, home: str | None, pools_file: str | None, as_json: bool) -> None:
    """Try whether POOL, as pools.yaml declares it, would take a job; say what it has.

    Needs no server, so it is for before `suan up`. Exits with 2 if pools.yaml is wrong, with 3 if
    it has no such pool, with 7 if the pool cannot be used; the error says what to do.
    """
    from suan.app.settings import Flags, resolve

    settings = resolve(Flags(home=home, pools_file=pools_file))
    found = asyncio.run(_checked(pool, settings.pools_file, settings.home))
    if as_json:
        print_json({"pool": pool, "found": found})
    else:
        say("\n".join([*(f"ok    {line}" for line in found), f"{pool} would take a job"]))


async def _checked(name: str, file: Path | None, home: Path) -> list[str]:
    opened = _opened(name, file, home)
    try:
        return await _asked(opened)
    finally:
        await opened.close()


def _opened(name: str, file: Path | None, home: Path) -> Pool:
    from suan.pools.declared import load_pools, open_pool

    declared = {each.name: each for each in load_pools(file, home=home)}
    if name not in declared:
        known = ", ".join(sorted(declared))
        raise NotFound(
            f"no pool is called {name!r}",
            where=str(file or "built in"),
            mend=f"declared are: {known}",
        )
    home.mkdir(parents=True, exist_ok=True)
    try:
        return open_pool(declared[name], home=home)
    except OSError as error:
        raise PoolUnavailable(
            f"pool {name} cannot keep its runs: {error}",
            mend="set SUAN_HOME to a directory of yours",
        ) from error


async def _asked(opened: Pool) -> list[str]:
    from suan.pools.kinds import Checked

    found = await opened.check() if isinstance(opened, Checked) else []
    nodes = (await opened.observe(None)).nodes or ()
    open_ = [node for node in nodes if node.schedulable]
    if not open_:
        raise PoolRejected(
            f"none of its {len(nodes)} nodes takes new jobs",
            mend="see why they are down, drained or reserved; jobs would wait until one is not",
        )
    return [*found, f"{len(open_)} of {len(nodes)} nodes take new jobs: {_sum(open_)}"]


def _sum(nodes: list[NodeStatus]) -> str:
    total = Resources()
    for node in nodes:
        total = total.plus(node.total)
    models = dict(total.accelerators)
    return amount(AmountView(total.cpu_milli, total.memory_mib, models))
