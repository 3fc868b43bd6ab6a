"""Peers: what is offered, and that a forwarded run becomes a job at most once."""

import asyncio
from dataclasses import replace

from suan.model.job import JobState
from suan.model.offer import Terms
from suan.model.peer import Ending, ForwardedRun, PeerOffer, Prices
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.store import Command, JobUpdate, NewJob, Store, Submission
from suan.model.units import JobId, NodeName, PoolName, RunId
from tests.conformance.store.samples import NOW, cycle, entry, lead, placed

RUN = ForwardedRun(
    "gansu", RunId("x-r1"), PoolName("lab"), nodes=(NodeName("n"),),
    per_task=Resources(1, 2, (("H100", 3),)), terms=Terms(cpu_hour=7),
)  # fmt: skip


async def forward(store: Store, job: str, run: ForwardedRun = RUN) -> ForwardedRun:
    new = NewJob(JobId(job), JobSpec(run="true"))
    return await store.peers.forward(run, Submission((new,), "peer.gansu"), NOW)


async def test_the_platform_has_one_id(store: Store) -> None:
    found = await store.peers.platform()
    assert len(found) == 16
    assert await store.peers.platform() == found


async def test_offers_are_kept_changed_and_taken_back(store: Store) -> None:
    made = PeerOffer("gansu", PoolName("lab"), (("cpu", 5),), hours=((1, 2),), prices=Prices("EUR"))
    other = PeerOffer("anhui", PoolName("lab"))
    await store.peers.offer(made)
    await store.peers.offer(other)
    assert await store.peers.offers() == (other, made)
    changed = replace(made, share_milli=5)
    await store.peers.offer(changed)
    assert await store.peers.offers() == (other, changed)
    assert await store.peers.withdraw("gansu", "lab")
    assert not await store.peers.withdraw("gansu", "lab")
    assert await store.peers.offers() == (other,)


async def test_a_run_becomes_a_job_once(store: Store) -> None:
    made = await asyncio.gather(*(forward(store, f"j{n}") for n in range(8)))
    assert len({each.job for each in made}) == 1
    assert made[0] == replace(RUN, job=made[0].job)
    assert len((await store.gather(9)).jobs) == 1


async def test_who_asks_in_vain_ends_earlier_launches(store: Store) -> None:
    assert await store.peers.seek(RUN) == replace(RUN, turn=1)
    late = await forward(store, "a")
    assert (late.job, late.turn) == (None, 1)
    assert await store.peers.seek(RUN) == replace(RUN, turn=2)
    made = await forward(store, "b", replace(RUN, turn=2))
    assert (made.job, made.turn) == ("b", 2)
    assert await store.peers.seek(RUN) == made
    assert [job.id for job in (await store.gather(9)).jobs] == ["b"]


async def test_a_launch_and_a_question_at_once_agree(store: Store) -> None:
    for number in range(10):
        run = replace(RUN, run=RunId(f"y{number}-r1"))
        made, found = await asyncio.gather(forward(store, f"c{number}", run), store.peers.seek(run))
        assert made.job == found.job


async def test_ended_before_it_came_it_is_cancelled_as_it_comes(store: Store) -> None:
    ended = replace(RUN, ending=Ending.CANCELLED)
    await store.peers.end(ended, Command("cancel", ""), NOW)
    made = await forward(store, "a")
    assert made.ending is Ending.CANCELLED
    gathered = await store.gather(9)
    assert gathered.jobs[0].cancel_requested
    assert [command.target for _, command in gathered.commands] == ["a"]


async def test_nothing_is_there_to_withdraw(store: Store) -> None:
    back = replace(RUN, ending=Ending.WITHDRAWN)
    await store.peers.end(back, Command("cancel", ""), NOW)
    assert (await forward(store, "a")).ending is Ending.NOBODY


async def test_who_wants_it_to_end_is_kept(store: Store) -> None:
    await forward(store, "a")
    for asked, kept in (
        (Ending.WITHDRAWN, Ending.WITHDRAWN),
        (Ending.REVOKED, Ending.REVOKED),
        (Ending.CANCELLED, Ending.CANCELLED),
        (Ending.REVOKED, Ending.CANCELLED),
    ):
        args = {"signal": "SIGUSR1", "grace": "5"}
        run = replace(RUN, ending=asked)
        found = await store.peers.end(run, Command("cancel", "", "x", args), NOW)
        assert found.ending is kept
    commands = [command for _, command in (await store.gather(9)).commands]
    assert commands == [Command("cancel", "a", "x", args)] * 4


async def test_what_became_of_runs_is_told_by_events_and_whole(store: Store) -> None:
    await forward(store, "a")
    await forward(store, "b", replace(RUN, run=RunId("z-r1")))
    lease = await lead(store)
    run = placed("a")
    running = JobUpdate(JobId("a"), JobState.RUNNING, 1)
    from suan.model.store import FeedEntry

    told = FeedEntry(0, NOW, "run.placed", JobId("a"), run.id)
    await store.record(cycle(entry(1), runs=(run,), jobs=(running,), feed=(told,)), lease)
    newest, seen = await store.peers.mirrored("gansu", "lab", after=0, since=0)
    assert [each.forwarded.run for each in seen] == ["x-r1"]
    assert (seen[0].last, seen[0].state) == (run, JobState.RUNNING)
    assert await store.peers.mirrored("gansu", "lab", after=newest, since=0) == (newest, ())
    _, whole = await store.peers.mirrored("gansu", "lab", after=None, since=0)
    assert [each.forwarded.run for each in whole] == ["x-r1", "z-r1"]
    assert await store.peers.mirrored("other", "lab", after=None, since=0) == (newest, ())
    assert [each.run for each in await store.peers.open("gansu", "lab")] == ["x-r1", "z-r1"]
    over = JobUpdate(JobId("a"), JobState.SUCCEEDED, 1, ended_at=NOW)
    await store.record(cycle(entry(2), jobs=(over,)), lease)
    assert [each.run for each in await store.peers.open("gansu", "lab")] == ["z-r1"]
    _, recent = await store.peers.mirrored("gansu", "lab", after=None, since=NOW)
    assert [each.forwarded.run for each in recent] == ["z-r1"]
    one = await store.peers.one("gansu", RunId("x-r1"))
    assert one is not None
    assert (one.state, one.ended_at) == (JobState.SUCCEEDED, NOW)
    assert await store.peers.one("gansu", RunId("never-r1")) is None
