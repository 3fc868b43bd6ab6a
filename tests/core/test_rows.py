"""Rows: the lanes of a shape in order, however their accounts' standings move."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.core.firsts import Firsts
from suan.core.line import Line
from suan.model.events import PolicyChanged, QueueChanged, RunEnded
from suan.model.policy import POLICIES
from suan.model.units import HOUR, MINUTE
from tests.core.world import DONE, job, places, pool, res, told


class Member:
    """Someone with jobs, which are their places."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.jobs: list[int] = []

    def head(self) -> int | None:
        return min(self.jobs, default=None)


steps = st.lists(
    st.tuples(
        st.sampled_from(("join", "join", "leave", "later", "sooner", "drop")),
        st.integers(0, 4),
        st.integers(0, 30),
    ),
    max_size=60,
)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_the_first_is_found_whoever_leaves_or_moves(drawn: list) -> None:
    members, dropped = [Member(number) for number in range(5)], set()
    firsts: Firsts = Firsts(lambda place: place)
    for what, number, amount in drawn:
        member = members[number]
        if what == "drop":
            firsts.drop(member)
            dropped.add(member)
            continue
        if what == "join":
            member.jobs.append(amount)
        elif what == "leave" and member.jobs:
            member.jobs.remove(min(member.jobs))
        elif what == "later":
            member.jobs = [place + amount for place in member.jobs]
        elif what == "sooner":
            member.jobs = [place - amount for place in member.jobs]
        if what in ("join", "sooner") and member.jobs:
            firsts.expect(member, min(member.jobs))
            dropped.discard(member)
        present = [each for each in members if each not in dropped]
        every = [place for each in present for place in each.jobs]
        assert firsts.first() == min(every, default=None)
        even = [place for place in every if place % 2 == 0]
        assert firsts.first_that(_first_even) == min(even, default=None)
        assert firsts.first() == min(every, default=None), "asking changes nothing"


def _first_even(member: Member, head: int) -> int | None:
    return min((place for place in member.jobs if place % 2 == 0), default=None)


def line_of(scheduler: Scheduler) -> Line:
    return scheduler._state.line


crowd = st.lists(
    st.tuples(
        st.sampled_from(("submit", "submit", "submit", "end", "queue", "fade")),
        st.integers(0, 3),
        st.sampled_from((MINUTE, 10 * MINUTE, HOUR, None)),
        st.sampled_from((0, 0, 5)),
    ),
    max_size=50,
)


@given(crowd)
@settings(max_examples=60, deadline=None)
def test_a_row_knows_its_first_job_and_its_shortest(drawn: list) -> None:
    scheduler = told(PolicyChanged(0, POLICIES["default"]), pool("p", res(4, 64), res(2, 64)))
    running: list[str] = []
    for seq, (what, number, limit, priority) in enumerate(drawn):
        now = seq * MINUTE
        if what == "submit":
            tenant, queue = f"t{number}", f"q{number % 2}"
            need = res(1 + number % 2)
            scheduler.apply(
                job(seq, need, tenant=tenant, queue=queue, time_limit=limit, priority=priority)
            )
        elif what == "end" and running:
            scheduler.apply(RunEnded(now, running.pop(number % len(running)), DONE))
        elif what == "queue":
            scheduler.apply(QueueChanged(now, "q0", open=number % 2 == 0))
        running += [place.run for place in places(scheduler.decide(now)).values()]
        for shape in line_of(scheduler).shapes.values():
            heads = [lane.head() for lane in shape.waiting if lane.contest is not None]
            first = min((head.order for head in heads), default=None)
            [row] = shape.rows.values()
            head = row.head()
            assert (None if head is None else head.order) == first
            known = [each.window for lane in shape.waiting for each in lane.jobs() if each.window]
            assert row.shortest() == min(known, default=None)


def calls_of(function: Callable[[], object]) -> int:
    """How many Python functions are called."""
    found = 0

    def count(frame: object, event: str, of: object) -> None:
        nonlocal found
        found += event == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return found


def asked_of(tenants: int, policy: str) -> int:
    """Calls of a cycle in which a run has ended and two hundred jobs of ten shapes, which all have
    room and would all end too late, may not pass the first; of so many tenants."""
    scheduler = told(PolicyChanged(0, POLICIES[policy]), pool("p", res(16, 640)))
    for seq, name in ((1, "long"), (2, "a"), (3, "b")):
        scheduler.apply(job(seq, res(5), tenant=name, time_limit=HOUR))
    scheduler.decide(0)
    scheduler.apply(job(4, res(16), priority=9, time_limit=HOUR))
    for seq in range(200):
        need = res(1, 2 + seq % 10)
        scheduler.apply(job(10 + seq, need, tenant=f"t{seq // 10 % tenants}", time_limit=2 * HOUR))
    assert not places(scheduler.decide(0))
    scheduler.apply(RunEnded(MINUTE, "j2-r1", DONE))
    assert not places(scheduler.decide(MINUTE))
    scheduler.apply(RunEnded(2 * MINUTE, "j3-r1", DONE))
    return calls_of(lambda: scheduler.decide(2 * MINUTE))


@pytest.mark.parametrize("policy", ["easy", "default"])
def test_a_cycle_costs_the_same_however_many_tenants_share_the_shapes(policy: str) -> None:
    assert asked_of(20, policy) <= 1.5 * asked_of(1, policy)
