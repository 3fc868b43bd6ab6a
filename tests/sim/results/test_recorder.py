"""What a recorder comes to, against sums made the plain way."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.sim.results import Ended, Group, Recorder, Result, largest
from suan.sim.results import recorder as recording
from suan.sim.results import tally as tallying
from suan.sim.results.tally import size_class, size_name
from tests.sim.results.drawing import ended, jobs


def recorded(told: Sequence[Ended]) -> Result:
    recorder = Recorder("x")
    for each in told:
        recorder.ended(each)
    return recorder.result()


def slowdown(job: Ended) -> int:
    useful = job.served - job.lost or job.served
    return max(1000, job.completion * 1000 // max(useful, 10_000_000))


def check(group: Group, told: list[Ended]) -> None:
    assert group.jobs == len(told)
    assert group.wait.total == sum(job.ended - job.submitted - job.served for job in told)
    assert group.wait.maximum == max(job.waiting for job in told)
    assert sum(many for _, many in group.wait.counts) == len(told)
    assert group.completion == sum(job.ended - job.submitted for job in told)
    assert group.slowdown == sum(map(slowdown, told))
    assert group.cpu_time == sum(job.cpu_milli * job.served for job in told)
    assert group.accelerator_time == sum(job.accelerators_milli * job.served for job in told)


PARTS: dict[str, Callable[[Ended], object]] = {
    "tenants": lambda job: job.tenant,
    "priorities": lambda job: str(job.priority),
    "sizes": lambda job: size_name(size_class(job.accelerators_milli, job.cpu_milli)),
    "pools": lambda job: job.pool,
}


@settings(deadline=None)
@given(jobs, st.sampled_from([(10**6, 10**6, 4096), (1, 10**6, 3), (10**6, 1, 2), (2, 9, 1)]))
def test_sums_are_exact_however_they_are_gathered(
    told: list[Ended], limits: tuple[int, int, int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallying, "COMBINATIONS", limits[0])
        patch.setattr(tallying, "CELLS", limits[1])
        patch.setattr(recording, "BATCH", limits[2])
        result = recorded(told)
    ran = [job for job in told if job.started is not None]
    assert (result.jobs, result.never_ran) == (len(told), len(told) - len(ran))
    assert dict(result.states) == {
        state: sum(job.state == state for job in told) for state in {job.state for job in told}
    }
    assert result.preempted == sum(job.preempted for job in told)
    if told:
        assert result.first == min(job.submitted for job in told)
        assert result.last == max(job.ended for job in told)
    if ran:
        check(result.overall, ran)
    for name, part in PARTS.items():
        groups = getattr(result, name)
        assert sorted(each.name for each in groups) == sorted({str(part(job)) for job in ran})
        for each in groups:
            check(each, [job for job in ran if str(part(job)) == each.name])


def test_a_mean_is_exact() -> None:
    told = [ended(at, waited=at * 1_000_003) for at in range(1000)]
    mean = recorded(told).overall.mean_wait
    assert mean == float(Fraction(sum(job.waiting for job in told), 1000))


def test_lost_time_makes_a_job_slow_and_is_counted() -> None:
    told = ended(served=3_600_000_000, lost=3_000_000_000, accelerators_milli=2000, preempted=1)
    result = recorded([told])
    assert result.lost_device_time == 2000 * 3_000_000_000
    assert result.overall.mean_slowdown == 6.0


def test_short_runs_do_not_blow_up_the_slowdown() -> None:
    result = recorded([ended(waited=20_000_000, served=1_000_000)])
    assert result.overall.mean_slowdown == 2.1


@pytest.mark.parametrize(
    ("job", "missed"),
    [
        (ended(served=10, deadline=10), 0),
        (ended(served=11, deadline=10), 1),
        (ended(served=5, deadline=10, state="failed"), 1),
        (ended(ran=False, deadline=10, state="skipped"), 1),
        (ended(), 0),
    ],
)
def test_a_deadline_is_missed_by_ending_late_or_without_success(job: Ended, missed: int) -> None:
    assert recorded([job]).missed == missed


def test_many_groups_are_made_coarser_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallying, "CELLS", 50)
    told = [ended(at, waited=at**4, tenant=f"t{at % 10}") for at in range(1000)]
    result = recorded(told)
    assert sum(len(each.wait.counts) for each in result.tenants) <= 1000
    assert all(each.wait.error > result.overall.wait.error / 2 for each in result.tenants)
    assert all(each.wait.coarse for each in result.tenants)
    assert sum(each.wait.total for each in result.tenants) == result.overall.wait.total


def test_the_largest_tenants_are_those_with_the_most_device_time() -> None:
    told = [
        ended(at, served=at * 1000, tenant=f"t{at}", accelerators_milli=1000) for at in range(30)
    ]
    first, rest = largest(recorded(told).tenants, 20)
    assert [each.name for each in first] == [f"t{at}" for at in range(29, 9, -1)]
    assert (rest.groups, rest.together.jobs) == (10, 10)
    assert rest.together.accelerator_time == sum(at * 1000 * 1000 for at in range(10))


@pytest.mark.parametrize(
    ("accelerators", "processors", "name"),
    [
        (250, 0, "< 1 accelerator"),
        (1000, 0, "1 accelerator"),
        (1500, 0, "2 accelerators"),
        (3000, 9000, "3–4 accelerators"),
        (8000, 0, "5–8 accelerators"),
        (0, 500, "1 cpu"),
        (0, 64_000, "33–64 cpus"),
        (0, 0, "1 cpu"),
    ],
)
def test_sizes_are_classed_by_powers_of_two(accelerators: int, processors: int, name: str) -> None:
    assert size_name(size_class(accelerators, processors)) == name


def test_rows_are_given_every_job_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "BATCH", 4)
    given_rows: list[Ended] = []

    class Rows:
        def write(self, jobs: Sequence[Ended]) -> None:
            given_rows.extend(jobs)

    recorder = Recorder("x", Rows())
    told = [ended(at) for at in range(10)]
    for each in told:
        recorder.ended(each)
    recorder.result()
    assert given_rows == told
    recorder.result()
    assert given_rows == told


@given(jobs)
def test_the_same_calls_give_the_same_result(told: list[Ended]) -> None:
    assert repr(recorded(told)) == repr(recorded(told))
