"""Runs that have ended, for a new leader to remember."""

import pytest

from suan.model.job import Cause, JobState, Outcome, Run, RunState, Stopping
from suan.model.resources import Resources
from suan.model.spec import JobSpec
from suan.model.store import EndedRun, Store
from suan.model.units import JobId, RunId
from tests.conformance.store.samples import NOW, cycle, entry, lead, placed, submit, updated

SECRET = JobSpec(run="train", name="n", queue="q", tenant="t", secrets={"KEY": "hush"})


def ended(job: str, at: int, attempt: int = 1, cause: Cause = Cause.SUCCEEDED) -> Run:
    """An ended run, ``at`` after ``NOW``, that had run for 5 microseconds."""
    return placed(
        job,
        attempt,
        state=RunState.ENDED,
        started_at=NOW + at - 5,
        ended_at=NOW + at,
        outcome=Outcome(cause),
    )


@pytest.fixture
async def past(store: Store) -> Store:
    """Runs of jobs that ended, of one that was tried again, and of one whose fate is open."""
    await submit(store, "a", "b", "c", "d", "e", spec=SECRET)
    never = placed("d", state=RunState.ENDED, ended_at=NOW + 12, outcome=Outcome(Cause.REJECTED))
    runs = (
        ended("a", 10),
        ended("b", 10),
        ended("c", 20, cause=Cause.LOST),
        ended("c", 30, attempt=2),
        ended("d", 25, attempt=2),
        never,
        placed("e", state=RunState.STARTED, started_at=NOW),
    )
    jobs = (
        updated("a", JobState.SUCCEEDED),
        updated("b", JobState.FAILED),
        updated("c", JobState.RUNNING, attempts=2),  # it ended, and what follows is not decided
        updated("d", JobState.PENDING, attempts=2),
        updated("e", JobState.RUNNING),
    )
    await store.record(cycle(entry(1), runs=runs, jobs=jobs), await lead(store))
    return store


def ids(found: tuple[EndedRun, ...]) -> list[str]:
    return [run.run for run in found]


ALL = ["a-r1", "b-r1", "c-r1", "d-r2"]


async def test_each_comes_with_what_it_held_and_whose_it_was(past: Store) -> None:
    found = await past.ended_runs(NOW, None, 10)
    assert ids(found) == ALL
    assert found[2] == EndedRun(
        run=RunId("c-r1"),
        spec=JobSpec(run="train", name="n", queue="q", tenant="t", secrets={"KEY": ""}),
        user="ada",
        tasks=2,
        per_task=Resources(1000, 2048, (("A100-80GB", 8000),)),
        started_at=NOW + 15,
        ended_at=NOW + 20,
        cause=Cause.LOST,
    )
    assert found[0].spec is found[1].spec


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
async def test_pages_join_without_a_gap(past: Store, limit: int) -> None:
    seen: list[str] = []
    after = None
    while page := await past.ended_runs(NOW, after, limit):
        assert len(page) <= limit
        seen += ids(page)
        after = (page[-1].ended_at, page[-1].run)
    assert seen == ALL


async def test_what_ended_earlier_is_left_out(past: Store) -> None:
    assert ids(await past.ended_runs(NOW + 9, None, 10)) == ALL
    assert ids(await past.ended_runs(NOW + 10, None, 10)) == ALL[2:]
    assert await past.ended_runs(NOW + 30, None, 10) == ()


@pytest.mark.parametrize(("most", "at"), [(0, 30), (1, 25), (2, 20), (3, 10), (4, 10), (5, 0)])
async def test_a_cutoff_keeps_at_most_so_many(past: Store, most: int, at: int) -> None:
    cutoff = await past.ended_cutoff(most, NOW)
    assert cutoff == NOW + at
    assert len(await past.ended_runs(cutoff, None, 100)) <= most


async def test_an_empty_store_remembers_nothing(store: Store) -> None:
    assert await store.ended_cutoff(10, NOW) == NOW
    assert await store.ended_runs(NOW, None, 10) == ()


async def test_a_run_remembers_that_it_is_to_end(store: Store) -> None:
    await submit(store, "a")
    stop = Stopping(Cause.RESIZED, "job b takes its place", ("n1", "n2"), JobId("b"))
    stopped = placed("a", stop=stop, hurries=True)
    await store.record(cycle(entry(1), runs=(stopped,)), await lead(store))
    assert await store.open_runs() == (stopped,)
