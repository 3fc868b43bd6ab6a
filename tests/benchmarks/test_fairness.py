"""The measure of fairness, by hand; and the witness of EASY, where promises are kept and broken."""

import pytest
from fairness import Book, Change, entitled
from promises import Witness

from suan.model.events import PolicyChanged, RunEnded
from suan.model.job import Cause, Outcome
from suan.model.policy import POLICIES
from suan.model.units import SECOND
from tests.core.world import job, pool, res

HOUR = 3600.0


def test_capacity_is_divided_by_weight_and_nobody_gets_more_than_it_wants() -> None:
    weights = {"a": 1, "b": 3, "c": 4}
    assert entitled({"a": 99, "b": 99, "c": 99}, weights, 80) == {"a": 10, "b": 30, "c": 40}
    assert entitled({"a": 99, "b": 6, "c": 99}, weights, 80) == {
        "a": pytest.approx(14.8),
        "b": 6,
        "c": pytest.approx(59.2),
    }
    assert entitled({"a": 5, "b": 0, "c": 7}, weights, 80) == {"a": 5, "c": 7}


def test_a_day_without_its_share_is_told_as_a_part_of_the_cluster() -> None:
    book = Book({"a": 1, "b": 1}, 10)
    book.tell(
        [
            Change(0, "a", demand=10, used=10),
            Change(0, "b", demand=10),
            Change(24 * HOUR, "a", used=-5),
            Change(24 * HOUR, "b", used=5),
            Change(72 * HOUR, "a"),
        ]
    )
    assert book.worst() == {"a": pytest.approx(0), "b": pytest.approx(0.5)}
    assert book.worst(after_h=36) == {"a": pytest.approx(0), "b": pytest.approx(0)}
    assert book.overall()["b"] == pytest.approx(0.5 / 3)


def test_who_wants_nothing_is_owed_nothing() -> None:
    book = Book({"a": 1, "b": 1}, 10)
    book.tell(
        [
            Change(0, "a", demand=20, used=10),
            Change(0, "b", demand=2, used=2),
            Change(48 * HOUR, "a"),
        ]
    )
    assert book.worst()["b"] == pytest.approx(0)


def told(policy: str) -> Witness:
    witness = Witness()
    witness.apply(PolicyChanged(0, POLICIES[policy]))
    witness.apply(pool("p", res(4, 64)))
    for seq, cpus, seconds in ((0, 3, 10), (1, 4, 5), (2, 1, 20)):
        witness.apply(job(seq, res(cpus), infra="p", expected=seconds * SECOND))
        witness.decide(seq)
    return witness


def test_a_promise_that_is_kept_is_counted_and_one_that_is_broken_is_seen() -> None:
    kept, broken = told("fifo"), told("fifo")
    done = Outcome(Cause.SUCCEEDED, exit_code=0)
    for witness, at in ((kept, 10 * SECOND), (broken, 11 * SECOND)):
        witness.apply(RunEnded(at, "j0-r1", done))
        witness.decide(at)
    assert (kept.promised, kept.late) == (2, 0)
    assert (broken.promised, broken.late, broken.worst) == (2, 1, SECOND)
