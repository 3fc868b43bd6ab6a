"""The loop: what starts when, to the microsecond, and what happens to work that is stopped."""

import pytest

from suan.core import Scheduler
from suan.model.events import (
    Event,
    PoolObserved,
    ReservationCancelled,
    ReservationMade,
    RunEnded,
    RunStarted,
)
from suan.model.job import Cause, JobState
from suan.model.plan import Finish, Place, Plan, Stop
from suan.model.reservation import Reservation
from suan.model.resources import Resources
from suan.model.spec import Checkpoint, RetryPolicy
from suan.model.units import HOUR, SECOND
from suan.sim.settings import Settings
from tests.sim.world import job, pool, simulated, starts


def test_strict_order_starts_each_job_when_all_before_it_have_room() -> None:
    jobs = [
        job(1, 0, 10, cpus=3),
        job(2, 1, 10, cpus=4),  # waits for 1
        job(3, 2, 1, cpus=1),  # would fit beside 1, but 2 is before it
        job(4, 30, 5, cpus=2),
    ]
    found, result = simulated(jobs)
    assert starts(found) == {"j1": 0, "j2": 10, "j3": 20, "j4": 30}
    assert {name: each.ended / SECOND for name, each in found.items()} == {
        "j1": 10,
        "j2": 20,
        "j3": 21,
        "j4": 35,
    }
    assert {name: each.waiting / SECOND for name, each in found.items()} == {
        "j1": 0,
        "j2": 9,
        "j3": 18,
        "j4": 0,
    }
    assert result.jobs == 4
    assert result.overall.mean_wait == 27 / 4 * SECOND


def test_what_ends_in_an_instant_is_told_before_what_is_submitted_in_it() -> None:
    found, _ = simulated([job(1, 0, 10, cpus=4), job(2, 10, 1, cpus=4)])
    assert starts(found)["j2"] == 10


def test_jobs_of_one_instant_go_in_the_order_of_the_trace() -> None:
    jobs = [job(n, 5, 10, cpus=4) for n in (3, 1, 2)]
    found, _ = simulated(jobs)
    assert starts(found) == {"j1": 15, "j2": 25, "j3": 5}


def test_a_gang_takes_all_its_nodes_or_none() -> None:
    jobs = [job(1, 0, 7, cpus=4), job(2, 1, 3, cpus=4, tasks=2)]
    found, _ = simulated(jobs, pool(nodes=2))
    assert starts(found) == {"j1": 0, "j2": 7}
    assert (found["j2"].tasks, found["j2"].cpu_milli) == (2, 8000)


@pytest.mark.parametrize(
    ("durations", "ended", "state"),
    [("requested", 6, "failed"), ("actual", 10, "succeeded"), ("none", 10, "succeeded")],
)
def test_a_time_limit_that_is_told_ends_the_run(durations: str, ended: int, state: str) -> None:
    settings = Settings(durations=durations)  # type: ignore[arg-type] # of a parametrised test
    found, _ = simulated([job(1, 0, 10, requested=6)], settings=settings)
    assert (found["j1"].ended, found["j1"].state) == (ended * SECOND, state)
    assert found["j1"].lost == 0


def test_what_jobs_tell_of_their_durations() -> None:
    class Listening(Scheduler):
        def apply(self, event: Event) -> None:
            heard.append(event)
            super().apply(event)

    told = {}
    for durations in ("requested", "actual", "none"):
        heard: list[Event] = []
        settings = Settings(durations=durations)  # type: ignore[arg-type] # from the tuple above
        simulated([job(1, 0, 10, requested=60)], settings=settings, scheduler=Listening())
        [submitted] = [each for each in heard if type(each).__name__ == "JobSubmitted"]
        told[durations] = (submitted.time_limit, submitted.expected)
    assert told == {
        "requested": (60 * SECOND, None),
        "actual": (None, 10 * SECOND),
        "none": (None, None),
    }


def test_a_job_waits_for_those_it_names_and_is_skipped_if_that_can_never_be() -> None:
    jobs = [
        job(1, 0, 10),
        job(2, 1, 5, after=(("j1", "succeeded"),)),
        job(3, 2, 5, after=(("j1", "failed"),)),
        job(4, 50, 5, after=(("j2", "succeeded"), ("j1", "ended"))),  # both have left long since
        job(5, 51, 5, after=(("j3", "succeeded"),)),
    ]
    found, _ = simulated(jobs)
    assert starts(found) == {"j1": 0, "j2": 10, "j3": None, "j4": 50, "j5": None}
    assert {each.job for each in found.values() if each.state == "skipped"} == {"j3", "j5"}
    assert found["j5"].ended == 51 * SECOND


def test_a_job_that_nothing_will_start_is_still_pending_at_the_end() -> None:
    found, _ = simulated([job(1, 0, 10), job(2, 1, 10, cpus=64)])
    assert (found["j2"].state, found["j2"].started) == ("pending", None)


class Script:
    """Places what it is told of at once, stops runs at set times, and requeues them."""

    def __init__(self, stops: dict[int, Cause]) -> None:
        self.stops = {at * SECOND: cause for at, cause in stops.items()}
        self.waiting: list[tuple[str, Resources]] = []
        self.open: dict[str, str] = {}
        self.finishing: list[Finish] = []
        self.attempts: dict[str, int] = {}
        self.needs: dict[str, Resources] = {}
        self.heard: list[Event] = []

    def apply(self, event: Event) -> None:
        self.heard.append(event)
        if type(event).__name__ == "JobSubmitted":
            self.needs[event.job] = event.demand.options[0].per_task
            self.waiting.append(event.job)
        elif isinstance(event, RunEnded):
            name = self.open.pop(event.run)
            if event.outcome.cause is Cause.PREEMPTED:
                self.waiting.append(name)
            else:
                final = {Cause.SUCCEEDED: JobState.SUCCEEDED, Cause.CANCELLED: JobState.CANCELLED}
                state = final.get(event.outcome.cause, JobState.FAILED)
                self.finishing.append(Finish(name, state, event.run))

    def decide(self, now: int) -> Plan:
        decisions: list[object] = list(self.finishing)
        self.finishing.clear()
        for name in self.waiting:
            attempt = self.attempts[name] = self.attempts.get(name, 0) + 1
            run = f"{name}-r{attempt}"
            self.open[run] = name
            need = self.needs[name]
            decisions.append(Place(name, run, attempt, "here", 0, ("here-0",), need))
        self.waiting.clear()
        if (cause := self.stops.pop(now, None)) is not None:
            decisions += [Stop(run, cause) for run in self.open]
        wake = min((at for at in self.stops if at > now), default=None)
        return Plan(now, tuple(decisions), wake)  # type: ignore[arg-type] # a list of decisions


def test_a_preempted_run_without_checkpoints_loses_its_work() -> None:
    found, result = simulated([job(1, 0, 100)], scheduler=Script({30: Cause.PREEMPTED}))
    ended = found["j1"]
    assert (ended.ended, ended.served, ended.lost) == (130 * SECOND, 130 * SECOND, 30 * SECOND)
    assert (ended.attempts, ended.preempted, ended.state) == (2, 1, "succeeded")
    assert result.preempted == 1


def test_a_preempted_run_keeps_its_work_up_to_the_last_checkpoint() -> None:
    settings = Settings(checkpoint_every=20 * SECOND, restart_cost=3 * SECOND)
    stops = {50: Cause.PREEMPTED, 60: Cause.PREEMPTED}
    found, _ = simulated([job(1, 0, 100)], scheduler=Script(stops), settings=settings)
    # runs 50 s and keeps 40; runs 10 s, of which 3 of starting and 7 of work, and keeps nothing;
    # starts for 3 s and does the 60 s that are left
    ended = found["j1"]
    assert ended.ended == (50 + 10 + 3 + 60) * SECOND
    assert ended.served == ended.ended
    assert ended.lost == (10 + 10 + 3) * SECOND
    assert ended.served - ended.lost == 100 * SECOND


def test_a_job_that_can_save_when_asked_runs_on_through_its_grace() -> None:
    saving = Checkpoint(grace=5 * SECOND)
    script = Script({30: Cause.PREEMPTED})
    found, _ = simulated([job(1, 0, 100, checkpoint=saving)], scheduler=script)
    [stopped, _] = [each for each in script.heard if isinstance(each, RunEnded)]
    assert stopped.at == 35 * SECOND
    ended = found["j1"]
    assert (ended.ended, ended.lost) == ((35 + 70) * SECOND, 5 * SECOND)


def test_a_run_that_ends_within_its_grace_has_succeeded() -> None:
    saving = Checkpoint(grace=50 * SECOND)
    script = Script({80: Cause.PREEMPTED})
    found, _ = simulated([job(1, 0, 100, checkpoint=saving)], scheduler=script)
    assert (found["j1"].ended, found["j1"].preempted, found["j1"].state) == (
        100 * SECOND,
        0,
        "succeeded",
    )


def test_a_cancelled_run_ends_its_job() -> None:
    found, _ = simulated([job(1, 0, 100)], scheduler=Script({30: Cause.CANCELLED}))
    assert (found["j1"].ended, found["j1"].state) == (30 * SECOND, "cancelled")


def test_the_scheduler_is_told_at_once_that_a_run_has_started() -> None:
    script = Script({})
    simulated([job(1, 7, 10)], scheduler=script)
    assert [each.at for each in script.heard if isinstance(each, RunStarted)] == [7 * SECOND]


FAILING = Settings(mtbf=2 * HOUR, mttr=HOUR // 2, seed=5, checkpoint_every=600 * SECOND)


def many() -> list:
    patient = RetryPolicy(max_lost=1000)
    return [job(n, 60 * n, 3000 + 7 * n, cpus=1 + n % 4, retry=patient) for n in range(60)]


def test_nodes_fail_and_return_and_no_work_is_counted_twice() -> None:
    found, result = simulated(many(), pool(nodes=3), settings=FAILING)
    assert {each.state for each in found.values()} == {"succeeded"}
    assert result.attempts > 60, "no failure hit a run"
    for told in many():
        ended = found[told.job]
        assert ended.served - ended.lost == told.runtime
        assert ended.ended - ended.submitted >= ended.served


def test_a_failed_node_is_told_as_cordoned_and_its_runs_as_lost() -> None:
    heard: list[Event] = []

    class Listening(Scheduler):
        def apply(self, event: Event) -> None:
            heard.append(event)
            super().apply(event)

    simulated(many(), pool(nodes=3), settings=FAILING, scheduler=Listening())
    observed = [each for each in heard if isinstance(each, PoolObserved)][1:]
    assert all(not each.complete and len(each.nodes) == 1 for each in observed)
    assert {each.nodes[0].schedulable for each in observed} == {False, True}
    causes = {each.outcome.cause for each in heard if isinstance(each, RunEnded)}
    assert causes == {Cause.SUCCEEDED, Cause.LOST}


def test_a_job_is_lost_no_more_often_than_its_retry_rule_allows() -> None:
    settings = Settings(mtbf=600 * SECOND, mttr=SECOND, seed=1)
    found, _ = simulated([job(1, 0, 100_000)], settings=settings)
    assert (found["j1"].state, found["j1"].attempts) == ("failed", 4)


def _again(settings: Settings) -> tuple[object, object]:
    return simulated(many(), pool(nodes=3), policy="default", settings=settings)


@pytest.mark.parametrize("settings", [Settings(), FAILING], ids=["calm", "failing"])
def test_the_same_seed_gives_the_same_results(settings: Settings) -> None:
    assert _again(settings) == _again(settings)


def test_another_seed_gives_other_failures() -> None:
    other = Settings(mtbf=2 * HOUR, mttr=HOUR // 2, seed=6)
    same = Settings(mtbf=2 * HOUR, mttr=HOUR // 2, seed=5)
    assert _again(other) != _again(same)


def test_progress_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    from suan.sim import engine
    from suan.sim.results import Recorder

    monkeypatch.setattr(engine, "TOLD_EVERY", 10)
    seen: list[int] = []
    made = engine.Engine(Scheduler(), (pool(),), Recorder("fifo"), told=(), settings=Settings())
    made.run(iter([job(n, n, 1) for n in range(35)]), seen.append)
    assert seen == [10, 20, 30]


def test_what_is_reserved_keeps_jobs_out_from_when_it_is_told() -> None:
    """The long job begins before anybody knows of the window, and runs into it."""
    window = Reservation("w", "here", ("here-0",), 100 * SECOND, 200 * SECOND)
    told = (ReservationMade(10 * SECOND, window),)
    late = tuple(job(n, at, 60, requested=60) for n, at in ((2, 20), (3, 50), (4, 120)))
    found, _ = simulated([job(1, 0, 150, requested=150), *late], pool(), told=told)
    assert starts(found) == {"j1": 0, "j2": 20, "j3": 200, "j4": 200}
    cancelled = (*told, ReservationCancelled(130 * SECOND, "w"))
    found, _ = simulated(late, pool(), told=cancelled)
    assert starts(found) == {"j2": 20, "j3": 130, "j4": 130}
