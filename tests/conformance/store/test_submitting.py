"""Adding jobs."""

import asyncio
from dataclasses import replace

import pytest

from suan.model.errors import InputError, OverPendingLimit, StoreConflict
from suan.model.job import Job, JobState
from suan.model.quota import Limits
from suan.model.spec import After, JobSpec, ResourceOption, RetryPolicy
from suan.model.store import NewJob, Store, Submission, Submitted
from suan.model.units import JobId
from tests.conformance.store.samples import (
    NOW,
    SPEC,
    cycle,
    entry,
    lead,
    new_jobs,
    submission,
    submit,
    updated,
)

RICH = JobSpec(
    run="python train.py\necho 完成",
    name="train",
    setup="pip install .",
    workdir="~/code",
    num_nodes=4,
    resources=(
        ResourceOption(4000, 16384, {"A100-80GB": 8000}, infra="slurm/*"),
        ResourceOption(500, None, {"Ascend-910B": 500}),
    ),
    ordered=True,
    envs={"A": "1", "空": "值\x00"},
    secrets={"TOKEN": "hush"},
    file_mounts={"/data": "s3://bucket"},
    inputs=("a", "b"),
    outputs=("c",),
    labels={"team": "vision", "": "empty"},
    queue="night",
    tenant="lab",
    priority=-1000,
    framework="pytorch",
    time_limit=3_600_000_000,
    expected=1,
    deadline=NOW + 1,
    flexible=5,
    latency="low",
    budget=10**12,
    max_hourly_cost=7,
    after=(After("x", "ended"),),
    retry=RetryPolicy(3, (1, 137), 2, 1, 5),
    sweep={"lr": ("0.1", "0.01")},
    stdout="out-%j",
    origin="sbatch",
)


async def test_a_job_comes_back_whole_but_for_its_secrets(store: Store) -> None:
    new = NewJob(
        id=JobId("abc-7"),
        spec=RICH,
        array_id=JobId("abc"),
        array_index=7,
        params={"lr": "0.1"},
        after=((JobId("x"), "ended"), (JobId("y"), "succeeded")),
    )
    done = await store.submit(Submission((new,), user="ada"), NOW)
    assert done == Submitted(jobs=(JobId("abc-7"),))
    job = await store.get(JobId("abc-7"))
    assert job is not None
    assert job == Job(
        id=new.id,
        seq=job.seq,
        spec=replace(RICH, secrets={"TOKEN": ""}),
        user="ada",
        state=JobState.PENDING,
        submitted_at=NOW,
        array_id=new.array_id,
        array_index=7,
        params=new.params,
        after=new.after,
    )
    assert await store.secrets(job) == {"TOKEN": "hush"}


async def test_unknown_jobs_are_absent(store: Store) -> None:
    assert await store.get(JobId("none")) is None
    assert await store.run("none-r1") is None  # type: ignore[arg-type]
    assert await store.runs([JobId("none")]) == ()


async def test_seq_follows_the_order_of_submission(store: Store) -> None:
    names = [f"j{at:03}" for at in range(120)]
    await submit(store, *names[:100])
    for name in names[100:]:
        await submit(store, name)
    gathered = await store.gather(1000)
    assert [job.id for job in gathered.jobs] == names
    assert sorted(job.seq for job in gathered.jobs) == [job.seq for job in gathered.jobs]


async def test_a_taken_id_refuses_the_whole_submission(store: Store) -> None:
    await submit(store, "a", "b")
    with pytest.raises(StoreConflict, match="taken"):
        await submit(store, "c", "b", "d")
    with pytest.raises(StoreConflict, match="taken"):
        await submit(store, "e", "e")
    assert [job.id for job in (await store.gather(10)).jobs] == ["a", "b"]


async def test_a_key_makes_a_submission_once(store: Store) -> None:
    first = await submit(store, "a", "b", key="k", fingerprint="f")
    again = await submit(store, "c", "d", key="k", fingerprint="f")
    assert first == Submitted((JobId("a"), JobId("b")))
    assert again == Submitted((JobId("a"), JobId("b")), repeated=True)
    with pytest.raises(StoreConflict, match="idempotency key 'k'"):
        await submit(store, "e", key="k", fingerprint="other")
    assert len((await store.gather(10)).jobs) == 2


async def test_another_user_has_keys_of_his_own(store: Store) -> None:
    await submit(store, "a", key="k", fingerprint="f")
    theirs = await submit(store, "b", key="k", fingerprint="g", user="bob")
    assert theirs == Submitted((JobId("b"),))


async def test_one_of_many_with_the_same_key_wins(store: Store) -> None:
    each = [submit(store, f"j{at}", key="k", fingerprint="f") for at in range(40)]
    done = await asyncio.gather(*each)
    assert len({made.jobs for made in done}) == 1
    assert sorted(made.repeated for made in done) == [False] + [True] * 39
    assert len((await store.gather(100)).jobs) == 1


async def test_a_failing_submission_leaves_its_neighbours_alone(store: Store) -> None:
    await submit(store, "taken")
    names = ["taken" if at % 3 == 0 else f"j{at}" for at in range(60)]
    done = await asyncio.gather(*(submit(store, n) for n in names), return_exceptions=True)
    for name, made in zip(names, done, strict=True):
        if name == "taken":
            assert isinstance(made, StoreConflict)
        else:
            assert made == Submitted((JobId(name),))
    kept = {job.id for job in (await store.gather(100)).jobs}
    assert kept == set(names)


async def test_members_of_an_array_share_one_spec(store: Store) -> None:
    spec = JobSpec(run="true", array=tuple(range(300)), secrets={"S": "1"})
    names = [f"arr-{at}" for at in range(300)]
    await submit(store, *names, spec=spec)
    jobs = (await store.gather(300)).jobs
    assert len({id(job.spec) for job in jobs}) == 1
    assert await store.secrets(jobs[-1]) == {"S": "1"}


async def test_jobs_of_one_submission_may_differ(store: Store) -> None:
    specs = [
        JobSpec(run=f"echo {at}", secrets={"n": str(at)} if at % 2 else {}) for at in range(90)
    ]
    jobs = tuple(NewJob(id=JobId(f"j{at}"), spec=spec) for at, spec in enumerate(specs))
    await store.submit(Submission(jobs, user="ada"), NOW)
    for at in (0, 1, 50, 89):
        job = await store.get(JobId(f"j{at}"))
        assert job is not None
        assert job.spec.run == f"echo {at}"
        assert job.spec.secrets == dict.fromkeys(specs[at].secrets, "")
        assert await store.secrets(job) == specs[at].secrets


@pytest.mark.parametrize(
    ("spec", "user"),
    [
        (JobSpec(run="true", name="a\x00b"), "ada"),
        (JobSpec(run="true", queue="\x00"), "ada"),
        (JobSpec(run="true", labels={"k": "\x00"}), "ada"),
        (SPEC, "a\x00"),
        (JobSpec(run="true", expected=10**30), "ada"),
        (JobSpec(run="echo \ud800"), "ada"),
        (JobSpec(run="true", queue="\ud800"), "ada"),
        (SPEC, "\ud800"),
    ],
)
async def test_what_cannot_be_stored_is_one_clear_error(
    store: Store, spec: JobSpec, user: str
) -> None:
    with pytest.raises(InputError):
        await store.submit(Submission(new_jobs("a", spec=spec), user=user), NOW)
    assert (await store.gather(10)).jobs == ()
    await submit(store, "b")


async def test_a_submission_of_nothing_makes_nothing(store: Store) -> None:
    assert await store.submit(Submission((), user="ada"), NOW) == Submitted(())


async def test_secrets_are_nowhere_but_in_their_column(store: Store) -> None:
    await store.submit(submission("a", spec=JobSpec(run="true", secrets={"K": "hush-42"})), NOW)
    assert "hush-42" not in repr(await store.gather(10))
    assert "hush-42" not in repr(await store.get(JobId("a")))


async def test_no_two_submissions_share_what_is_left_of_a_limit(store: Store) -> None:
    await store.record(cycle(entry(1), limits={"ada": Limits(pending=5)}), await lead(store))
    several = [submit(store, f"{name}1", f"{name}2") for name in "abcdef"]
    told = await asyncio.gather(*several, return_exceptions=True)
    assert sum(isinstance(each, Submitted) for each in told) == 2
    refused = [each for each in told if not isinstance(each, Submitted)]
    assert all(isinstance(each, OverPendingLimit) for each in refused)
    assert str(refused[0]) == "user ada may have 5 jobs pending and has 4; 2 more are too many"
    assert len((await store.gather(100)).jobs) == 4, "one refused does not take others with it"
    await submit(store, "g", user="bob")


async def test_what_has_started_is_pending_no_more(store: Store) -> None:
    lease = await lead(store)
    await store.record(cycle(entry(1), limits={"ada": Limits(pending=1)}), lease)
    await submit(store, "a")
    with pytest.raises(OverPendingLimit):
        await submit(store, "b")
    await store.record(cycle(entry(2), jobs=(updated("a", JobState.RUNNING),)), lease)
    await submit(store, "b")
    await store.record(cycle(entry(3), jobs=(updated("a", JobState.PENDING),)), lease)
    with pytest.raises(OverPendingLimit, match="may have 1 job pending and has 2"):
        await submit(store, "c")
    await store.record(cycle(entry(4), limits={"ada": Limits()}), lease)
    await submit(store, "c")


async def test_what_unfinished_jobs_bring_is_needed(store: Store) -> None:
    one, two, ended = (f"{number:x}" * 64 for number in (1, 2, 3))
    specs = [
        JobSpec(run="true", workdir=f"sha256:{one}", file_mounts={"a": f"sha256:{two}"}),
        JobSpec(run="echo 'sha256:' is no content"),
        JobSpec(run="true", workdir=f"sha256:{ended}"),
    ]
    jobs = [JobId(f"JOB00000000{number}") for number in range(3)]
    pairs = zip(jobs, specs, strict=True)
    await store.submit(Submission(tuple(NewJob(job, spec) for job, spec in pairs), "ann"), NOW)
    assert await store.contents_needed() == {one, two, ended}
    done = updated(jobs[2], JobState.SUCCEEDED)
    await store.record(cycle(entry(1), jobs=(done,), taken_jobs=tuple(jobs)), await lead(store))
    assert await store.contents_needed() == {one, two}
