"""The parts that are plain functions of their arguments, and the pages that describe them."""

import importlib.util
import re
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from suan.control import FEED_KINDS, SteadyClock, replay
from suan.control.dependencies import Never, Waits, resolve
from suan.control.feed import entry
from suan.control.intake import command_of, hypothesis_of, launch_of, needs_of, submission_of
from suan.control.reasons import MAX_REASONS, place_reasons
from suan.core import Scheduler
from suan.model.job import Job, JobState, Run, RunState
from suan.model.plan import Cost, Place, Plan
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import Resources
from suan.model.spec import Checkpoint, Forwarded, JobSpec
from suan.model.units import HOUR, SECOND, Instant, JobId, NodeName, PoolName, RunId
from tests.control.world import World

ROOT = Path(__file__).parents[2]


class Hands:
    """A wall clock and an elapsed clock, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.elapsed = 1_000 * SECOND, 0
        self.clock = SteadyClock(lambda: self.wall, lambda: self.elapsed)

    def pass_by(self, us: int) -> Instant:
        self.wall += us
        self.elapsed += us
        return self.clock.now()


def test_the_clock_follows_the_wall_clock_forwards() -> None:
    hands = Hands()
    assert hands.pass_by(SECOND) == 1_001 * SECOND
    hands.wall += HOUR
    assert hands.clock.now() == 1_001 * SECOND + HOUR


def test_the_clock_slows_down_until_a_clock_set_back_has_caught_up() -> None:
    hands = Hands()
    before = hands.clock.now()
    hands.wall -= 10 * SECOND
    assert hands.clock.now() == before
    assert hands.pass_by(10 * SECOND) == before + 5 * SECOND
    assert hands.pass_by(10 * SECOND) == before + 10 * SECOND  # the wall clock is level again
    assert hands.pass_by(SECOND) == before + 11 * SECOND


STATES = {
    JobId("GOOD"): JobState.SUCCEEDED,
    JobId("BAD"): JobState.FAILED,
    JobId("GONE"): JobState.CANCELLED,
    JobId("LEFT"): JobState.SKIPPED,
    JobId("OPEN"): JobState.RUNNING,
}


@pytest.mark.parametrize(
    ("job", "met"),
    [
        ("GOOD", {"succeeded", "ended"}),
        ("BAD", {"failed", "ended"}),
        ("GONE", {"ended"}),
        ("LEFT", {"ended"}),
        ("REMOVED", {"ended"}),
    ],
)
def test_a_dependency_that_ended_is_met_or_never_will_be(job: str, met: set[str]) -> None:
    for condition in ("succeeded", "failed", "ended"):
        found = resolve(((JobId(job), condition),), STATES)
        assert isinstance(found, Waits if condition in met else Never), condition


def test_open_dependencies_alone_are_waited_for() -> None:
    both = ((JobId("GOOD"), "succeeded"), (JobId("OPEN"), "failed"))
    assert resolve(both, STATES) == Waits(((JobId("OPEN"), "failed"),))


PLACE = Place(
    job=JobId("J"),
    run=RunId("J-r1"),
    attempt=1,
    pool=PoolName("near"),
    option=0,
    nodes=(NodeName("n"),),
    per_task=Resources(1000, 1024),
    costs=(
        Cost(PoolName("near"), (("devices", 1_200_000), ("carbon", 34_500)), 1_234_500),
        Cost(PoolName("far"), (("devices", 2_000_000),), 2_000_000),
    ),
    refusals=(Refusal(RefusalCode.POOL_DRAINED, PoolName("dry"), "it is drained", "undrain it"),),
)


def test_reasons_are_sums_that_a_person_can_check() -> None:
    assert place_reasons(PLACE, {PoolName("near"): "CNY"}) == (
        "near, the cheapest: 1.2345 CNY an hour = devices 1.2000 + carbon 0.0345",
        "rather than far: 2.0000 an hour = devices 2.0000",
        "not dry: it is drained (pool_drained)",
    )


def test_reasons_tell_how_close_a_gang_stands_where_that_is_known() -> None:
    lines = place_reasons(PLACE, {}, ["s/1", "s/2"])
    assert lines[1] == "its nodes stand over 2 racks of s"
    assert place_reasons(PLACE, {}, ["", ""]) == place_reasons(PLACE, {})


def test_the_chosen_pool_is_called_the_best_only_in_what_it_is() -> None:
    full = Refusal(RefusalCode.NO_CAPACITY, PoolName("dry"), "it is full", "runs end")
    (first, *_) = place_reasons(replace(PLACE, refusals=(full,)), {})
    assert first.startswith("near, the cheapest with room: 1.2345")
    ordered = replace(PLACE, pool=PoolName("far"), costs=PLACE.costs[::-1])
    assert place_reasons(ordered, {})[0].startswith("far, by the first option with room: 2.0000")


def test_reasons_stay_few_however_many_pools_there_are() -> None:
    many = replace(PLACE, refusals=PLACE.refusals * 100)
    lines = place_reasons(many, {})
    assert len(lines) == MAX_REASONS + 1
    assert lines[-1] == "and 62 more pools"


def job(**changes: Any) -> Job:
    spec = JobSpec(run="true", **changes.pop("spec", {}))
    return Job(JobId("J-3"), 7, spec, "ann", JobState.PENDING, 5, **changes)


RUN = Run(
    id=RunId("J-3-r2"),
    job=JobId("J-3"),
    attempt=2,
    pool=PoolName("p"),
    nodes=(NodeName("n"),),
    per_task=Resources(1000, 1024),
    state=RunState.PLACED,
    placed_at=9,
)


def test_an_array_member_is_launched_as_what_it_is() -> None:
    member = job(
        array_id=JobId("J"),
        array_index=3,
        spec={"array": (1, 3, 5), "origin": "sbatch", "stdout": "out-%A_%a.txt"},
    )
    launch = launch_of(member, RUN, {"TOKEN": "s3cret"})
    assert launch.env["SUAN_ARRAY_INDEX"] == "3"
    assert launch.env["SLURM_ARRAY_TASK_COUNT"] == "3"
    assert launch.env["SUAN_ATTEMPT"] == "2"
    assert launch.stdout == "out-J_3.txt"
    assert launch.secrets == {"TOKEN": "s3cret"}
    assert "TOKEN" not in launch.env
    assert "s3cret" not in repr(launch)


def test_a_forwarded_job_is_launched_as_its_sender_made_it() -> None:
    spec = {"envs": {"SUAN_JOB_ID": "theirs"}, "forwarded": Forwarded("theirs-r1", ("p1",))}
    launch = launch_of(job(spec=spec), RUN, {}, platform="p2")
    assert launch.env == {"SUAN_JOB_ID": "theirs"}
    assert (launch.known_as, launch.path) == ("theirs-r1", ("p1", "p2"))
    own = launch_of(job(), RUN, {}, platform="p2")
    assert (own.known_as, own.path) == (None, ("p2",))


def test_a_job_keeps_its_time_of_submission() -> None:
    event = submission_of(job(), (), needs_of(job().spec))
    assert (event.at, event.seq, event.user) == (5, 7, "ann")


def test_a_command_stands_for_the_scripts_and_for_nothing_else() -> None:
    spec = JobSpec(run="python train.py", secrets={"KEY": "hush"}, checkpoint=Checkpoint())
    same = JobSpec(run="python train.py", name="other", queue="q", envs={"LR": "0.1"})
    assert command_of(spec) == command_of(same)
    others = [JobSpec(run="python train.py "), replace(spec, setup="make"), JobSpec(run="\ud800")]
    assert len({command_of(spec), *map(command_of, others)}) == 4
    told = hypothesis_of(spec, "ann", now=9)
    assert (told.command, told.checkpoint) == (command_of(spec), Checkpoint())
    assert "python" not in told.command
    assert submission_of(job(), (), needs_of(spec)).command == told.command


def test_the_feed_takes_listed_kinds_and_data_alone() -> None:
    with pytest.raises(KeyError):
        entry("job.exploded", 1)
    with pytest.raises(KeyError, match="colour"):
        entry("pool.lost", 1, colour="red")


def test_every_kind_of_event_is_documented() -> None:
    page = (ROOT / "docs/reference/events.md").read_text(encoding="utf-8")
    found = re.findall(r"(?m)^\| `([a-z.]+)` \| (.*?) \| (.*) \|$", page)
    rows = {kind: (meaning, tuple(re.findall(r"`(\w+)`", data))) for kind, meaning, data in found}
    assert rows == FEED_KINDS


def test_state_diagrams_are_up_to_date() -> None:
    loader = SourceFileLoader("state_diagrams", str(ROOT / "scripts/state_diagrams"))
    spec = importlib.util.spec_from_loader("state_diagrams", loader)
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    assert script.main(["--check"]) == 0
    drawn = [page for page in script.DOCS.glob("*.md") if script.BLOCK.search(page.read_text())]
    pages = ["job-lifecycle.md", "live-loop.md", "run-lifecycle.md"]
    assert sorted(page.name for page in drawn) == pages


@pytest.mark.enable_socket
async def test_a_replay_under_another_policy_tells_where_it_differs(world: World) -> None:
    class Lazy(Scheduler):
        """Decides nothing, ever."""

        def decide(self, now: Instant, limit: int = 1) -> Plan:
            return Plan(now, ())

        def apply(self, event: Any) -> None:
            """Takes note of nothing."""

    await world.lead()
    await world.final(await world.submit())
    report = await replay(world.store, Lazy)
    assert not report.identical
    assert report.mismatched >= 2
    assert report.mismatches[0].recorded != report.mismatches[0].replayed
    assert (await world.replay()).plans == report.plans
