"""Conservative backfill: nobody starts later than he was once promised, whoever comes."""

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core import Scheduler
from suan.core.promises import DEPTH
from suan.core.search import Promise
from suan.model.events import (
    JobCancelled,
    PolicyChanged,
    PoolObserved,
    QuotaChanged,
    ReservationCancelled,
    ReservationMade,
    RunEnded,
)
from suan.model.offer import NodeStatus, Offer
from suan.model.policy import POLICIES, Policy
from suan.model.quota import Quota
from suan.model.reservation import Reservation
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.test_backfill import LIMITS, NEEDS, WORLDS, swf
from tests.core.world import DONE, Witness, job, places, pool, res, told

NAMED = POLICIES["conservative"]
TOLD = replace(NAMED, predict=False)  # nothing is guessed


def promises(scheduler: Scheduler) -> dict[str, Promise]:
    return {job.id: promise for job, promise in scheduler._state.promised.items()}


# -- one machine: the very start times of conservative backfill as the literature tells it --


@dataclass
class Machine:
    """One machine of ``size`` processors. Whoever comes is given the earliest start at which his
    limit fits beside all that was given before; when a run ends, everyone in order of coming is
    given an earlier one if there is, until nobody moves."""

    size: int
    running: dict[int, tuple[int, int, int]] = field(
        default_factory=dict
    )  # real end, limit's, size
    asked: dict[int, tuple[int, int]] = field(default_factory=dict)  # processors, limit
    given: dict[int, int] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)

    def used(self, at: int) -> int:
        held = sum(size for _, end, size in self.running.values() if end > at)
        return held + sum(
            self.asked[n][0]
            for n, start in self.given.items()
            if start <= at < start + self.asked[n][1]
        )

    def earliest(self, n: int, now: int) -> int:
        size, limit = self.asked[n]
        ends = [end for _, end, _ in self.running.values()]
        ends += [start + self.asked[other][1] for other, start in self.given.items()]
        for at in sorted({now, *(end for end in ends if end > now)}):
            steps = [at, *(start for start in self.given.values() if at < start < at + limit)]
            if all(self.used(step) + size <= self.size for step in steps):
                return at
        raise AssertionError("everything ends")

    def decide(self, now: int) -> None:
        moved = True
        while moved:
            moved = False
            for n in sorted(self.asked):
                before = self.given.pop(n, None)
                self.given[n] = self.earliest(n, now)
                moved = moved or self.given[n] != before
        for n in [n for n, start in self.given.items() if start == now]:
            self.starts[n] = now
            del self.given[n]

    def start(self, n: int, now: int, run: int) -> None:
        size, limit = self.asked.pop(n)
        self.running[n] = (now + run, now + limit, size)


def textbook(size: int, jobs: list[tuple[int, int, int, int]]) -> dict[int, int]:
    machine, events = Machine(size), sorted({at for at, *_ in jobs})
    while events:
        now = events[0]
        machine.running = {n: run for n, run in machine.running.items() if run[0] > now}
        for n, (at, processors, limit, _) in enumerate(jobs):
            if at == now:
                machine.asked[n] = (processors, limit)
        machine.decide(now)
        for n in [n for n in machine.asked if n in machine.starts]:
            machine.start(n, now, jobs[n][3])
        ends = (end for end, _, _ in machine.running.values())
        events = sorted({*events[1:], *ends, *machine.given.values()})
    return machine.starts


def in_the_core(size: int, jobs: list[tuple[int, int, int, int]]) -> dict[int, int]:
    scheduler = told(PolicyChanged(0, TOLD), pool("p", res(size, 100)))
    ends: dict[str, int] = {}
    starts: dict[int, int] = {}
    events = sorted({at for at, *_ in jobs})
    while events:
        now = events[0]
        for run in [run for run, end in ends.items() if end <= now]:
            scheduler.apply(RunEnded(now, run, DONE))
            del ends[run]
        for n, (at, processors, limit, _) in enumerate(jobs):
            if at == now:
                scheduler.apply(job(n, res(processors, 0), time_limit=limit))
        plan = scheduler.decide(now)
        for place in places(plan).values():
            n = int(place.job[1:])
            starts[n], ends[place.run] = now, now + jobs[n][3]
        wakes = [plan.wake_at] if plan.wake_at is not None else []
        events = sorted({*events[1:], *ends.values(), *wakes})
    return starts


@given(swf)
@settings(max_examples=150, deadline=None)
def test_one_machine_starts_every_job_when_the_textbook_does(drawn: list) -> None:
    at, jobs = 0, []
    for gap, processors, limit, percent in drawn:
        at += gap
        jobs.append((at, processors, limit, max(1, limit * percent // 100)))
    assert in_the_core(8, jobs) == textbook(8, jobs)


# -- several pools, gangs, shares of devices --

asked = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 1, 30, 200)),  # seconds after the last
        st.sampled_from(NEEDS),
        st.sampled_from((1, 1, 1, 2, 3)),
        st.sampled_from((*LIMITS, *LIMITS, None)),
        st.sampled_from((1, 20, 60, 100, 100)),  # percent of its limit that it runs
        st.sampled_from((None, None, "p", "q")),
        st.sampled_from((0, 0, 0, 5)),  # its priority
        st.sampled_from((False, False, False, True)),  # whether the one before it is cancelled
    ),
    min_size=1,
    max_size=20,
)


class World:
    """Runs never outlive their limits, no node is lost, and what is promised is kept."""

    def __init__(self, pools: tuple, policy: Policy) -> None:
        self.witness = Witness()
        for event in (PolicyChanged(0, policy), *pools):
            self.witness.apply(event)
        self.ends: dict[str, int] = {}
        self.takes: dict[str, int] = {}
        self.promised: dict[str, int] = {}

    def submit(self, now: int, seq: int, drawn: tuple) -> None:
        _, need, tasks, limit, percent, infra, priority, cancels = drawn
        self.takes[f"j{seq}"] = (limit or 2 * HOUR) * percent // 100
        if cancels and seq:
            self.witness.apply(JobCancelled(now, f"j{seq - 1}"))
        event = job(seq, need, tasks, time_limit=limit, infra=infra, priority=priority)
        self.witness.apply(event)

    def decide(self, now: int) -> int | None:
        for run in [run for run, end in self.ends.items() if end <= now]:
            self.witness.apply(RunEnded(now, run, DONE))
            del self.ends[run]
        fork = self.witness.scheduler.fork()
        plan = self.witness.decide(now)
        assert fork.decide(now) == plan
        for name, place in places(plan).items():
            assert now <= self.promised.pop(name, now), "it starts when that was promised"
            self.ends[place.run] = now + self.takes[name]
        kept = promises(self.witness.scheduler)
        assert all(promise.at > now for promise in kept.values()), "whose time has come starts"
        for name, at in self.promised.items():
            waits = self.witness.states[name] == "pending"
            assert not waits or kept[name].at <= at, "a promise was broken"
        self.promised = {name: promise.at for name, promise in kept.items()}
        return plan.wake_at


@pytest.mark.parametrize("policy", [TOLD, replace(TOLD, discipline="sjf", fair_share=True)])
@given(st.sampled_from(WORLDS), asked)
@settings(max_examples=60, deadline=None)
def test_nobody_starts_later_than_promised(policy: Policy, pools: tuple, drawn: list) -> None:
    world = World(pools, policy)
    at, submissions = 0, []
    for seq, each in enumerate(drawn):
        at += each[0] * SECOND
        submissions.append((at, seq, each))
    events = sorted({at for at, *_ in submissions})
    while events:
        now = events[0]
        for at, seq, each in submissions:
            if at == now:
                world.submit(now, seq, each)
        wake = world.decide(now)
        wakes = [wake] if wake is not None else []
        events = sorted({*events[1:], *world.ends.values(), *wakes})
    for name, asks in world.witness.jobs.items():
        if any(places(told(event, asks).decide(0)) for event in pools):
            assert world.witness.states[name] in ("succeeded", "cancelled")


# -- what is kept from cycle to cycle is what would be worked out anew --

happens = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), asked.map(lambda several: several[:4])),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 60)),
        st.tuples(st.just("pass_by"), st.sampled_from((0, 0, 1, 20 * MINUTE, 2 * HOUR))),
        st.tuples(st.just("cordon"), st.booleans()),
        st.tuples(st.just("reserve"), st.sampled_from((0, HOUR)), st.sampled_from(("", "lab"))),
        st.tuples(st.just("unreserve")),
        st.tuples(st.just("quota"), st.sampled_from((2000, 9000))),
    ),
    min_size=5,
    max_size=16,
)


class Kept:
    """Everything that may happen, and after each a fork, which keeps nothing, decides alike; and
    promises alike, but that it may be later to drop a promise that a quota forbids."""

    def __init__(self, policy: Policy) -> None:
        self.scheduler = told(
            PolicyChanged(0, policy), pool("p", res(4, 16, A=2), res(4, 16)), pool("q", res(3, 8))
        )
        self.now = self.seq = 0
        self.runs: list[str] = []
        self.limited = False

    def submit(self, drawn: list[tuple]) -> None:
        for _, need, tasks, limit, _, infra, priority, lab in drawn:
            self.seq += 1
            self.scheduler.apply(
                job(
                    self.seq,
                    need,
                    tasks,
                    time_limit=limit,
                    infra=infra,
                    priority=priority,
                    tenant="lab" if lab else "default",
                )
            )

    def end(self, number: int) -> None:
        if self.runs:
            run = self.runs.pop(number % len(self.runs))
            self.scheduler.apply(RunEnded(self.now, run, DONE))

    def cancel(self, number: int) -> None:
        self.scheduler.apply(JobCancelled(self.now, f"j{number}"))

    def pass_by(self, how_long: int) -> None:
        self.now += how_long

    def cordon(self, schedulable: bool) -> None:
        status = NodeStatus("p1", res(4, 16), schedulable=schedulable)
        self.scheduler.apply(PoolObserved(self.now, Offer("p", "local"), (status,), complete=False))

    def reserve(self, ahead: int, tenant: str) -> None:
        self.unreserve()
        begin = self.now + ahead
        kept = Reservation(
            "r", "p", ("p0", "p1"), begin, begin + HOUR, tenants=(tenant,) if tenant else ()
        )
        self.scheduler.apply(ReservationMade(self.now, kept))

    def unreserve(self) -> None:
        self.scheduler.apply(ReservationCancelled(self.now, "r"))

    def quota(self, cpus: int) -> None:
        self.limited = True
        self.scheduler.apply(QuotaChanged(self.now, "default", Quota(ceiling=(("cpu", cpus),))))

    def decide(self) -> None:
        anew = self.scheduler.fork()
        plan = self.scheduler.decide(self.now)
        assert anew.decide(self.now) == plan
        mine, its = promises(self.scheduler), promises(anew)
        assert self.limited or {name: _words(each) for name, each in mine.items()} == {
            name: _words(each) for name, each in its.items()
        }
        self.runs += [place.run for place in places(plan).values()]


def _words(promise: Promise) -> tuple:
    spots = [(name, held.tasks, held.per_task, held.grant) for name, held in promise.spots]
    return promise.pool, promise.option, promise.at, promise.window, spots


@pytest.mark.parametrize("policy", [TOLD, NAMED, replace(TOLD, discipline="sjf", fair_share=True)])
@given(happens)
@settings(max_examples=20, deadline=None)
def test_what_is_kept_is_what_would_be_worked_out_anew(policy: Policy, todo: list) -> None:
    kept = Kept(policy)
    for name, *rest in todo:
        getattr(kept, name)(*rest)
        kept.decide()


def test_who_a_quota_kept_out_behind_a_reservation_goes_on_when_it_is_eased() -> None:
    """An earlier job that a maintenance keeps waiting is barred, too, and blocks nobody."""
    kept = Kept(TOLD)
    kept.reserve(0, "")
    kept.quota(2000)
    for need in (res(1, 1), res(1, 1), res(4, 8), res(1, 1)):
        kept.seq += 1
        kept.scheduler.apply(job(kept.seq, need, time_limit=MINUTE))
    kept.decide()
    assert kept.runs == ["j1-r1", "j2-r1"]
    kept.quota(9000)
    kept.decide()
    assert kept.runs == ["j1-r1", "j2-r1", "j4-r1"]
    assert list(promises(kept.scheduler)) == ["j3"]


def test_a_crowd_on_one_machine_is_promised_what_it_would_be_anew() -> None:
    """Many jobs that end early, so that one makes room for several, which make room for others."""
    rng, kept = Random(7), Kept(TOLD)
    kept.scheduler.apply(PoolObserved(0, Offer("q", "local"), (NodeStatus("m", res(64, 64)),)))
    for _ in range(150):
        need, limit = rng.choice((1, 3, 7, 20, 40)), rng.choice(LIMITS)
        kept.seq += 1
        kept.scheduler.apply(job(kept.seq, res(need, 0), time_limit=limit, infra="q"))
        if kept.runs and rng.random() < 0.7:
            kept.end(rng.randrange(len(kept.runs)))
        kept.pass_by(rng.choice((SECOND, MINUTE)))
        kept.decide()
    assert len(promises(kept.scheduler)) > 30


# -- beside advance reservations and maintenance windows --

WINDOW = Reservation("w", "p", ("p0",), 2 * HOUR, 3 * HOUR)


def test_nothing_is_promised_that_would_run_into_a_maintenance_window() -> None:
    scheduler = told(PolicyChanged(0, TOLD), pool("p", res(4, 9)), ReservationMade(0, WINDOW))
    for seq, cpus, limit in ((1, 4, HOUR), (2, 4, 2 * HOUR), (3, 4, HOUR), (4, 1, 2 * HOUR)):
        scheduler.apply(job(seq, res(cpus), time_limit=limit))
    assert list(places(scheduler.decide(0))) == ["j1"]
    starts = {name: promise.at for name, promise in promises(scheduler).items()}
    assert starts == {"j2": 3 * HOUR, "j3": HOUR, "j4": 5 * HOUR}
    scheduler.apply(RunEnded(MINUTE, "j1-r1", DONE))
    assert list(places(scheduler.decide(MINUTE))) == ["j3"], "it moves up, the long one may not"
    starts.pop("j3")
    assert {name: promise.at for name, promise in promises(scheduler).items()} == starts


def test_whom_a_reservation_admits_is_promised_a_start_within_it() -> None:
    kept = replace(WINDOW, tenants=("lab",))
    scheduler = told(PolicyChanged(0, TOLD), pool("p", res(4, 9)), ReservationMade(0, kept))
    for seq, tenant in ((1, "default"), (2, "default"), (3, "lab"), (4, "default")):
        scheduler.apply(job(seq, res(4), time_limit=HOUR, tenant=tenant))
    assert list(places(scheduler.decide(0))) == ["j1"]
    starts = {name: promise.at for name, promise in promises(scheduler).items()}
    assert starts == {"j2": HOUR, "j3": 2 * HOUR, "j4": 3 * HOUR}


def test_a_window_that_is_made_later_takes_promises_away_and_gives_them_back() -> None:
    scheduler = told(PolicyChanged(0, TOLD), pool("p", res(4, 9)))
    for seq in (1, 2, 3):
        scheduler.apply(job(seq, res(4), time_limit=HOUR))
    scheduler.decide(0)
    before = {"j2": HOUR, "j3": 2 * HOUR}
    assert {name: promise.at for name, promise in promises(scheduler).items()} == before
    scheduler.apply(ReservationMade(MINUTE, WINDOW))
    scheduler.decide(MINUTE)
    assert {name: promise.at for name, promise in promises(scheduler).items()} == {
        "j2": HOUR,
        "j3": 3 * HOUR,
    }
    scheduler.apply(ReservationCancelled(2 * MINUTE, "w"))
    scheduler.decide(2 * MINUTE)
    assert {name: promise.at for name, promise in promises(scheduler).items()} == before


def test_only_the_first_hundred_are_promised_a_start() -> None:
    scheduler = told(PolicyChanged(0, TOLD), pool("p", res(2, 999)))
    for seq in range(DEPTH + 3):
        scheduler.apply(job(seq, res(2), time_limit=HOUR))
    assert list(places(scheduler.decide(0))) == ["j0"]
    assert set(promises(scheduler)) == {f"j{seq}" for seq in range(1, DEPTH)}
    scheduler.apply(RunEnded(MINUTE, "j0-r1", DONE))
    assert list(places(scheduler.decide(MINUTE))) == ["j1"]
    assert promises(scheduler)["j2"].at == MINUTE + HOUR


def test_why_tells_what_is_promised() -> None:
    scheduler = told(PolicyChanged(0, TOLD), pool("p", res(4, 9)))
    for seq, cpus, limit in ((1, 3, HOUR), (2, 4, HOUR), (3, 1, 3 * HOUR)):
        scheduler.apply(job(seq, res(cpus), time_limit=limit))
    assert list(places(scheduler.decide(0))) == ["j1"]
    told_of = scheduler.explain("j3", 0)
    assert told_of is not None
    assert "promised a start in pool p in 2 h at the latest" in told_of.summary
    (refusal,) = told_of.refusals
    assert (refusal.behind, refusal.until) == ("j2", HOUR)
    assert told_of.earliest is not None
    assert told_of.earliest <= told_of.latest == 2 * HOUR


def test_conservative_backfill_takes_no_preemption() -> None:
    with pytest.raises(ValueError, match="preemption"):
        Policy(backfill="conservative")
