"""``suan replay``: a store's journal through the scheduler again."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from suan.app.settings import Flags, resolve
from suan.control import ReplayReport
from suan.control import replay as replay_journal
from suan.core import Scheduler
from suan.model.errors import InputError
from suan.store import open_store

MISMATCH_EXIT = 7  # a server-side fault, as in docs/reference/exit-codes.md
RESTS_ON = (
    "rests on: recorded run times, wherever a job runs now",
    "rests on: submissions as they were, though people might submit otherwise under another policy",
    "rests on: every node whole and there from the beginning, as last observed",
)


@click.command()
@click.option("--home", metavar="DIR", help="Where the server lives [$SUAN_HOME or ~/.suan].")
@click.option(
    "--store",
    "store_url",
    metavar="URL",
    help="sqlite:////PATH or postgresql://… [$SUAN_STORE or HOME/suan.db].",
)
@click.option("--after", type=int, default=0, metavar="N", help="Begin after journal entry N.")
@click.option(
    "--policy",
    metavar="NAME[,NAME…]",
    help="Instead: what would these policies have made of the jobs? Simulated, and compared.",
)
@click.option("--html", metavar="FILE", help="With --policy: write a report there, as one page.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def replay(
    *,
    home: str | None,
    store_url: str | None,
    after: int,
    policy: str | None,
    html: str | None,
    as_json: bool,
) -> None:
    """Run the journal through the scheduler again; every recorded plan must come out the same.

    Reads the store only, so it is safe beside a running server. Exits with 7 if any plan differs.

    With --policy the journal's jobs are submitted anew, when they were, to the journal's pools;
    each runs as long as it was recorded to.
    """
    settings = resolve(Flags(home=home, store_url=store_url))
    if html is not None and policy is None:
        raise InputError("only --policy has a report", where="--html", mend="give --policy too")
    if policy is not None:
        if after:
            raise InputError(
                "--policy simulates the whole journal",
                where="--after",
                mend="leave --after out, or --policy",
            )
        _compare(settings.store_url, policy, html, as_json=as_json)
        return
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


def _compare(store_url: str, policies: str, html: str | None, *, as_json: bool) -> None:
    """The journal as a trace, under other policies."""
    from suan.app.comparing import Outputs, Study, compare, show
    from suan.sim.settings import Settings
    from suan.sim.study import Fitting, check_policies
    from suan.sim.traces.journal import as_trace, read_history

    names = check_policies(policies)
    history = read_history(store_url)
    pools = history.pools()
    trace = as_trace(history, store_url, Fitting(pools))
    study = Study(trace, pools, names, Settings(), RESTS_ON)
    outputs = Outputs(page=None if html is None else Path(html).expanduser())
    show(study, compare(study, outputs), as_json=as_json)


async def _replayed(store_url: str, after: int) -> ReplayReport:
    store = await open_store(store_url, create=False)
    try:
        return await replay_journal(store, Scheduler, after=after)
    finally:
        await store.close()
