"""Crowded worlds, for explanations: jobs end when they said they would, and time passes."""

from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from suan.core import Scheduler
from suan.model.events import JobSubmitted, PolicyChanged, RunEnded
from suan.model.job import Cause, Outcome
from suan.model.plan import Place, Plan, Stop
from suan.model.policy import POLICIES, Policy
from suan.model.units import HOUR, MINUTE, SECOND
from tests.core.world import job, pool, res

GRACE = 10 * SECOND
NEEDS = (res(1, 1), res(1, 1), res(5, 4), res(8, 16), res(1, 1, A=1), res(1, 2, A=3))
LIMITS = (10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR)
DEFAULT = POLICIES["default"]
POLICY = st.sampled_from(
    (
        *POLICIES.values(),
        replace(DEFAULT, discipline="sjf"),
        replace(DEFAULT, discipline="edf", min_run_time=0),
        replace(DEFAULT, discipline="las", fair_share=False),
    )
)


def jobs(limits: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {
            "need": st.sampled_from(NEEDS),
            "tasks": st.sampled_from((1, 1, 1, 2, 3)),
            "priority": st.sampled_from((0, 0, 0, 5)),
            "queue": st.sampled_from(("default", "batch")),
            "tenant": st.sampled_from(("default", "lab/vision", "lab/nlp")),
            "deadline": st.sampled_from((None, HOUR, 5 * HOUR)),
            "time_limit": limits,
        }
    )


def steps(limits: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(
        st.one_of(
            st.tuples(st.just("submit"), jobs(limits)),
            st.tuples(st.just("submit"), jobs(limits)),
            st.tuples(st.just("submit"), jobs(limits)),
            st.tuples(st.just("pass_by"), st.sampled_from((SECOND, 7 * MINUTE, HOUR))),
        ),
        min_size=8,
        max_size=30,
    )


@dataclass
class Crowd:
    """A scheduler, and what it was told. A run ends when its time limit is over, if it has one."""

    policy: Policy
    scheduler: Scheduler = field(default_factory=Scheduler)
    now: int = 0
    jobs: dict[str, JobSubmitted] = field(default_factory=dict)
    ends: dict[str, tuple[int, int, Cause]] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    wake: int | None = None
    runs: int = 0

    def __post_init__(self) -> None:
        self.scheduler.apply(PolicyChanged(0, self.policy))
        self.scheduler.apply(pool("p", res(8, 32, A=4), res(8, 32, A=4), res(8, 16)))
        self.scheduler.apply(pool("q", res(8, 16), res(4, 8, A=2)))

    def submit(self, asked: dict) -> None:
        event = job(len(self.jobs) + 1, **asked)
        self.jobs[event.job] = event
        self.scheduler.apply(event)
        self.decide()

    def pass_by(self, how_long: int) -> None:
        """Time passes, and what ends meanwhile ends."""
        until = self.now + how_long
        while (at := self.soonest()) is not None and at <= until:
            self.advance(at)
        self.now = until
        self.decide()

    def soonest(self) -> int | None:
        """When something happens next."""
        times = [end[0] for end in self.ends.values()]
        if self.wake is not None and self.wake > self.now:
            times.append(self.wake)
        return min(times, default=None)

    def advance(self, at: int) -> None:
        self.now = at
        due = sorted((end, run) for run, end in self.ends.items() if end[0] <= at)
        for (_, _, cause), run in due:
            del self.ends[run]
            self.scheduler.apply(RunEnded(at, run, Outcome(cause)))
        self.decide()

    def decide(self) -> Plan:
        plan = self.scheduler.decide(self.now)
        assert not plan.more
        self.wake = plan.wake_at
        for decision in plan.decisions:
            if isinstance(decision, Place):
                self.runs += 1
                limit = self.jobs[decision.job].time_limit
                self.started.setdefault(decision.job, self.now)
                if limit is not None:
                    end = self.now + limit
                    self.ends[decision.run] = end, self.runs, Cause.SUCCEEDED
            elif isinstance(decision, Stop):
                self.ends[decision.run] = self.now + GRACE, 0, Cause.PREEMPTED
        return plan

    def waiting(self) -> list[str]:
        return [name for name in self.jobs if self.scheduler.job_state(name) == "pending"]


def crowd(policy: Policy, todo: list[tuple]) -> Crowd:
    found = Crowd(policy)
    for step in todo:
        getattr(found, step[0])(*step[1:])
    return found
