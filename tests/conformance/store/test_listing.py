"""Listing and counting."""

import pytest

from suan.model.errors import InputError
from suan.model.job import JobState
from suan.model.spec import JobSpec
from suan.model.store import JobFilter, NewJob, Store, Submission
from suan.model.units import JobId
from tests.conformance.store.samples import NOW, cycle, entry, lead, submit, updated

SPECS = {
    "plain": JobSpec(run="true", name="plain"),
    "night": JobSpec(run="true", name="plain", queue="night", labels={"team": "vision"}),
    "lab": JobSpec(run="true", name="other", tenant="lab", labels={"team": "speech", "k": "v"}),
}
ENDS = {"07": JobState.SUCCEEDED, "11": JobState.FAILED, "17": JobState.RUNNING}


async def fill(store: Store) -> list[tuple[str, str, str]]:
    """30 jobs, by turns of each spec and of two users; returns (id, spec, user), oldest first."""
    made = []
    for at in range(30):
        kind = ("plain", "night", "lab")[at % 3]
        user = ("ada", "bob")[at % 2]
        name = f"j{at:02}"
        await submit(store, name, spec=SPECS[kind], user=user)
        made.append((name, kind, user))
    updates = tuple(updated(f"j{at}", state) for at, state in ENDS.items())
    await store.record(cycle(entry(1), jobs=updates), await lead(store))
    return made


async def pages(store: Store, where: JobFilter, limit: int) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await store.list(where, cursor, limit)
        assert len(page.jobs) <= limit
        found += [job.id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 7, 10, 30, 100])
async def test_pages_are_newest_first_and_whole(store: Store, limit: int) -> None:
    made = await fill(store)
    assert await pages(store, JobFilter(), limit) == [name for name, _, _ in reversed(made)]


def state_of(name: str) -> JobState:
    return ENDS.get(name[1:], JobState.PENDING)


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        (JobFilter(queue="night"), lambda n, k, u: k == "night"),
        (JobFilter(user="bob"), lambda n, k, u: u == "bob"),
        (JobFilter(tenant="lab"), lambda n, k, u: k == "lab"),
        (JobFilter(name="plain"), lambda n, k, u: k != "lab"),
        (JobFilter(label=("team", "vision")), lambda n, k, u: k == "night"),
        (JobFilter(label=("k", "v"), user="ada"), lambda n, k, u: k == "lab" and u == "ada"),
        (JobFilter(label=("team", "none")), lambda n, k, u: False),
        (JobFilter(queue="none"), lambda n, k, u: False),
        (JobFilter(states=(JobState.PENDING,)), lambda n, k, u: n[1:] not in ENDS),
        (
            JobFilter(states=(JobState.FAILED, JobState.SUCCEEDED, JobState.FAILED)),
            lambda n, k, u: n in ("j07", "j11"),
        ),
        (
            JobFilter(states=(JobState.SUCCEEDED,), user="bob", queue="night"),
            lambda n, k, u: n == "j07",
        ),
        (JobFilter(states=(JobState.FAILED,), name="plain"), lambda n, k, u: False),
        (JobFilter(states=(JobState.RUNNING,), name="other"), lambda n, k, u: n == "j17"),
    ],
)
async def test_filters(store: Store, where: JobFilter, matches) -> None:
    made = await fill(store)
    expected = [name for name, kind, user in reversed(made) if matches(name, kind, user)]
    assert await pages(store, where, 4) == expected
    counts = await store.counts(where)
    assert set(counts) == set(JobState)
    for state in JobState:
        assert counts[state] == sum(state_of(name) is state for name in expected)


@pytest.mark.parametrize("recent", [0, 3, 5000])
async def test_a_label_is_found_among_the_newest_and_beyond(
    store: Store, recent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suan.store.listing.RECENT", recent)
    made = await fill(store)
    for user in (None, "ada"):
        where = JobFilter(label=("team", "vision"), user=user, states=(JobState.PENDING,))
        expected = [
            name
            for name, kind, by in reversed(made)
            if kind == "night" and user in (None, by) and state_of(name) is JobState.PENDING
        ]
        for limit in (1, 2, 100):
            assert await pages(store, where, limit) == expected


async def test_the_members_of_an_array(store: Store) -> None:
    await submit(store, "alone")
    members = tuple(
        NewJob(JobId(f"arr-{at}"), SPECS["plain"], JobId("arr"), at) for at in range(12)
    )
    await store.submit(Submission(members, user="ada"), NOW)
    found = await pages(store, JobFilter(array_id=JobId("arr")), 5)
    assert found == [f"arr-{at}" for at in reversed(range(12))]


async def test_a_page_does_not_move_when_jobs_are_added(store: Store) -> None:
    await submit(store, *(f"j{at}" for at in range(6)))
    first = await store.list(JobFilter(), None, 3)
    await submit(store, "later")
    second = await store.list(JobFilter(), first.next_cursor, 3)
    assert [job.id for job in first.jobs + second.jobs] == ["j5", "j4", "j3", "j2", "j1", "j0"]


@pytest.mark.parametrize("cursor", ["", "x", "ajA", "ajg=", "LTE", "aj", "é", "a" * 5000, "\x00"])
async def test_a_bad_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InputError) as refused:
        await store.list(JobFilter(), cursor, 10)
    assert refused.value.where == "cursor"
    assert refused.value.mend


async def test_a_limit_below_one_is_refused(store: Store) -> None:
    with pytest.raises(InputError):
        await store.list(JobFilter(), None, 0)


@pytest.mark.parametrize("text", ["a\x00", "\ud800"])
async def test_a_filter_that_can_match_nothing(store: Store, text: str) -> None:
    """SQLite finds nothing, PostgreSQL says that the text is none: never a fault of the store."""
    try:
        page = await store.list(JobFilter(user=text), None, 10)
    except InputError:
        return
    assert page.jobs == ()
