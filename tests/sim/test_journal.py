"""suan's own journal as a trace, and ``suan replay --policy``."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from suan.model.demand import Demand, Option
from suan.model.errors import InputError
from suan.model.events import (
    Event,
    JobSubmitted,
    PoolObserved,
    QueueChanged,
    ReservationCancelled,
    ReservationMade,
    RunEnded,
    RunPlaced,
    RunStarted,
)
from suan.model.job import Cause, Outcome
from suan.model.offer import NodeStatus, Offer
from suan.model.reservation import Reservation
from suan.model.resources import Resources
from suan.model.store import Cycle, JournalEntry
from suan.model.units import SECOND
from suan.sim.traces.job import TraceJob
from suan.sim.traces.journal import History, as_trace
from suan.store import open_store
from tests.sim.test_command import here, suan

__all__ = ["here"]  # a fixture

T0 = 1_700_000_000 * SECOND
DEMAND = Demand(1, (Option(Resources(1000, 512)),))
OFFER = Offer("here", "local")


def submitted(name: str, at: int, **rest: object) -> JobSubmitted:
    seq = int(name[1:])
    return JobSubmitted(T0 + at * SECOND, name, seq, DEMAND, **rest)  # type: ignore[arg-type] # fields


def started(run: str, at: int) -> RunStarted:
    return RunStarted(T0 + at * SECOND, run)


def ended(run: str, at: int, cause: Cause = Cause.SUCCEEDED) -> RunEnded:
    return RunEnded(T0 + at * SECOND, run, Outcome(cause))


def observed(*cpus: int, **rest: object) -> PoolObserved:
    nodes = tuple(NodeStatus(f"n{at}", Resources(n * 1000, 4096)) for at, n in enumerate(cpus))
    return PoolObserved(T0, OFFER, nodes, **rest)  # type: ignore[arg-type] # fields


ENTRIES: tuple[tuple[Event, ...], ...] = (
    (observed(1), QueueChanged(T0, "night", 3, "sjf", open=False)),
    (submitted("J1", 10), submitted("J2", 10, time_limit=60 * SECOND, queue="night")),
    (started("J1-r1", 11), observed(2, complete=False)),
    (ended("J1-r1", 31, Cause.LOST), submitted("J3", 35, after=(("J1", "ended"), ("J4", "ended")))),
    (started("J1-r2", 40), submitted("J4", 40), submitted("J5", 41)),
    (ended("J1-r2", 90, Cause.FAILED), started("J2-r1", 91), started("J5-r1", 91)),
    # another leader: what is unfinished is told again
    (submitted("J2", 10), RunPlaced(T0, "J2-r1", "J2", "here", ("n0",), 0, started=True)),
    (ended("J2-r1", 161), started("J3-r1", 162), ended("J5-r1", 162, Cause.PREEMPTED)),
    (ended("J3-r1", 170), submitted("J6", 171), started("J6-r1", 171), ended("J6-r1", 171)),
)


def history() -> History:
    found = History()
    for number, events in enumerate(ENTRIES, 1):
        found.take(number, events)
    return found


def anything(_: TraceJob) -> bool:
    return True


def test_jobs_run_as_long_as_their_last_run_of_its_own_end() -> None:
    trace = as_trace(history(), "sqlite:///x", anything)
    jobs = {each.job: each for each in trace.jobs()}
    assert {
        name: (each.submit // SECOND, each.runtime // SECOND) for name, each in jobs.items()
    } == {
        "J1": (0, 50),
        "J2": (0, 60),  # it ran for 70, over its limit
        "J3": (25, 8),
    }
    assert jobs["J2"].requested == 60 * SECOND
    assert jobs["J3"].after == (("J1", "ended"),)
    assert trace.dependent
    assert trace.tally.lines == {
        "over_limit": [2],
        "never_ran": [5],
        "unfinished": [5],
        "zero_length": [9],
        "no_dependency": [4],
    }


def test_what_was_reserved_is_reserved_again_from_when_it_was_known() -> None:
    first = Reservation("r", "here", ("n0",), T0, T0 + 60 * SECOND, made_at=T0)
    other = replace(first, name="s", begin=T0 + 90 * SECOND, end=T0 + 99 * SECOND)
    found = history()
    told = (ReservationMade(T0, first), ReservationMade(T0 + 20 * SECOND, other))
    again = (ReservationMade(T0 + 30 * SECOND, other), ReservationCancelled(T0, "unknown"))
    found.take(99, (*told, *again, ReservationCancelled(T0 + 50 * SECOND, "s")))
    made, later, cancelled = as_trace(found, "sqlite:///x", anything).reserved
    assert (made.at, made.reservation.begin, made.reservation.end) == (
        0,
        -10 * SECOND,
        50 * SECOND,
    )
    assert (later.at, later.reservation.begin) == (10 * SECOND, 80 * SECOND)
    assert cancelled == ReservationCancelled(40 * SECOND, "s")


def test_pools_are_whole_and_queues_open() -> None:
    found = history()
    [pool] = found.pools()
    assert pool.offer == OFFER
    assert pool.nodes == (NodeStatus("n0", Resources(2000, 4096)),)
    trace = as_trace(found, "sqlite:///x", anything)
    assert trace.queues == (QueueChanged(0, "night", 3, "sjf", open=True),)


def test_a_journal_without_a_usable_job_is_refused_without_showing_a_password() -> None:
    with pytest.raises(InputError) as caught:
        as_trace(History(), "postgresql://me:secret@example.org/suan", anything)
    assert "none was submitted" in caught.value.message
    assert "secret" not in caught.value.where


async def _record(path: Path) -> None:
    store = await open_store(f"sqlite:///{path}")
    try:
        lease = await store.acquire("me", "http://here", T0, 10 * SECOND)
        assert lease is not None
        entries = tuple(
            JournalEntry(number, "term" if number in (1, 7) else "cycle", 1, T0, events, 100, "")
            for number, events in enumerate(ENTRIES, 1)
        )
        await store.record(Cycle(entries), lease)
    finally:
        await store.close()


@pytest.fixture
def store(here: Path) -> Path:
    path = here / "suan.db"
    asyncio.run(_record(path))
    return path


def test_replay_under_other_policies_prints_a_comparison(store: Path) -> None:
    url = f"sqlite:///{store}"
    result = suan("replay", "--store", url, "--policy", "fifo,sjf")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].split() == ["fifo", "sjf"]
    assert "rests on: recorded run times" in result.stderr
    body = json.loads(suan("replay", "--store", url, "--policy", "fifo", "--json").stdout)
    assert body["policies"][0]["states"] == {"succeeded": 3}
    # two run side by side, J3 waits for J1
    assert body["policies"][0]["mean_wait_us"] == 25 * SECOND / 3


def test_replay_without_a_policy_is_what_it_was(store: Path) -> None:
    result = suan("replay", "--store", f"sqlite:///{store}")
    assert result.exit_code == 0
    assert "9 entries in 2 terms" in result.stdout


def test_replay_of_a_part_under_other_policies_is_refused(store: Path) -> None:
    url = f"sqlite:///{store}"
    result = suan("replay", "--store", url, "--policy", "fifo", "--after", "3")
    assert result.exit_code == 2
    assert "whole journal" in result.stderr


@pytest.mark.parametrize("as_url", [True, False])
def test_simulate_takes_a_store_for_a_trace(store: Path, as_url: bool) -> None:
    trace = f"sqlite:///{store}" if as_url else str(store)
    own = suan("simulate", "--trace", trace, "--policy", "fifo", "--json")
    assert own.exit_code == 0, own.output
    assert json.loads(own.stdout)["format"] == "journal"
    given = suan(
        "simulate", "--trace", trace, "--pools", "pools.yaml", "--policy", "fifo", "--json"
    )
    assert json.loads(given.stdout)["pools"] == ["all"]


def test_events_told_again_change_nothing() -> None:
    found = history()
    first = as_trace(found, "x", anything)
    found.take(99, [replace(each[1], at=each[1].at + 5) for each in found.jobs.values()])
    assert list(as_trace(found, "x", anything).jobs()) == list(first.jobs())
