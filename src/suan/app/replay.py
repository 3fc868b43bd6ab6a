"""``suan replay``: a store's journal through the scheduler again."""

import asyncio
import json
import sys
from dataclasses import asdict

import click

from suan.app.settings import Flags, resolve
from suan.control import ReplayReport
from suan.control import replay as replay_journal
from suan.core import Scheduler
from suan.store import open_store

MISMATCH_EXIT = 7  # a server-side fault, as in docs/reference/exit-codes.md


@click.command()
@click.option("--home", metavar="DIR", help="Where the server lives [$SUAN_HOME or ~/.suan].")
@click.option(
    "--store",
    "store_url",
    metavar="URL",
    help="sqlite:////PATH or postgresql://… [$SUAN_STORE or HOME/suan.db].",
)
@click.option("--after", type=int, default=0, metavar="N", help="Begin after journal entry N.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def replay(*, home: str | None, store_url: str | None, after: int, as_json: bool) -> None:
    """Run the journal through the scheduler again; every recorded plan must come out the same.

    Reads the store only, so it is safe beside a running server. Exits with 7 if any plan differs.
    """
    settings = resolve(Flags(home=home, store_url=store_url))
    report = asyncio.run(_replayed(settings.store_url, after))
    if as_json:
        click.echo(json.dumps({**asdict(report), "identical": report.identical}))
    else:
        click.echo(
            f"{report.entries} entries in {report.terms} terms: {report.events} events, "
            f"{report.plans} plans, {report.decisions} decisions"
        )
        for mismatch in report.mismatches:
            click.echo(f"entry {mismatch.number}: recorded {mismatch.recorded[:12]}…")
            click.echo(f"  replayed {mismatch.replayed[:12]}…: {' '.join(mismatch.decisions)}")
        click.echo(
            "every plan came out the same"
            if report.identical
            else f"{report.mismatched} plans differ",
            err=not report.identical,
        )
    sys.exit(0 if report.identical else MISMATCH_EXIT)


async def _replayed(store_url: str, after: int) -> ReplayReport:
    store = await open_store(store_url, create=False)
    try:
        return await replay_journal(store, Scheduler, after=after)
    finally:
        await store.close()
