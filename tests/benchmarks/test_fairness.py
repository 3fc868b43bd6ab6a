"""The measure of fairness, by hand; and the witness of EASY, where promises are kept and broken."""

import pytest
from fairness import Book, Change, entitled
from hypothesis import given
from hypothesis import strategies as st
from promises import Witness
from shortfall import FillableBook, Floor, Parts, Step, parts_of

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
    assert book.worst() == {"a": (pytest.approx(0), 24), "b": (pytest.approx(0.5), 0)}
    assert {who: short for who, (short, _) in book.worst(after_h=36).items()} == {
        "a": pytest.approx(0),
        "b": pytest.approx(0),
    }
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
    assert book.worst()["b"][0] == pytest.approx(0)


def floor(*sizes: int) -> Floor:
    return Floor({"a": 1, "b": 1}, {f"n{at}": size for at, size in enumerate(sizes)})


def test_a_shortfall_is_taken_by_others_kept_or_unallocatable() -> None:
    """Two tenants are due 8 of 16 each; a has a task of 1 and one of 4 on the floor."""
    ground = floor(8, 8)
    ground.take(Step(0, "a", 1, 8, waits=1))
    ground.take(Step(0, "b", 3, 4, holds=1, nodes=("n0", "n0", "n1")))
    assert ground.part("b") == Parts(made_up=4)
    assert ground.part("a") == Parts(taken=4, unallocatable=4), "n1 has but 4 free"
    ground.take(Step(0, "a", 1, 4, waits=1))
    assert ground.part("a") == Parts(taken=4, kept=4), "and a job of 4 would fit there"
    ground.take(Step(0, "b", 1, 4, holds=-1, nodes=("n0",)))
    assert ground.part("a") == Parts(kept=4, unallocatable=4), "nobody has more than is due"
    ground.take(Step(0, "a", 1, 4, waits=-1))
    ground.take(Step(0, "a", 1, 8, waits=-1))
    ground.take(Step(0, "a", 1, 16, waits=1))
    assert ground.part("a") == Parts(unallocatable=8), "no node has 16"


def test_others_took_only_where_a_job_would_fit_without_them() -> None:
    ground = floor(4, 4, 4, 4)
    ground.take(Step(0, "a", 1, 8, waits=1))
    ground.take(Step(0, "b", 3, 4, holds=1, nodes=("n0", "n1", "n2")))
    assert ground.part("a") == Parts(unallocatable=8)
    ground.take(Step(0, "a", 2, 4, waits=1))
    assert ground.part("a") == Parts(taken=4, unallocatable=4)


def test_what_fits_is_counted_whole_widest_first_and_beside_each_other() -> None:
    ground = floor(8, 8, 4)
    for tasks, each in ((1, 8), (2, 4), (1, 4), (1, 2), (1, 2)):
        ground.take(Step(0, "a", tasks, each, waits=1))
    assert ground.fitting("a", 99) == 20, "8 on one, 2 x 4 on the other, 4 on the small one"
    assert ground.fitting("a", 10) == 10
    ground.take(Step(0, "b", 2, 1, holds=1, nodes=("n0", "n1")))
    assert ground.fitting("a", 99) == 16, "no node is whole now: 2 x 4, 4, and both of 2"
    assert ground.fitting("a", 99, gone=["b"]) == 20


def test_what_could_not_be_given_is_no_entitlement_where_only_fillable_demand_counts() -> None:
    """``a`` is due half of each node, and wants one whole; ``b`` has half of each to itself."""
    steps = [
        Step(0, "b", 2, 4, 0, 1, ("n0", "n1")),
        Step(0, "a", 1, 8, waits=1),
        Step(24 * HOUR, "a", 1, 4, waits=1),
        Step(48 * HOUR, "a", 1, 4, waits=-1),
    ]
    strict = Book({"a": 1, "b": 1}, 16)
    strict.tell(
        [
            Change(0, "b", demand=8, used=8),
            Change(0, "a", demand=8),
            Change(24 * HOUR, "a", demand=4),
            Change(48 * HOUR, "a", demand=-4),
        ]
    )
    assert strict.worst()["a"] == (pytest.approx(8 / 16), 0)
    fillable = FillableBook({"a": 1, "b": 1}, {"n0": 8, "n1": 8})
    fillable.follow(steps)
    assert fillable.worst()["a"] == (pytest.approx(4 / 16), 24), "the job of 4, not that of 8"


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.integers(1, 4), st.integers(1, 40)),
        max_size=12,
    )
)
def test_the_parts_of_a_day_are_what_it_falls_short_by(drawn: list[tuple]) -> None:
    """First fit on two nodes: whoever does not fit at once waits for good."""
    free, changes, steps = [4, 4], [], []
    for hour, tenant, width, lasts in sorted(drawn):
        changes.append(Change(hour * HOUR, tenant, demand=width))
        steps.append(Step(hour * HOUR, tenant, 1, width, waits=1))
        node = next((at for at, room in enumerate(free) if room >= width), None)
        if node is None:
            continue
        free[node] -= width
        on = (f"n{node}",)
        changes.append(Change(hour * HOUR, tenant, used=width))
        steps.append(Step(hour * HOUR, tenant, 1, width, -1, 1, on))
        end = (31 + lasts) * HOUR  # after the last has come, so that it stays on its node
        changes.append(Change(end, tenant, demand=-width, used=-width))
        steps.append(Step(end, tenant, 1, width, 0, -1, on))
    changes = [*sorted(changes, key=lambda each: each.at), Change(72 * HOUR, "a")]
    steps.sort(key=lambda each: each.at)
    book = Book({"a": 1, "b": 1}, 8)
    book.tell(changes)
    for tenant, (short, begin_h) in book.worst().items():
        parts = parts_of(floor(4, 4), steps, tenant, begin_h=begin_h)
        assert parts.shortfall == pytest.approx(short)


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
