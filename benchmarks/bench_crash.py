"""The server killed 200 times on each engine, with 5,000 jobs in hand.

Each round starts the real server, gives it jobs and sees it die by SIGKILL: at a named point of
`suan.killpoints`, or at random. Every task appends one line to a file of its own, so a lost job
leaves none and a job that ran twice leaves two; a client that got no answer repeats with the same
idempotency key. At the end the journal is replayed: every plan must come out the same.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import harness

sys.path.insert(0, str(Path(__file__).parents[1]))

from suan.control import ReplayReport, replay
from suan.core import Scheduler
from suan.store import open_store
from tests import postgres
from tests.crash.harness import CrashTest, Tally, schedule
from tests.sharing import NotHere

HEADER = (
    "engine",
    "rounds",
    "kill points reached",
    "random kills",
    "jobs",
    "lost",
    "run twice",
    "half gangs",
    "not ended",
    "wrongly ended",
    "plans replayed",
    "plans that differ",
    "minutes",
)


async def replayed(url: str) -> ReplayReport:
    """The journal through the scheduler again."""
    store = await open_store(url, create=False)
    try:
        return await replay(store, Scheduler)
    finally:
        await store.close()


def crash(engine: str, url: str | None, *, rounds: int, jobs: int) -> tuple[object, ...]:
    """One engine's row."""
    with tempfile.TemporaryDirectory(prefix="suan-crash-") as folder:
        url = url or f"sqlite:///{folder}/crash.db"
        test = CrashTest(Path(folder) / "home", store_url=url, seed=7)
        tally = test.run(schedule(rounds, seed=7), jobs_per_round=jobs)
        report = asyncio.run(replayed(url))
    for finding in (tally.lost, tally.doubled, tally.half_gangs, tally.unfinished):
        if finding:
            print(f"{engine}: {finding}", file=sys.stderr)
    return row(engine, tally, report)


def row(engine: str, tally: Tally, report: ReplayReport) -> tuple[object, ...]:
    points = {p.partition(":")[0] for p in tally.deaths if p != "at random"}
    return (
        engine,
        tally.rounds,
        len(points),
        tally.deaths["at random"],
        tally.jobs,
        len(tally.lost),
        len(tally.doubled),
        len(tally.half_gangs),
        len(tally.unfinished),
        len(tally.wrong_state),
        report.plans,
        report.mismatched,
        f"{tally.seconds / 60:.1f}",
    )


def main() -> None:
    rounds, jobs = (24, 10) if harness.quick() else (200, 48)
    rows = [crash("SQLite", None, rounds=rounds, jobs=jobs)]
    try:
        with postgres.private_server() as (url, _), postgres.fresh_database(url) as database:
            rows.append(crash("PostgreSQL", database, rounds=rounds, jobs=jobs))
    except NotHere as reason:
        print(f"PostgreSQL: not measured, {reason}\n")
    print(harness.table(HEADER, rows))
    if any(figure for each in rows for figure in (*each[5:10], each[11])):
        sys.exit("something was lost, run twice, or decided otherwise")


if __name__ == "__main__":
    main()
