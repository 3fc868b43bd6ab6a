"""A pool's circuit by itself: what opens it, and what has to be proved before it closes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.control.circuit import CIRCUIT_TRANSITIONS, Breaker, Circuit, Doing
from suan.control.settings import ControlSettings
from suan.model.units import MINUTE, SECOND

SETTINGS = ControlSettings(holder="test")


def opened(doing: Doing, times: int = 3, at: int = 0) -> Breaker:
    """A circuit after so many faults of one kind."""
    breaker = Breaker(SETTINGS)
    for _ in range(times):
        breaker.failed(doing, at)
    return breaker


@pytest.mark.parametrize("doing", Doing)
def test_three_faults_of_a_kind_open_it(doing: Doing) -> None:
    assert opened(doing, 2).state is Circuit.CLOSED
    assert opened(doing, 3).state is Circuit.OPEN


def test_faults_in_between_do_not_count_once_it_did_what_failed() -> None:
    breaker = opened(Doing.TAKES, 2)
    breaker.proved(Doing.ANSWERS, 0)  # an answer says nothing of launches
    assert breaker.failed(Doing.TAKES, 0)
    breaker = opened(Doing.TAKES, 2)
    breaker.proved(Doing.TAKES, 0)
    assert not breaker.failed(Doing.TAKES, 0)


def test_an_answer_closes_what_silence_opened() -> None:
    breaker = opened(Doing.ANSWERS)
    breaker.proved(Doing.ANSWERS, 1)
    assert breaker.state is Circuit.CLOSED


@pytest.mark.parametrize("doing", [Doing.TAKES, Doing.STARTS])
def test_what_failed_to_be_done_has_to_be_done(doing: Doing) -> None:
    breaker = opened(doing)
    breaker.proved(Doing.ANSWERS, 1)
    assert breaker.state is Circuit.OPEN  # it has to rest first
    breaker.proved(Doing.ANSWERS, MINUTE)
    assert breaker.state is Circuit.HALF_OPEN
    breaker.proved(Doing.TAKES, MINUTE)
    assert (breaker.state is Circuit.CLOSED) == (doing is Doing.TAKES)
    breaker.proved(Doing.STARTS, MINUTE)
    assert breaker.state is Circuit.CLOSED


def test_one_fault_opens_a_half_open_circuit_again_and_for_longer() -> None:
    breaker, now, rests = opened(Doing.TAKES), 0, []
    for _ in range(8):
        before = now
        while breaker.state is Circuit.OPEN:
            now += SECOND // 10
            breaker.proved(Doing.ANSWERS, now)
        rests.append(now - before)
        assert breaker.failed(Doing.TAKES, now)
    assert rests == sorted(rests)
    assert rests[0] == SETTINGS.retry_first
    assert rests[-1] == SETTINGS.retry_most


def test_a_trial_that_nobody_came_to_ends() -> None:
    breaker = opened(Doing.TAKES)
    breaker.proved(Doing.ANSWERS, MINUTE)
    breaker.proved(Doing.ANSWERS, MINUTE + SETTINGS.reconcile_every)
    assert breaker.state is Circuit.CLOSED


def test_credentials_and_silence_open_it_at_once() -> None:
    breaker = Breaker(SETTINGS)
    assert breaker.failed(Doing.ANSWERS, 0, at_once=True)
    assert not breaker.failed(Doing.ANSWERS, 0, at_once=True)  # it is open already


DID = st.sampled_from(["failed", "proved", "rejected", "gave_up"])
STEPS = st.lists(st.tuples(DID, st.sampled_from(Doing), st.integers(0, 20 * SECOND)))


@given(STEPS)
def test_whatever_happens_only_listed_ways_are_taken_and_proof_closes_it(
    steps: list[tuple[str, Doing, int]],
) -> None:
    breaker, now, before = Breaker(SETTINGS), 0, Circuit.CLOSED
    for did, doing, later in steps:
        now += later
        if did in ("failed", "proved"):
            getattr(breaker, did)(doing, now)
        else:
            getattr(breaker, did)(now)
        assert breaker.state is before or breaker.state in CIRCUIT_TRANSITIONS[before]
        before = breaker.state
    for _ in range(3):
        now += 100 * MINUTE
        breaker.proved(Doing.ANSWERS, now)
        breaker.proved(Doing.STARTS, now)
    assert breaker.state is Circuit.CLOSED
