"""``suan peer``: what is offered to other owners' platforms."""

from datetime import datetime
from typing import Any

import click

from suan.cli import format as form
from suan.cli.amounts import AMOUNTS, shown
from suan.cli.connect import connect, json_option
from suan.cli.grid import grid
from suan.cli.hours import HOURS, of_day
from suan.cli.output import note, print_json, say
from suan.cli.prices import PRICES
from suan.cli.when import WHEN
from suan.model.views import OfferView, PeerView


@click.group
def peer() -> None:
    """Offer parts of pools to other owners' suan, list and revoke offers."""


@peer.command("offer")
@click.argument("peer", metavar="PEER")
@click.argument("pool", metavar="POOL")
@click.option(
    "--share",
    type=click.IntRange(1, 100),
    metavar="PERCENT",
    help="How much of what others leave free; 100, if not given.",
)
@click.option(
    "--ceiling", type=AMOUNTS, metavar="AMOUNTS", help="Never more than, as A100=8,cpu=64."
)
@click.option(
    "--hours",
    type=HOURS,
    multiple=True,
    metavar="FROM-TO",
    help="Only then of each day, as 18:00-08:00; may be given several times.",
)
@click.option("--begin", type=WHEN, metavar="WHEN", help="From when on, as 2026-12-01.")
@click.option("--until", "end", type=WHEN, metavar="WHEN", help="Until when, as +30d.")
@click.option(
    "--price",
    "prices",
    type=PRICES,
    metavar="PRICES",
    help="An hour of each kind, as A100=6.5,cpu=0.05,kwh=0.4; the pool's own, if not given.",
)
@click.option("--currency", metavar="CODE", help="Of the prices; CNY, if not given.")
@click.option("--queue", metavar="NAME", help="Where its jobs stand; default, if not given.")
@click.option("--priority", type=int, help="With which priority; 0, if not given.")
@click.option("--new-secret", is_flag=True, help="Give PEER a new secret; the old one ends.")
@json_option
def offer(peer: str, pool: str, as_json: bool, **given: Any) -> None:
    """Offer PEER a part of POOL, or change what is offered of it to what is given now.

    A new PEER gets a token and a secret, which is shown once: its owner puts both into his
    pools.yaml (docs/howto/share-with-another-owner.md).
    """
    with connect() as client:
        found = client.offer(peer, pool, **_wanted(given))
    if as_json:
        print_json(found)
        return
    say(_table((found,)))
    if found.secret:
        note(f"the token is {found.token}; its secret is shown only now:")
        say(found.secret)


@peer.command("list")
@json_option
def list_peers(as_json: bool) -> None:
    """List what is offered to whom, and how many runs came of it that have not ended."""
    with connect() as client:
        found = client.peers()
    if as_json:
        print_json({"peers": found})
    else:
        say(_table(found) if found else "nothing is offered to anybody")


@peer.command("revoke")
@click.argument("peer", metavar="PEER")
@click.argument("pool", metavar="POOL")
@click.option("--now", is_flag=True, help="End what runs, too; it is preempted at its sender.")
@json_option
def revoke(peer: str, pool: str, now: bool, as_json: bool) -> None:
    """Take back what is offered to PEER of POOL. What waits goes back, what runs may end.

    PEER may still ask how its runs end; `suan token revoke` ends that, too.
    """
    with connect() as client:
        ended = client.revoke_offer(peer, pool, now=now)
    if as_json:
        print_json({"ended": ended})
    else:
        say(f"{pool} is no longer offered to {peer}; runs that this ends: {len(ended)}")


def _wanted(given: dict[str, Any]) -> dict[str, Any]:
    prices, currency = given["prices"], given["currency"]
    if prices is not None and currency:
        prices = {**prices, "currency": currency}
    elif currency:
        raise click.UsageError("--currency is of --price, which is not given")
    wanted = {
        "share_milli": 10 * given["share"] if given["share"] is not None else None,
        "ceiling": given["ceiling"],
        "hours": given["hours"],
        "begin": _seconds(given["begin"]),
        "end": _seconds(given["end"]),
        "prices": prices,
        "queue": given["queue"],
        "priority": given["priority"],
        "new_secret": given["new_secret"],
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _table(found: tuple[PeerView, ...]) -> str:
    rows = [_row(peer, offer) for peer in found for offer in peer.offers]
    rows += [(peer.name, peer.token or "-", *["-"] * 7) for peer in found if not peer.offers]
    headings = ("PEER", "TOKEN", "POOL", "SHARE", "CEILING", "WHEN", "PRICES", "STATE", "RUNS")
    return grid(headings, rows, right=("SHARE", "RUNS"))


def _row(peer: PeerView, offer: OfferView) -> tuple[str, ...]:
    return (
        peer.name,
        peer.token or "-",
        offer.pool,
        f"{offer.share_milli / 10:g}%",
        shown(offer.ceiling),
        _when(offer),
        _prices(offer.prices),
        offer.closed or "open",
        str(offer.runs or "-"),
    )


def _when(offer: OfferView) -> str:
    parts = [of_day(*pair) for pair in offer.hours]
    if offer.begin is not None:
        parts.append(f"from {form.moment(offer.begin)}")
    if offer.end is not None:
        parts.append(f"until {form.moment(offer.end)}")
    return ", ".join(parts) or "always"


def _prices(prices: dict[str, Any] | None) -> str:
    if prices is None:
        return "the pool's"
    currency = prices["currency"]
    named = {**prices["accelerator_hour"], "cpu": prices["cpu_hour"], "kwh": prices["energy_kwh"]}
    return ", ".join(f"{k} {form.money(n, currency)}" for k, n in named.items() if n) or "free"
