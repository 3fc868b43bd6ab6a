"""Durations: true quantiles, the most specific group first, never above the limit, bounded."""

import doctest
import os
import random
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.core import durations
from suan.core.durations import ENOUGH, GROUPS_KEPT, RUNS_KEPT, UNHEARD_OF, Durations
from suan.core.likeness import Sort
from suan.model.events import JobSubmitted, RunRemembered
from suan.model.job import Cause
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.world import job, res

A8 = res(8, 32, A=8)
B8 = res(8, 32, B=8)
ANY8 = res(8, 32, any_=8)
HERS = {"tenant": "t", "user": "u", "queue": "q", "name": "train-7", "command": "train"}

times = st.integers(1, 1000) | st.integers(1, 10**12)
submissions = st.builds(
    lambda need, **cues: job(0, need, **cues),
    st.sampled_from((A8, B8, res(4))),
    tenant=st.sampled_from("ts"),
    user=st.sampled_from(("", "u", "v")),
    queue=st.sampled_from("qp"),
    name=st.sampled_from(("", "x-1", "x-2")),
    command=st.sampled_from(("", "a", "b")),
    time_limit=st.sampled_from((None, 1, MINUTE, HOUR)),
)
runs = st.lists(st.tuples(submissions, times), max_size=60)


def learn(known: Durations, told: JobSubmitted, *took: int) -> None:
    need = told.demand.options[0].per_task
    for each in took:
        known.learn(told, each, tasks=told.demand.tasks, per_task=need)


def learned(pairs) -> Durations:
    known = Durations()
    for told, took in pairs:
        learn(known, told, took)
    return known


def test_nothing_is_known_of_nothing():
    known = Durations()
    assert known.expect(job(0)) is None
    assert known.ends_after(job(0), HOUR) == 2 * HOUR + UNHEARD_OF


def hers(need=A8, **changed) -> JobSubmitted:
    return job(0, need, **{**HERS, **changed})


FALL_BACK = (
    ({}, "of the same command on 8 × A by user u of tenant t"),
    ({"need": B8}, "of the same command on 8 accelerators by user u of tenant t"),
    (
        {"command": "", "name": "train-81"},
        "named like train- on 8 accelerators by user u of tenant t",
    ),
    ({"need": res(1, 1, A=1)}, "of the same command on any size by user u of tenant t"),
    (
        {"command": "", "name": "", "time_limit": HOUR},
        "on 8 accelerators within 1 h by user u of tenant t",
    ),
    ({"command": "", "name": ""}, "on 8 accelerators by user u of tenant t"),
    ({"user": "v", "time_limit": HOUR}, "on 8 accelerators within 1 h in queue q of tenant t"),
    ({"user": "v"}, "on 8 accelerators in queue q of tenant t"),
    ({"user": "v", "need": res(4)}, "in queue q of tenant t"),
    ({"tenant": "s"}, "on 8 accelerators by anybody"),
    ({"tenant": "s", "need": res(4)}, "by anybody"),
)  # from the most specific to the most general: what is asked, and what it is answered from


@pytest.mark.parametrize(("asked", "basis"), FALL_BACK)
def test_the_most_specific_group_that_holds_enough_runs_answers(asked, basis):
    known = Durations()
    learn(known, hers(time_limit=HOUR), *[MINUTE] * ENOUGH)
    expected = known.expect(hers(**asked))
    assert expected is not None
    assert expected.basis == f"the last {ENOUGH} runs {basis}"


def test_a_group_of_too_few_runs_leaves_the_word_to_a_more_general_one():
    known = Durations()
    learn(known, hers(), *[HOUR] * (ENOUGH - 1))
    learn(known, hers(user="v", command=""), *[MINUTE] * ENOUGH)
    assert known.expect(hers()).cue[0] == Sort.QUEUE
    learn(known, hers(), HOUR)
    assert (known.expect(hers()).cue[0], known.expect(hers()).median) == (
        Sort.COMMAND_ON_MODEL,
        HOUR,
    )


def test_where_all_is_too_little_the_most_runs_answer_and_of_equals_the_most_specific():
    known = Durations()
    learn(known, hers(), HOUR)
    first = known.expect(hers())
    assert first.basis == "the only run of the same command on 8 × A by user u of tenant t"
    assert (first.median, first.high, first.samples) == (HOUR, 2 * HOUR, 1)


def test_an_open_model_is_answered_by_the_command_on_any_model():
    known = Durations()
    known.learn(hers(ANY8), HOUR, tasks=1, per_task=A8)
    known.learn(hers(ANY8), HOUR, tasks=1, per_task=B8)
    known.learn(hers(ANY8), HOUR, tasks=1, per_task=B8)
    assert known.expect(hers(ANY8)).cue[0] == Sort.COMMAND
    assert known.expect(hers(B8)).cue[0] == Sort.COMMAND  # two runs on B are not enough
    learn(known, hers(B8), HOUR)
    assert known.expect(hers(B8)).cue[0] == Sort.COMMAND_ON_MODEL
    assert known.expect(hers((B8, A8))).cue[0] == Sort.COMMAND


def test_tasks_and_processors_make_the_size():
    known = Durations()
    learn(known, job(0, res(1, 1, A=4), tasks=2), *[HOUR] * ENOUGH)
    learn(known, job(0, res(4), tasks=2), *[MINUTE] * ENOUGH)
    assert known.expect(job(1, A8)).median == HOUR
    assert known.expect(job(1, res(8))).median == MINUTE
    assert "0.5 accelerators" in _basis(known, job(0, res(1, 1, A=0.5)))
    assert "1 processor in" in _basis(known, job(0, res(1)))
    assert "within 90 s" in _basis(known, job(0, res(2), time_limit=90 * SECOND))


def _basis(known: Durations, told: JobSubmitted) -> str:
    learn(known, told, *[SECOND] * ENOUGH)
    return known.expect(told).basis


def test_where_no_user_is_known_the_queue_stands_for_him():
    known = Durations()
    nobodys = hers(user="")
    learn(known, nobodys, *[HOUR] * ENOUGH)
    assert "by anybody in queue q of tenant t" in known.expect(nobodys).basis
    assert known.expect(replace(nobodys, queue="p")).cue[0] == Sort.SIZE


def test_a_long_command_is_told_from_another_and_not_kept_whole():
    known = Durations()
    long = hers(command="x" * 100_000)
    learn(known, long, *[HOUR] * ENOUGH)
    assert known.expect(long).cue[0] == Sort.COMMAND_ON_MODEL
    assert known.expect(hers(command="x" * 99_999, name="")).cue[0] == Sort.USER
    assert max(len(str(value)) for cue in known._groups for value in cue) < 600


@given(st.lists(times, min_size=1, max_size=RUNS_KEPT))
def test_the_numbers_are_those_of_the_sorted_runs(took):
    known = Durations()
    learn(known, hers(), *took)
    expected = known.expect(hers())
    assert sum(t <= expected.median for t in took) * 2 >= len(took)
    assert sum(t >= expected.median for t in took) * 2 >= len(took)
    assert sum(t <= expected.high for t in took) * 10 >= 9 * len(took)
    assert expected.median <= expected.high
    assert expected.mean * len(took) <= sum(took) < (expected.mean + 1) * len(took)


@pytest.mark.parametrize("count", [9, 20, RUNS_KEPT])
@pytest.mark.parametrize("shape", ["heavy", "even"])
def test_nine_in_ten_of_runs_drawn_alike_stay_within_high(count, shape):
    """Split-conformal: at least 0.9, and at most 1 / (n + 1) more, in expectation."""
    rng = random.Random(count)
    draw = {"heavy": lambda: rng.lognormvariate(8, 2), "even": lambda: rng.uniform(1, 100)}[shape]
    within, trials = 0, 1000
    for _ in range(trials):
        known = Durations()
        learn(known, job(0), *(int(draw() * SECOND) for _ in range(count)))
        within += int(draw() * SECOND) <= known.expect(job(0)).high
    assert 0.88 <= within / trials <= 0.92 + 1 / (count + 1)  # two standard errors: 0.02


@given(runs, submissions, st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_matter_while_none_is_forgotten(pairs, asked, rng):
    shuffled = pairs.copy()
    rng.shuffle(shuffled)
    assert learned(pairs).expect(asked) == learned(shuffled).expect(asked)


@given(runs, submissions, times)
def test_never_above_the_limit_and_always_more_than_nothing(pairs, asked, ran):
    known = learned(pairs)
    expected = known.expect(asked)
    limit = asked.time_limit or 10**18
    if expected is not None:
        assert 0 < expected.median <= expected.high <= limit
        assert 0 < expected.mean <= limit
    total = known.ends_after(asked, ran)
    assert total > ran or total == ran >= limit
    assert total <= max(limit, ran)


def test_a_run_that_outlasts_the_short_ones_is_expected_to_be_a_long_one():
    known = Durations()
    learn(known, hers(), *[MINUTE] * 20, *(h * HOUR for h in (2, 3, 4)))
    assert known.ends_after(hers(), 0) == MINUTE
    assert known.ends_after(hers(), MINUTE) == 3 * HOUR
    assert known.ends_after(hers(), 2 * HOUR) == 4 * HOUR + UNHEARD_OF  # two are not enough
    assert known.ends_after(hers(time_limit=HOUR), MINUTE) == HOUR


@pytest.mark.parametrize("often", [0, 10, 50, 100])
@pytest.mark.parametrize("fork", [False, True])
def test_a_group_keeps_its_latest_runs_whether_asked_between_or_not(often, fork):
    known, took = Durations(), []
    rng = random.Random(often)
    for _ in range(5 * RUNS_KEPT):
        took.append(rng.choice((rng.randrange(1, 9), rng.randrange(1, 10**12))))
        learn(known, job(0), took[-1])
        if rng.randrange(100) < often or len(took) == 5 * RUNS_KEPT:
            latest = sorted(took[-RUNS_KEPT:])
            expected = known.expect(job(0))
            assert expected.samples == len(latest)
            assert expected.median == latest[(len(latest) - 1) // 2]
            assert expected.high >= expected.median
            assert expected.mean == sum(latest) // len(latest)
            assert known.ends_after(job(0), latest[-1]) > latest[-1]
            known = known.fork() if fork else known


@given(runs, runs, st.lists(submissions, min_size=1, max_size=5))
def test_a_fork_answers_alike_and_goes_its_own_way(before, after, asked):
    known = learned(before)
    answers = [known.expect(each) for each in asked]
    fork = known.fork()
    assert [fork.expect(each) for each in asked] == answers
    for told, took in after:
        learn(fork, told, took)
    assert [known.expect(each) for each in asked] == answers
    whole = learned(before + after)
    assert [fork.expect(each) for each in asked] == [whole.expect(each) for each in asked]
    other = known.fork()
    for told, took in after:
        learn(known, told, took)
    assert [other.expect(each) for each in asked] == answers
    assert [known.expect(each) for each in asked] == [whole.expect(each) for each in asked]


def remembered(cause: Cause, took: int = HOUR) -> RunRemembered:
    return RunRemembered(
        9, "q", "t", "u", "train-7", "train", 1, A8, started_at=5, ended_at=5 + took, cause=cause
    )


@pytest.mark.parametrize("cause", list(Cause))
def test_of_the_past_only_runs_that_ended_by_themselves_tell(cause):
    known = Durations()
    known.learn_past(remembered(cause))
    told = known.expect(hers())
    if cause in {Cause.SUCCEEDED, Cause.FAILED, Cause.OUT_OF_MEMORY, Cause.TIMED_OUT}:
        assert told == learned([(hers(), HOUR)]).expect(hers())
    else:
        assert told is None


def test_groups_by_limit_learn_from_the_past_too():
    known = Durations()
    for took in (HOUR, HOUR, HOUR, 9 * HOUR, 9 * HOUR, 9 * HOUR):
        limit = 2 * took
        known.learn_past(replace(remembered(Cause.SUCCEEDED, took), time_limit=limit, command=""))
    for took in (HOUR, 9 * HOUR):
        told = known.expect(hers(command="", name="", time_limit=2 * took))
        assert told is not None
        assert (told.median, told.samples) == (took, 3)


def test_memory_is_bounded_and_what_is_used_is_kept():
    tracemalloc.start()
    known = Durations()
    for number in range(3 * GROUPS_KEPT):
        learn(known, hers(user=f"u{number}", command=f"c{number}"), number + 10**10)
        if number % 100 == 0:
            learn(known, hers(user="steady"), HOUR)
            assert len(known._groups) <= GROUPS_KEPT
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken < 8 * 2**20
    assert known.expect(hers(user="steady")).samples == RUNS_KEPT
    assert known.expect(hers(user="u0", command="c0")).cue[0] == Sort.QUEUE
    assert known.expect(hers(user=f"u{number}", name="")).samples == RUNS_KEPT


def test_what_longest_took_in_no_run_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(durations, "GROUPS_KEPT", 8)
    known = Durations()
    for user in "abcdef":
        learn(known, job(0, user=user), *[HOUR] * ENOUGH)
    users = [cue[2] for cue in known._groups if cue[0] == Sort.USER]
    assert users == ["c", "d", "e", "f"]  # the fifth user made nine of eight: two went


SCRIPT = """
from suan.core.durations import Durations
from tests.core.world import job, res
known = Durations()
for number in range(20_000):
    told = job(
        number, res(1, 1, A=number % 8 + 1), user=f"u{number % 3001}", name=f"n{number % 17}",
        command=f"c{number % 997}", queue=f"q{number % 5}",
    )
    known.learn(told, number * 7919 % 100_003, tasks=1, per_task=told.demand.options[0].per_task)
    if number % 10 == 0:
        print(known.expect(told), known.ends_after(told, number))
print(list(known._groups))
"""


def test_the_same_calls_give_the_same_answers_whatever_the_hash_seed():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert next(iter(outputs)).count(b"\n") == 2001


def test_the_worked_example_of_the_page_is_true():
    page = Path(__file__).parents[2] / "docs" / "explanation" / "durations.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert (failed, tried > 10) == (0, True)
