"""Advance reservations: who is kept out, from when until when, and what is said of it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.core.records import Phase
from suan.model.errors import InvariantViolation
from suan.model.events import (
    PolicyChanged,
    ReservationCancelled,
    ReservationMade,
    RunEnded,
)
from suan.model.job import Cause, JobState
from suan.model.plan import Place, Stop
from suan.model.policy import BACKFILLS, POLICIES, Policy
from suan.model.refusal import RefusalCode
from suan.model.reservation import Reservation, first_met
from suan.model.spec import Checkpoint
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.test_policies import POOLS, TimedDriver, policies
from tests.core.test_policies import jobs as any_jobs
from tests.core.world import DONE, job, places, pool, res, told

WHOLE = res(8, 8)
EASY, STRICT = POLICIES["easy"], POLICIES["fifo"]


def kept(name: str = "r", nodes: tuple[str, ...] = ("p0",), **rest) -> Reservation:
    rest = {"begin": 2 * HOUR, "end": 4 * HOUR, **rest}
    return Reservation(name, rest.pop("pool", "p"), nodes, **rest)


def made(*args, **rest) -> ReservationMade:
    return ReservationMade(0, kept(*args, **rest))


def world(*events, policy: Policy = EASY, nodes: int = 1) -> Scheduler:
    return told(PolicyChanged(0, policy), pool("p", *[WHOLE] * nodes), *events)


def starts(scheduler: Scheduler, now: int) -> list[str]:
    return sorted(places(scheduler.decide(now)))


# What a reservation says -------------------------------------------------------------------------


def test_it_admits_tenants_with_those_below_and_users() -> None:
    reservation = kept(tenants=("lab",), users=("ann",))
    admitted = [("lab", ""), ("lab/vision", "bob"), ("other", "ann")]
    assert all(reservation.admits(*each) for each in admitted)
    assert not any(reservation.admits(*each) for each in [("labs", ""), ("other", "bob")])
    assert not reservation.maintenance
    assert kept().maintenance
    assert not kept().admits("lab", "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"nodes": ()}, "nodes: none"),
        ({"nodes": ("b", "a")}, "nodes: must be sorted"),
        ({"tenants": ("a", "a")}, "tenants: must be sorted"),
        ({"end": 2 * HOUR}, "end: must be after"),
    ],
)
def test_nonsense_is_refused(change: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(kept(), **change)


def test_two_meet_on_a_node_at_one_time() -> None:
    one = kept()
    assert one.meets(kept("s", ("p0", "p1"), begin=3 * HOUR, end=5 * HOUR))
    assert not one.meets(kept("s", begin=4 * HOUR, end=5 * HOUR))
    assert not one.meets(kept("s", ("p1",)))
    assert not one.meets(kept("s", pool="q"))
    assert first_met(kept("r", ("p9",)), [one]) is one, "a name is taken until it is over"
    assert first_met(kept("r", ("p9",), made_at=4 * HOUR), [one]) is None
    scheduler = world(made())
    with pytest.raises(InvariantViolation, match="s meets r"):
        scheduler.apply(made("s", begin=3 * HOUR))


# Who may start -----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [EASY, STRICT], ids=["easy", "strict"])
def test_before_it_only_what_surely_ends_in_time_starts(policy: Policy) -> None:
    limits = {1: 2 * HOUR, 2: 2 * HOUR + 1, 3: None}
    for seq, limit in limits.items():
        scheduler = world(made(), job(seq, WHOLE, time_limit=limit), policy=policy)
        assert starts(scheduler, 0) == (["j1"] if seq == 1 else [])


def test_what_users_expect_is_not_sure() -> None:
    scheduler = world(made(), job(1, WHOLE, expected=MINUTE))
    assert starts(scheduler, 0) == []


@pytest.mark.parametrize("policy", [EASY, STRICT], ids=["easy", "strict"])
def test_within_it_only_the_admitted_start(policy: Policy) -> None:
    scheduler = world(made(tenants=("lab",), users=("ann",)), policy=policy)
    scheduler.apply(job(1, res(1, 1), time_limit=SECOND))
    scheduler.apply(job(2, res(1, 1), tenant="lab/x"))
    scheduler.apply(job(3, res(1, 1), user="ann"))
    scheduler.apply(job(4, res(1, 1), tenant="labs"))
    assert starts(scheduler, 2 * HOUR) == ["j2", "j3"]
    assert starts(scheduler, 4 * HOUR - 1) == []
    assert starts(scheduler, 4 * HOUR) == ["j1", "j4"]


def test_maintenance_admits_nobody_and_the_admitted_start_before_theirs() -> None:
    scheduler = world(made(), made("s", ("p1",), tenants=("lab",)), nodes=2)
    scheduler.apply(job(1, WHOLE, tenant="lab"))
    scheduler.apply(job(2, WHOLE, tenant="lab"))
    plan = scheduler.decide(0)
    assert [place.nodes for place in places(plan).values()] == [("p1",)]
    assert starts(scheduler, 3 * HOUR) == []
    assert starts(scheduler, 4 * HOUR) == ["j2"]


def test_what_runs_is_left_alone() -> None:
    scheduler = world(job(1, WHOLE))
    assert starts(scheduler, 0) == ["j1"]
    scheduler.apply(ReservationMade(1, kept()))
    for at in (1, 2 * HOUR, 3 * HOUR, 4 * HOUR):
        assert scheduler.decide(at).decisions == ()
    assert scheduler.running == 1


def test_a_cancel_frees_at_once() -> None:
    scheduler = world(made(begin=HOUR), job(1, WHOLE))
    assert starts(scheduler, 2 * HOUR) == []
    scheduler.apply(ReservationCancelled(2 * HOUR, "r", "ann"))
    scheduler.apply(ReservationCancelled(2 * HOUR, "unknown"))
    assert starts(scheduler, 2 * HOUR) == ["j1"]


def test_it_holds_for_nodes_that_are_seen_later() -> None:
    """After a takeover reservations are told before pools are observed."""
    scheduler = told(PolicyChanged(0, EASY), made(), job(1, WHOLE))
    scheduler.apply(pool("p", WHOLE, WHOLE))
    assert [place.nodes for place in places(scheduler.decide(0)).values()] == [("p1",)]
    scheduler.apply(job(2, WHOLE))
    assert starts(scheduler, 0) == []


def test_whoever_may_not_start_there_holds_up_nobody() -> None:
    """The first in line has no limit: it would run into the reservation, so others go on."""
    for policy in (EASY, STRICT):
        scheduler = world(made(), job(1, WHOLE), job(2, WHOLE, time_limit=HOUR), policy=policy)
        assert starts(scheduler, 0) == ["j2"]


def test_time_makes_a_job_step_aside() -> None:
    """j2 waits for the node, and its limit comes to be too long: j3 behind it goes on at once."""
    scheduler = world(made(), policy=STRICT)
    scheduler.apply(job(1, WHOLE, time_limit=2 * HOUR))
    scheduler.apply(job(2, WHOLE, time_limit=HOUR))
    scheduler.apply(job(3, WHOLE, time_limit=MINUTE))
    plan = scheduler.decide(0)
    assert list(places(plan)) == ["j1"]
    assert plan.wake_at == HOUR + 1
    scheduler.apply(RunEnded(HOUR + 1, "j1-r1", DONE))
    assert starts(scheduler, HOUR + 1) == ["j3"]


def test_a_gang_stands_aside_where_too_little_is_left() -> None:
    """It needs both nodes, one is reserved: it does not hold the other meanwhile."""
    for policy in (EASY, STRICT):
        scheduler = world(made(), job(1, WHOLE, 2), job(2, WHOLE), policy=policy, nodes=2)
        plan = scheduler.decide(0)
        assert [place.nodes for place in places(plan).values()] == [("p1",)]
        scheduler.apply(RunEnded(3 * HOUR, "j2-r1", DONE))
        assert starts(scheduler, 3 * HOUR) == []
        assert starts(scheduler, 4 * HOUR) == ["j1"]


def test_extras_of_an_elastic_job_are_kept_out_as_well() -> None:
    scheduler = world(made(), nodes=3)
    scheduler.apply(job(1, WHOLE, max_tasks=3))
    assert sorted(places(scheduler.decide(0))["j1"].nodes) == ["p1", "p2"]


@pytest.mark.parametrize(("node", "grows"), [("p0", True), ("p2", False)])
def test_what_could_not_go_on_where_it_is_does_not_grow(node: str, grows: bool) -> None:
    """j2 is on p2, and p0 and p1 come to be free. To grow it would have to stop; where a
    reservation keeps p2 from it, it could not go on there."""
    scheduler = world(policy=replace(POLICIES["default"], min_run_time=0), nodes=3)
    scheduler.apply(job(1, WHOLE, 2, time_limit=HOUR))
    asked = {"max_tasks": 3, "checkpoint": Checkpoint(grace=SECOND), "expected": 9 * HOUR}
    scheduler.apply(job(2, WHOLE, **asked))
    assert places(scheduler.decide(0))["j2"].nodes == ("p2",)
    scheduler.apply(made("r", (node,), begin=9 * HOUR, end=10 * HOUR))
    scheduler.apply(RunEnded(HOUR, "j1-r1", DONE))
    stops = [each for each in scheduler.decide(HOUR).decisions if isinstance(each, Stop)]
    assert [each.run for each in stops] == (["j2-r1"] if grows else [])


def test_the_admitted_take_their_own_nodes_first_and_before_it_others_do_last() -> None:
    scheduler = world(made(tenants=("lab",)), nodes=2)
    scheduler.apply(job(1, res(1, 1), time_limit=MINUTE))
    assert places(scheduler.decide(0))["j1"].nodes == ("p1",)
    scheduler.apply(job(2, res(1, 1), tenant="lab"))
    scheduler.apply(job(3, res(1, 1)))
    found = places(scheduler.decide(2 * HOUR))
    assert (found["j2"].nodes, found["j3"].nodes) == (("p0",), ("p1",))


def test_wakes_at_the_beginning_and_the_end() -> None:
    scheduler = world(made())
    assert [scheduler.decide(at).wake_at for at in (0, 2 * HOUR, 4 * HOUR)] == [
        2 * HOUR,
        4 * HOUR,
        None,
    ]


def test_the_first_in_line_is_promised_a_place_when_the_reservation_is_over() -> None:
    """j1 runs until 1:30; j2 needs an hour, and at 1:30 only half an hour is left: its place is at
    4:00. So j3 may have the half hour."""
    scheduler = world(made())
    scheduler.apply(job(1, WHOLE, time_limit=90 * MINUTE))
    scheduler.apply(job(2, WHOLE, time_limit=HOUR))
    scheduler.apply(job(3, WHOLE, time_limit=30 * MINUTE))
    assert starts(scheduler, 0) == ["j1"]
    state = scheduler.fork()._state
    [found] = state.kept.values()
    assert found.at == 90 * MINUTE or found.at == 4 * HOUR
    scheduler.apply(RunEnded(90 * MINUTE, "j1-r1", DONE))
    assert starts(scheduler, 90 * MINUTE) == ["j3"]
    scheduler.apply(RunEnded(2 * HOUR, "j3-r1", DONE))
    assert starts(scheduler, 3 * HOUR) == []
    assert starts(scheduler, 4 * HOUR) == ["j2"]


def test_nobody_is_displaced_for_a_job_that_could_not_start_then() -> None:
    """j2 may displace j1 and ends just in time; but j1 takes ten seconds to stop."""
    scheduler = world(made(), policy=replace(POLICIES["default"], min_run_time=0))
    scheduler.apply(job(1, WHOLE, time_limit=HOUR))
    assert starts(scheduler, 0) == ["j1"]
    scheduler.apply(job(2, WHOLE, priority=9, time_limit=2 * HOUR - 5 * SECOND))
    assert scheduler.decide(1).decisions == ()
    scheduler.apply(job(3, WHOLE, priority=10, time_limit=HOUR))
    assert [type(each) for each in scheduler.decide(2).decisions] == [Stop]


# Who asks to run in one --------------------------------------------------------------------------

CONSERVATIVE = POLICIES["conservative"]


@pytest.mark.parametrize("policy", [EASY, STRICT, CONSERVATIVE], ids=["easy", "strict", "promised"])
def test_who_asks_to_run_in_one_waits_for_it_and_goes_nowhere_else(policy: Policy) -> None:
    """Both nodes are free at 0:00, and all three could end before the window."""
    scheduler = world(made(tenants=("lab",)), policy=policy, nodes=2)
    asked = {"time_limit": MINUTE, "tenant": "lab"}
    scheduler.apply(job(1, WHOLE, reservation="r", **asked))
    scheduler.apply(job(2, WHOLE, reservation="r", **asked))
    scheduler.apply(job(3, WHOLE, **asked))
    scheduler.apply(job(4, WHOLE, **asked))
    assert starts(scheduler, 0) == ["j3", "j4"], "they hold up nobody meanwhile"
    for run in ("j3-r1", "j4-r1"):
        scheduler.apply(RunEnded(MINUTE, run, DONE))
    plan = scheduler.decide(MINUTE)
    assert (places(plan), plan.wake_at) == ({}, 2 * HOUR)
    plan = scheduler.decide(2 * HOUR)
    assert [(name, place.nodes) for name, place in places(plan).items()] == [("j1", ("p0",))]
    assert why(scheduler, "j2", 2 * HOUR).refusals[0].code is RefusalCode.NO_CAPACITY
    scheduler.apply(RunEnded(3 * HOUR, "j1-r1", DONE))
    assert starts(scheduler, 3 * HOUR) == ["j2"]


def test_who_asks_for_one_that_is_over_waits_for_another_of_that_name() -> None:
    scheduler = world(made(tenants=("lab",)), job(1, WHOLE, reservation="r", tenant="lab"))
    scheduler.apply(job(2, res(1, 1), time_limit=HOUR))
    assert starts(scheduler, 0) == ["j2"]
    assert starts(scheduler, 2 * HOUR) == []
    assert starts(scheduler, 4 * HOUR) == []
    scheduler.apply(RunEnded(4 * HOUR, "j2-r1", DONE))
    assert starts(scheduler, 4 * HOUR) == []
    [refusal] = why(scheduler, "j1", 4 * HOUR).refusals
    assert refusal.code is RefusalCode.NOT_IN_RESERVATION
    again = kept(tenants=("lab",), begin=5 * HOUR, end=6 * HOUR, made_at=4 * HOUR)
    scheduler.apply(ReservationMade(4 * HOUR, again))
    assert starts(scheduler, 5 * HOUR) == ["j1"]


def test_who_asks_for_one_that_does_not_admit_him_is_told_whom_it_admits() -> None:
    scheduler = world(made(tenants=("lab",), users=("ann",)))
    scheduler.apply(job(1, WHOLE, reservation="r", tenant="labs", user="bob", time_limit=MINUTE))
    for at in (0, 3 * HOUR):
        assert starts(scheduler, at) == []
        [refusal] = why(scheduler, "j1", at).refusals
        assert (refusal.code, refusal.until) == (RefusalCode.RESERVED, None)
        assert refusal.detail == (
            "the job asks to run in reservation r, which is for tenant lab and user ann; it does"
            " not admit tenant labs and user bob"
        )
    assert why(scheduler, "j1", 3 * HOUR).earliest is None


def test_who_asks_for_one_that_has_not_begun_is_told_when_it_does() -> None:
    scheduler = world(made(tenants=("lab",)), job(1, WHOLE, reservation="r", tenant="lab"))
    found = why(scheduler, "j1", HOUR)
    [refusal] = found.refusals
    assert refusal.code is RefusalCode.RESERVED
    assert refusal.detail == "the job asks to run in reservation r, which begins in 1 h"
    assert (refusal.until, found.earliest) == (2 * HOUR, 2 * HOUR)


def test_a_copy_keeps_who_asks_to_run_in_one() -> None:
    scheduler = world(made(tenants=("lab",)), nodes=2)
    scheduler.apply(job(1, WHOLE, reservation="r", tenant="lab"))
    assert starts(scheduler.fork(), HOUR) == []
    assert starts(scheduler, HOUR) == []
    assert starts(scheduler.fork(), 2 * HOUR) == ["j1"]


# What is said ------------------------------------------------------------------------------------


def why(scheduler: Scheduler, name: str, now: int):
    explanation = scheduler.explain(name, now)
    assert explanation is not None
    return explanation


def test_why_names_the_reservation_and_until_when() -> None:
    scheduler = world(made("switches", reason="new switches"), job(1, WHOLE))
    found = why(scheduler, "j1", 0)
    [refusal] = found.refusals
    assert refusal.code is RefusalCode.RESERVED
    assert refusal.until == 4 * HOUR
    assert refusal.detail == (
        "p0 is reserved for maintenance (switches: new switches) in 2 h, for 2 h; this job has no"
        " time limit, and so might run into that"
    )
    assert refusal.unblocked_by == (
        "reservation switches ends or is cancelled, or this job is given a time limit of at most"
        " 2 h"
    )
    assert found.summary == (
        f"It waits for pool p, which is reserved: {refusal.detail}. It goes on when"
        f" {refusal.unblocked_by}."
    )
    assert (found.earliest, found.latest) == (4 * HOUR, 4 * HOUR)
    assert found.rests_on == "the end of reservation switches; nothing new coming in"


def test_a_run_without_an_end_makes_no_earlier_start_possible() -> None:
    """j1 may end at any time, which does not help j2 before the reservation is over."""
    scheduler = world(job(1, res(1, 1)))
    assert starts(scheduler, 0) == ["j1"]
    scheduler.apply(made())
    scheduler.apply(job(2, res(1, 1)))
    found = why(scheduler, "j2", 1)
    assert (found.earliest, found.latest) == (4 * HOUR, 4 * HOUR)


def test_why_within_it_says_for_whom() -> None:
    scheduler = world(made(tenants=("lab",), users=("ann",)), job(1, WHOLE, time_limit=MINUTE))
    [refusal] = why(scheduler, "j1", 3 * HOUR).refusals
    assert refusal.detail == "p0 is reserved for tenant lab and user ann (r) for 1 h more"
    assert refusal.unblocked_by == "reservation r ends or is cancelled"
    assert why(scheduler, "j1", 3 * HOUR).earliest == 4 * HOUR


def test_why_looks_through_one_reservation_after_the_other() -> None:
    scheduler = world(made(), made("s", begin=5 * HOUR, end=6 * HOUR), job(1, WHOLE))
    [refusal] = why(scheduler, "j1", 3 * HOUR).refusals
    assert (refusal.until, "(r)" in refusal.detail) == (6 * HOUR, True)
    assert why(scheduler, "j1", 3 * HOUR).earliest == 6 * HOUR
    assert starts(scheduler, 4 * HOUR) == []
    assert starts(scheduler, 6 * HOUR) == ["j1"]


def test_a_full_pool_is_full_where_it_is_open() -> None:
    scheduler = world(made(), nodes=2)
    scheduler.apply(job(1, WHOLE, time_limit=HOUR))
    scheduler.apply(job(2, WHOLE, time_limit=HOUR))
    assert starts(scheduler, 0) == ["j1", "j2"]
    scheduler.apply(job(3, WHOLE))
    [refusal] = why(scheduler, "j3", 0).refusals
    assert refusal.code is RefusalCode.NO_CAPACITY
    scheduler.apply(RunEnded(1, places_of(scheduler, "p0"), DONE))
    [refusal] = why(scheduler, "j3", 1).refusals
    assert refusal.code is RefusalCode.RESERVED
    assert refusal.detail.startswith("p0 is reserved")


def places_of(scheduler: Scheduler, node: str) -> str:
    return next(name for name in ("j1-r1", "j2-r1") if scheduler.run(name).nodes == (node,))


def test_a_dry_run_knows_of_it() -> None:
    scheduler = world(made())
    assert scheduler.consider(job(1, WHOLE), 0).refusals[0].code is RefusalCode.RESERVED
    assert scheduler.consider(job(1, WHOLE, time_limit=HOUR), 0).costs


# At random ---------------------------------------------------------------------------------------

reservations = st.fixed_dictionaries(
    {
        "pool": st.sampled_from(POOLS),
        "nodes": st.sets(st.integers(0, 3), min_size=1, max_size=3),
        "begins_in": st.sampled_from((0, 1, MINUTE, HOUR, 3 * HOUR)),
        "lasts": st.sampled_from((1, SECOND, 10 * MINUTE, 2 * HOUR)),
        "tenants": st.sampled_from(((), (), ("a",), ("lab",), ("lab/x",))),
        "users": st.sampled_from(((), (), ("u",))),
    }
)
steps = st.lists(
    st.one_of(
        *[st.tuples(st.just("submit"), any_jobs)] * 4,
        *[st.tuples(st.just("reserve"), reservations)] * 2,
        st.tuples(st.just("unreserve"), st.integers(0, 9)),
        *[st.tuples(st.just("wait"), st.sampled_from((1, SECOND, MINUTE, 10 * MINUTE, 3 * HOUR)))]
        * 2,
        st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from(list(Cause))),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("lose"), st.sampled_from(POOLS)),
        st.tuples(
            st.just("observe"),
            st.sampled_from(POOLS),
            st.lists(
                st.tuples(
                    st.integers(0, 3),
                    st.sampled_from((WHOLE, res(8, 32, A=4))),
                    st.just(0),
                    st.booleans(),
                ),
                max_size=4,
                unique_by=lambda node: node[0],
            ),
            st.booleans(),
        ),
        st.tuples(st.just("policy"), policies),
        st.tuples(st.just("decide"), st.sampled_from((1, 2, 1000))),
    ),
    max_size=40,
)


class ReservingDriver(TimedDriver):
    """Operators reserve and cancel; each place is compared with what is reserved by books of its
    own."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Reservation] = {}
        self.count = 0

    def reserve(self, asked: dict) -> None:
        begin = self.now + asked["begins_in"]
        reservation = Reservation(
            f"r{self.count % 10}",
            asked["pool"],
            tuple(sorted(f"{asked['pool']}{at}" for at in asked["nodes"])),
            begin,
            begin + asked["lasts"],
            asked["tenants"],
            asked["users"],
            made_at=self.now,
        )
        self.made = {name: each for name, each in self.made.items() if each.end > self.now}
        if first_met(reservation, self.made.values()) is None:
            self.count += 1
            self.made[reservation.name] = reservation
            self.witness.apply(ReservationMade(self.now, reservation))

    def unreserve(self, number: int) -> None:
        self.made.pop(f"r{number}", None)
        self.witness.apply(ReservationCancelled(self.now, f"r{number}"))

    def decide(self, limit: int):
        plan = super().decide(limit)
        for place in plan.decisions:
            if isinstance(place, Place):
                self.check(place)
        return plan

    def check(self, place: Place) -> None:
        """It cannot be there within a reservation that does not admit it, nor come to be."""
        asked = self.witness.jobs[place.job]
        for each in self.made.values():
            if each.pool != place.pool or set(each.nodes).isdisjoint(place.nodes):
                continue
            if each.admits(asked.tenant, asked.user) or each.end <= self.now:
                continue
            assert asked.time_limit is not None, each
            assert self.now + asked.time_limit <= each.begin, each


@given(steps)
@settings(max_examples=150, deadline=None)
def test_who_is_not_admitted_is_never_there_unless_he_was_before(todo: list[tuple]) -> None:
    """And every other rule holds, and a fork decides alike (``Driver.decide``)."""
    ReservingDriver().drive(todo)


asking_steps = st.lists(
    st.one_of(
        *[st.tuples(st.just("ask"), any_jobs, st.integers(0, 3))] * 3,
        *[st.tuples(st.just("submit"), any_jobs)] * 2,
        *[st.tuples(st.just("reserve"), reservations)] * 3,
        st.tuples(st.just("unreserve"), st.integers(0, 3)),
        *[st.tuples(st.just("wait"), st.sampled_from((1, MINUTE, HOUR, 2 * HOUR)))] * 2,
        st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from(list(Cause))),
        st.tuples(st.just("policy"), policies),
        st.tuples(st.just("decide"), st.sampled_from((1, 2, 1000))),
    ),
    max_size=40,
)


class AskingDriver(ReservingDriver):
    """Some jobs ask to run in a reservation, which may not be there, or not admit them."""

    def ask(self, asked: dict, number: int) -> None:
        self.submit({**asked, "reservation": f"r{number}"})

    def check(self, place: Place) -> None:
        super().check(place)
        asked = self.witness.jobs[place.job]
        if asked.demand.reservation is not None:
            within = self.made[asked.demand.reservation]
            assert within.admits(asked.tenant, asked.user)
            assert within.begin <= self.now < within.end
            assert within.pool == place.pool
            assert set(place.nodes) <= set(within.nodes)


@given(asking_steps)
@settings(max_examples=150, deadline=None)
def test_who_asks_to_run_in_one_is_nowhere_else_and_at_no_other_time(todo: list[tuple]) -> None:
    AskingDriver().drive(todo)


@given(asking_steps, policies)
@settings(max_examples=75, deadline=None)
def test_who_asks_to_run_in_one_is_woken_when_it_is_time(todo: list[tuple], policy: Policy) -> None:
    assert_nothing_to_do(AskingDriver(), todo, policy)


def admitted_everywhere(driver: ReservingDriver, name: str) -> bool:
    asked = driver.witness.jobs[name]
    return all(each.admits(asked.tenant, asked.user) for each in driver.made.values())


@given(steps, st.sampled_from(BACKFILLS))
@settings(max_examples=100, deadline=None)
def test_an_admitted_job_gets_in(todo: list[tuple], backfill: str) -> None:
    """Of a job that all reservations admit they change nothing, once it is alone."""
    driver = ReservingDriver()
    witness = driver.drive(todo)
    driver.policy(replace(EASY, backfill=backfill))
    names = [name for name, state in witness.states.items() if state is JobState.PENDING]
    for name in [each for each in names if admitted_everywhere(driver, each)][:3]:
        alone = witness.scheduler.fork()
        for other in names:
            if other != name:
                alone.apply(witness_cancel(other, driver.now))
        for run in sorted(witness.runs):
            alone.apply(RunEnded(driver.now, run, DONE))
        free = alone.fork()
        for each in driver.made:
            free.apply(ReservationCancelled(driver.now, each))
        found = [f"{name}-r" in str(each.decide(driver.now).decisions) for each in (alone, free)]
        assert found[0] == found[1]


def witness_cancel(name: str, now: int):
    from suan.model.events import JobCancelled

    return JobCancelled(now, name)


@given(steps)
@settings(max_examples=100, deadline=None)
def test_a_cancelled_reservation_leaves_no_trace(todo: list[tuple]) -> None:
    """With all cancelled, a scheduler starts whom one would that never knew of any: whoever is
    left waiting is kept waiting by something else."""
    driver = ReservingDriver()
    witness = driver.drive(todo)
    for name in list(driver.made):
        driver.unreserve(int(name[1:]))
    driver.settle()
    state = witness.scheduler._state
    assert not state.advance.kept
    assert not state.advance.of_node
    flavors = [f for each in state.capacity.pools.values() for f in each.flavors.values()]
    assert not any(flavor.key[3] for flavor in flavors)
    waiting = [name for name, each in witness.states.items() if each is JobState.PENDING]
    jobs = [state.jobs[name] for name in waiting]  # who backs off is judged when he is back
    assert all(each.bars == 0 for each in jobs if each.phase is Phase.IN_LINE)
    for name in waiting[:3]:
        explanation = witness.scheduler.explain(name, driver.now)
        assert RefusalCode.RESERVED not in {each.code for each in explanation.refusals}


@given(steps)
@settings(max_examples=100, deadline=None)
def test_with_its_cause_removed_it_starts(todo: list[tuple]) -> None:
    """A job that is told ``reserved`` by all that could run it starts, alone and with what it is
    told of cancelled; and what is told of when is when that is over."""
    driver = ReservingDriver()
    witness = driver.drive(todo)
    for name in [n for n, each in witness.states.items() if each is JobState.PENDING][:4]:
        fork, names = witness.scheduler.fork(), []
        for other, state in witness.states.items():
            if state is JobState.PENDING and other != name:
                fork.apply(witness_cancel(other, driver.now))
        for _ in range(12):
            explanation = fork.explain(name, driver.now)
            assert explanation is not None
            told_of = [r for r in explanation.refusals if r.code is RefusalCode.RESERVED]
            if not told_of:
                break
            refusal = told_of[0]
            kept_by = next(
                each for each in driver.made if f"reservation {each} ends" in refusal.unblocked_by
            )
            assert refusal.until >= driver.made[kept_by].end > driver.now
            assert kept_by not in names
            names.append(kept_by)
            fork.apply(ReservationCancelled(driver.now, kept_by))
        if names and not {r.code for r in explanation.refusals} & OTHER:
            plan = fork.decide(driver.now)
            assert any(getattr(each, "job", "") == name for each in plan.decisions), explanation


OTHER = {code for code in RefusalCode if code is not RefusalCode.RESERVED}


@given(steps, policies)
@settings(max_examples=60, deadline=None)
def test_what_sleeps_has_nothing_to_do(todo: list[tuple], policy: Policy) -> None:
    """As without reservations: were everything looked at again, nobody would start or stop."""
    assert_nothing_to_do(ReservingDriver(), todo, policy)


def assert_nothing_to_do(driver: ReservingDriver, todo: list[tuple], policy: Policy) -> None:
    driver.policy(replace(policy, backfill="none"))
    for step in todo:
        if step[0] != "policy":
            driver.step(step)
            driver.settle()
            fork = driver.witness.scheduler.fork()
            fork._state.capacity.awake = (1 << 99) - 1
            assert fork.decide(driver.now).decisions == ()


@given(steps, policies, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_within_an_instant_no_order_of_reservations_and_jobs_matters(
    todo: list[tuple], policy: Policy, rng
) -> None:
    driver = ReservingDriver()
    driver.policy(replace(policy, predict=False))
    for step in todo:
        if step[0] != "policy":
            driver.step(step)
    driver.settle()
    driver.now += 1
    events = [ReservationCancelled(driver.now, name) for name in list(driver.made)[::2]]
    new = Reservation("new", "p", ("p0", "p1"), driver.now + HOUR, driver.now + 2 * HOUR, ("a",))
    if first_met(new, driver.made.values()) is None:
        events.append(ReservationMade(driver.now, new))
    for seq in range(1000, 1006):
        asked = {"tenant": ("a", "b")[seq % 2], "time_limit": (None, HOUR, 2 * HOUR)[seq % 3]}
        events.append(job(seq, res(4, 4), **asked))
    outcomes = set()
    for _ in range(3):
        rng.shuffle(events)
        fork, found, more = driver.witness.scheduler.fork(), [], True
        for event in events:
            fork.apply(event)
        while more:
            plan = fork.decide(driver.now)
            found += plan.decisions
            more = plan.more
        outcomes.add(frozenset(found))
    assert len(outcomes) == 1
