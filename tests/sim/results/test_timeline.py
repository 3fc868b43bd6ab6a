"""Series in buckets: whatever the width, no microsecond of any value is lost."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.sim.results import Recorder, Timeline
from suan.sim.results import recorder as recording
from suan.sim.results.timeline import Clock

samples = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 5), st.integers(1, 10**9), st.integers(1, 10**12)),
        *[st.integers(0, 10**6)] * 4,
    ),
    min_size=1,
    max_size=60,
)


def walked(steps: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Steps made into samples whose instants increase."""
    now, made = 1_000_000_007, []
    for step, *values in steps:
        now += step
        made.append((now, *values))
    return made


def timeline(told: list[tuple[int, ...]], *, buckets: int, batch: int) -> Timeline:
    clock = Clock(buckets=buckets)
    for at, (now, pending, running, cpu, accelerators) in enumerate(told):
        clock.samples.append((now, pending, running, cpu, accelerators))
        if at % batch == batch - 1:
            clock.integrate()
    return clock.timeline()


@settings(deadline=None)
@given(samples, st.sampled_from([2, 8, 512]), st.integers(1, 9))
def test_integrals_are_exact(steps: list[tuple[int, ...]], buckets: int, batch: int) -> None:
    told = walked(steps)
    found = timeline(told, buckets=buckets, batch=batch)
    assert len(found.buckets) <= buckets
    assert sum(each.span for each in found.buckets) == told[-1][0] - told[0][0]
    for column, name in enumerate(("pending", "running", "cpu", "accelerators"), 1):
        exact = sum(before[column] * (after[0] - before[0]) for before, after in pairwise(told))
        assert sum(getattr(each, name) for each in found.buckets) == exact


@settings(deadline=None)
@given(samples, st.integers(1, 9))
def test_each_bucket_has_what_held_in_it(steps: list[tuple[int, ...]], batch: int) -> None:
    told = walked(steps)
    for bucket in timeline(told, buckets=4, batch=batch).buckets:
        end = bucket.start + bucket.span
        held = [
            (max(now, bucket.start), min(after, end), pending)
            for (now, pending, *_), (after, *_) in pairwise(told)
            if now < end and after > bucket.start and after > now
        ]
        assert bucket.pending == sum((until - since) * value for since, until, value in held)
        assert bucket.most_pending >= max(value for *_, value in held)


@settings(deadline=None)
@given(samples)
def test_batches_change_nothing(steps: list[tuple[int, ...]]) -> None:
    told = walked(steps)
    assert timeline(told, buckets=8, batch=1) == timeline(told, buckets=8, batch=10**6)


def test_utilisation_follows_capacity_as_it_changes() -> None:
    recorder = Recorder("x")
    recorder.capacity(0, 8000, 0)
    recorder.changed(0, pending=0, running=1, cpu_milli=4000, accelerators_milli=0)
    recorder.capacity(10, 4000, 0)
    recorder.changed(20, pending=0, running=0, cpu_milli=0, accelerators_milli=0)
    result = recorder.result()
    assert not result.accelerated
    assert result.utilisation == (4000 * 20) / (8000 * 10 + 4000 * 10)


def test_utilisation_is_of_accelerators_where_there_are_any() -> None:
    recorder = Recorder("x")
    recorder.capacity(0, 8000, 2000)
    recorder.changed(5, pending=0, running=1, cpu_milli=8000, accelerators_milli=500)
    recorder.changed(9, pending=0, running=0, cpu_milli=0, accelerators_milli=0)
    assert recorder.result().utilisation == 0.25


def test_a_recorder_counts_its_samples_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "BATCH", 3)
    recorder = Recorder("x")
    for now in range(20):
        recorder.changed(now, pending=now, running=0, cpu_milli=0, accelerators_milli=0)
    assert sum(each.pending for each in recorder.result().timeline.buckets) == sum(range(19))


def test_the_last_word_on_an_instant_counts() -> None:
    recorder = Recorder("x")
    for now, pending in ((0, 9), (0, 1), (10, 7), (10, 0)):
        recorder.changed(now, pending=pending, running=0, cpu_milli=0, accelerators_milli=0)
    (bucket,) = recorder.result().timeline.buckets
    assert (bucket.pending, bucket.most_pending) == (10, 1)


def test_nothing_told_is_no_time() -> None:
    timeline = Recorder("x").result().timeline
    assert (timeline.buckets, timeline.utilisation) == ((), 0.0)
