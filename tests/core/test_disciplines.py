"""Disciplines: in which order those of one priority come, with ties, unknowns and changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.core.capacity import Capacity
from suan.core.disciplines import LAS_LEVELS, level_of, rank_of
from suan.core.line import Line
from suan.core.records import JobRecord
from suan.core.shares import Shares
from suan.core.windows import window_class
from suan.model.events import JobCancelled, PolicyChanged, QueueChanged, RunEnded, RunRemembered
from suan.model.job import Cause, Outcome
from suan.model.policy import DISCIPLINES, Policy
from suan.model.units import DAY, HOUR, MINUTE
from tests.core.world import DONE, job, places, pool, res, told

TIMES = (None, HOUR, MINUTE, 2 * HOUR)


def strict(discipline: str, *, predict: bool = False) -> Policy:
    return Policy(discipline, "none", fair_share=False, predict=predict, preemption=False)


def order_of(scheduler: Scheduler, now: int = 0) -> str:
    """Who starts, one after the other, where only one fits: the digits of their names."""
    found = ""
    while placed := places(scheduler.decide(now)):
        (name,) = placed
        found += name[1:]
        scheduler.apply(RunEnded(now, placed[name].run, DONE))
    return found


def waiting(discipline: str, *jobs, size=None) -> Scheduler:
    policy = PolicyChanged(0, strict(discipline))
    return told(policy, pool("p", size or res(1, 9, A=8)), *jobs)


def test_fifo_is_the_order_of_submission() -> None:
    jobs = [job(seq, expected=TIMES[seq % 4], deadline=9 - seq) for seq in (1, 2, 3, 4)]
    assert order_of(waiting("fifo", *reversed(jobs))) == "1234"


def test_sjf_takes_the_shortest_then_the_earlier_and_the_unknown_last() -> None:
    told_of = [
        job(1),
        job(2, expected=2 * HOUR),
        job(3, expected=HOUR),
        job(4, time_limit=HOUR),
        job(5, expected=MINUTE, time_limit=9 * HOUR),
        job(6),
        job(7, expected=HOUR),
    ]
    assert order_of(waiting("sjf", *told_of)) == "5347216"


def test_qssf_takes_the_least_service_duration_times_devices() -> None:
    told_of = [
        job(1, res(1, 1, A=8), expected=MINUTE),  # 8 device-minutes
        job(2, res(1, 1, A=1), expected=9 * MINUTE),
        job(3, res(1, 1, A=0.5), expected=7 * MINUTE),  # a part counts as whole
        job(4, expected=8 * MINUTE),  # a processor, for want of devices
        job(5, res(1, 1, A=4)),
        job(6, res(0.25, 1, A=1), tasks=4, expected=2 * MINUTE),
        job(7, time_limit=MINUTE),
    ]
    assert order_of(waiting("qssf", *told_of)) == "7314625"


def test_edf_takes_the_earliest_deadline_then_the_earlier_and_none_last() -> None:
    deadlines = (None, 5 * DAY, DAY, DAY, None, 0, -DAY)
    told_of = [job(seq, deadline=at) for seq, at in enumerate(deadlines, 1)]
    assert order_of(waiting("edf", *told_of)) == "6734215", "what is past is as urgent as now"


def test_las_takes_the_lowest_level_and_keeps_the_order_within() -> None:
    """By what ended runs have had: j1 five hours; j2 three, and then two more."""
    scheduler = waiting("las", job(1), job(2), job(3))
    now, started = 0, []
    for hours in (5, 3, 2):
        (place,) = places(scheduler.decide(now)).values()
        started.append(place.job)
        now += hours * HOUR
        scheduler.apply(RunEnded(now, place.run, Outcome(Cause.PREEMPTED)))
    assert started == ["j1", "j2", "j2"], "within a level it keeps its place"
    assert order_of(scheduler, now) == "312"


def test_levels_are_those_of_the_table() -> None:
    assert [level_of(served) for served in (0, LAS_LEVELS[0] - 1, LAS_LEVELS[0], DAY)] == [
        0,
        0,
        1,
        1,
    ]


@pytest.mark.parametrize("discipline", DISCIPLINES)
def test_priority_comes_before_any_discipline(discipline: str) -> None:
    told_of = (
        job(1, expected=1, deadline=1, priority=-3),
        job(2, expected=HOUR, deadline=DAY),
        job(3, priority=1000),
        job(4, expected=1, deadline=1, priority=999),
    )
    assert order_of(waiting(discipline, *told_of)) == "3421"


MIXED = (
    job(1, expected=2 * HOUR, deadline=DAY),
    job(2, expected=HOUR, deadline=2 * DAY),
    job(3, expected=3 * HOUR, deadline=HOUR),
)
ORDERS = {"fifo": "123", "las": "123", "sjf": "213", "qssf": "213", "edf": "312"}


@pytest.mark.parametrize("before", DISCIPLINES)
@pytest.mark.parametrize("after", DISCIPLINES)
def test_a_new_policy_reorders_those_who_wait(before: str, after: str) -> None:
    scheduler = waiting(before, *MIXED)
    assert order_of(scheduler.fork()) == ORDERS[before]
    scheduler.apply(PolicyChanged(0, strict(after)))
    assert order_of(scheduler.fork()) == order_of(scheduler) == ORDERS[after]


@pytest.mark.parametrize("discipline", DISCIPLINES)
def test_a_queue_may_have_a_discipline_of_its_own(discipline: str) -> None:
    """Whatever the policy says; and taken back, the policy's holds again."""
    scheduler = waiting("fifo", *MIXED)
    scheduler.apply(QueueChanged(0, "default", discipline=discipline))
    for policy in ("edf", "sjf"):
        scheduler.apply(PolicyChanged(0, strict(policy)))
        assert order_of(scheduler.fork()) == ORDERS[discipline]
    scheduler.apply(QueueChanged(0, "default"))
    assert order_of(scheduler) == ORDERS["sjf"]


def test_a_queues_discipline_leaves_other_queues_alone() -> None:
    scheduler = waiting("fifo", *MIXED)
    scheduler.apply(QueueChanged(0, "other", discipline="edf"))
    assert order_of(scheduler) == "123"


def test_sjf_goes_by_what_was_learned_where_the_policy_says_so() -> None:
    past = {"tasks": 1, "per_task": res(1), "started_at": 0, "cause": Cause.SUCCEEDED}
    past |= {"queue": "default", "tenant": "default", "user": "u"}
    learned = [
        RunRemembered(DAY, name=name, command=name, ended_at=took, **past)
        for name, took in (("long", 5 * HOUR), ("short", MINUTE))
        for _ in range(4)
    ]
    jobs = [job(1, user="u", name="long", command="long"), job(2, expected=HOUR)]
    jobs.append(job(3, user="u", name="short", command="short"))
    for predict, order in ((True, "321"), (False, "213")):
        policy = PolicyChanged(0, strict("sjf", predict=predict))
        assert order_of(told(policy, pool("p", res(1, 9)), *learned, *jobs)) == order


@given(
    st.sampled_from(DISCIPLINES),
    st.lists(
        st.tuples(
            st.sampled_from((-1000, 0, 7, 1000)),
            st.integers(0, 1 << 66) | st.integers(0, 3),
            st.sampled_from((None, -5, 0, 5, 1 << 70)),
            st.integers(0, DAY),
        ),
        min_size=2,
        max_size=2,
    ),
)
@settings(max_examples=200, deadline=None)
def test_a_rank_orders_as_its_parts_do(discipline: str, drawn: list) -> None:
    """One integer says what priority, key and submission say, one after the other."""
    last = (1 << 64) - 1
    keys, ranks = [], []
    for seq, (priority, expected, deadline, served) in enumerate(drawn, 1):
        told_of = job(seq, priority=priority, deadline=deadline)
        key = {
            "fifo": 0,
            "sjf": min(expected, last) or last,
            "qssf": min(expected, last) or last,
            "edf": last if deadline is None else min(max(deadline, 0), last),
            "las": int(served >= 4 * HOUR),
        }[discipline]
        keys.append((-priority, key, seq))
        ranks.append(rank_of(told_of, discipline, expected=expected, served=served))
    assert (keys[0] < keys[1]) == (ranks[0] < ranks[1])


# -- jobs by the time they need --


@given(st.integers(0, 1 << 70), st.integers(0, 1 << 70), st.integers(0, 300))
@settings(max_examples=300, deadline=None)
def test_longer_windows_are_of_no_lower_class(a: int, b: int, step: int) -> None:
    low, high = sorted((a, b))
    assert window_class(low) <= window_class(high)
    assert window_class(low) <= window_class(low + step)


def test_classes_of_windows_are_narrow_and_few() -> None:
    classes = [window_class(window) for window in range(1 << 12)]
    assert classes == sorted(classes)
    for window in range(16, 1 << 12):
        assert window_class(window) < window_class(window + window // 4 + 1)
    assert len({window_class(1 << n) for n in range(60)}) == 60
    assert window_class(100 * DAY) < 400


@given(
    st.lists(
        st.tuples(st.integers(0, 200) | st.integers(0, 10**13), st.integers(0, 20)), max_size=20
    ),
    st.sets(st.integers(0, 20)),
    st.integers(0, 200) | st.integers(0, 10**13),
)
@settings(max_examples=300, deadline=None)
def test_the_first_within_a_window_is_found(drawn: list, gone: set, window: int) -> None:
    """As by asking each who is there and is known to need no longer, though some have left."""
    line, shares = Line(Capacity()), Shares(DAY)
    line.windowed = True
    jobs = []
    for seq, (needs, key) in enumerate(drawn):
        record = JobRecord(job(seq), shares.account("q", "t", "u"))
        record.shape = line.shape_of(record.told.demand, ())
        record.rank, record.window = key * 100 + seq, needs
        line.enter(record)
        jobs.append(record)
    if not jobs:
        return
    lane = jobs[0].lane
    for number in gone:
        if number < len(jobs):
            line.leave(jobs[number])
    for asked in (window, window // 2, window * 2):
        fitting = [each for each in jobs if each.lane and 0 < each.window <= asked]
        assert lane.first_within(asked) is min(fitting, key=lambda each: each.rank, default=None)
    left = [each for each in jobs if each.lane]
    assert lane.head() is min(left, key=lambda each: each.rank, default=None)
    assert sorted(each.id for each in lane.jobs()) == sorted(each.id for each in left)


def test_who_is_cancelled_while_he_waits_is_passed_over() -> None:
    scheduler = waiting("sjf", *MIXED)
    scheduler.apply(JobCancelled(0, "j2"))
    assert order_of(scheduler) == "13"
