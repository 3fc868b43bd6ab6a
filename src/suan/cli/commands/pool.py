"""``suan pool``: the pools."""

import re
from typing import Any

import click

from suan.cli import format as form
from suan.cli.connect import connect, json_option, pool_argument
from suan.cli.grid import fields, grid
from suan.cli.output import heading, paint, print_json, say
from suan.model.views import PoolView


@click.group
def pool() -> None:
    """List, show, check, drain and undrain pools.

    Pools are declared in pools.yaml (docs/reference/pools-yaml.md); without one, this machine is
    the only pool.
    """


@pool.command("list")
@json_option
def list_pools(as_json: bool) -> None:
    """List the pools: what they have, what is free, what runs there."""
    with connect() as client:
        pools = client.pools()
    if as_json:
        print_json({"pools": pools})
    else:
        say(pools_table(pools) if pools else "no pools")


@pool.command("show")
@pool_argument()
@json_option
def show_pool(pool: str, as_json: bool) -> None:
    """Show POOL with its terms and its nodes."""
    with connect() as client:
        found = client.pool(pool)
    if as_json:
        print_json(found)
    else:
        say(described(found))


@pool.command("drain")
@pool_argument()
@json_option
def drain_pool(pool: str, as_json: bool) -> None:
    """Start nothing new in POOL; what runs may end."""
    with connect() as client:
        client.drain(pool)
    _told(pool, as_json, drained=True)


@pool.command("undrain")
@pool_argument()
@json_option
def undrain_pool(pool: str, as_json: bool) -> None:
    """Let POOL take jobs again."""
    with connect() as client:
        client.undrain(pool)
    _told(pool, as_json, drained=False)


def _told(pool: str, as_json: bool, *, drained: bool) -> None:
    if as_json:
        print_json({"pool": pool, "drained": drained})
    else:
        say(f"{pool} starts nothing new" if drained else f"{pool} takes jobs again")


def pool_state(pool: PoolView) -> str:
    """A pool's state in one word."""
    if not pool.available:
        return paint("unavailable", "fail")
    if pool.drained:
        return paint("drained", "warn")
    if pool.circuit == "half_open":
        return paint("on trial", "warn")
    return paint("doubted", "warn") if pool.doubts else paint("ready", "ok")


def wrong_with(pool: PoolView) -> str:
    """What is wrong with a pool, and since when; empty if nothing is."""
    told = [f"{each.detail}, since {form.moment(each.since)}" for each in pool.doubts]
    return "; ".join(filter(None, [pool.detail, *told]))


def pools_table(pools: tuple[PoolView, ...]) -> str:
    """Pools as people read them: free of total."""
    capacity = ("NODES", "RACKS", "CPUS FREE", "MEMORY FREE", "ACCELERATORS FREE", "RUNS")
    headings = ("POOL", "KIND", "SITE", "STATE", *capacity, "DETAIL")
    rows = [
        (
            pool.name,
            pool.kind,
            pool.site,
            pool_state(pool),
            str(pool.nodes),
            str(pool.racks or "-"),
            form.used_of(pool.free.cpu_milli, pool.total.cpu_milli),
            f"{form.memory(pool.free.memory_mib)}/{form.memory(pool.total.memory_mib)}",
            _accelerators(pool),
            str(pool.runs),
            wrong_with(pool),
        )
        for pool in pools
    ]
    return grid(headings, rows, right=("NODES", "RACKS", "CPUS FREE", "MEMORY FREE", "RUNS"))


def _accelerators(pool: PoolView) -> str:
    free = pool.free.accelerators
    shown = [
        f"{model} {form.used_of(free.get(model, 0), total)}"
        for model, total in sorted(pool.total.accelerators.items())
    ]
    return ", ".join(shown) or "-"


def described(pool: PoolView) -> str:
    """One pool, as people read it."""
    nodes = [
        (node.name, form.amount(node.total), "yes" if node.schedulable else "no", node.rack or "-")
        for node in pool.node_list
    ]
    about = [
        ("name", pool.name),
        ("kind", pool.kind),
        ("site", pool.site),
        ("state", pool_state(pool) + (f": {wrong}" if (wrong := wrong_with(pool)) else "")),
        ("total", form.amount(pool.total)),
        ("free", form.amount(pool.free)),
        ("runs", str(pool.runs)),
        ("frameworks", ", ".join(pool.frameworks) or "any"),
        ("can", ", ".join(pool.capabilities)),
        ("observed", form.moment(pool.observed_at)),
    ]
    parts = [fields(about), heading("Terms"), fields(_terms(pool.terms)), heading("Nodes")]
    return "\n".join([*parts, grid(("NODE", "TOTAL", "SCHEDULABLE", "RACK"), nodes)])


_UNITS = re.compile(r"_(mw|milli)$|_mg(?=_per_)")


def _terms(terms: dict[str, Any]) -> list[tuple[str, str]]:
    """What it costs to run there; each amount in its unit."""
    currency = str(terms.get("currency", ""))
    return [
        (_UNITS.sub("", name).replace("_", " "), _term(name, value, currency))
        for name, value in terms.items()
    ]


def _term(name: str, value: Any, currency: str) -> str:
    if isinstance(value, list):
        pairs = [item if isinstance(item, str) else _pair(name, item, currency) for item in value]
        return "; ".join(pairs)
    if not isinstance(value, int):
        return str(value)
    if name.endswith(("_hour", "_kwh", "_kg")) and not name.startswith("carbon_mg"):
        return form.money(value, currency)
    if name.endswith("_mw"):
        return f"{value / 1000:g} W"
    if name == "carbon_mg_per_kwh":
        return f"{value / 1000:g} g CO2e"
    return form.thousandths(value) if name.endswith("_milli") else str(value)


def _pair(name: str, item: list[Any], currency: str) -> str:
    return f"{item[0]} {_term(name, item[1], currency)}"
