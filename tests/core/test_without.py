"""Room without lower priorities: what is kept of it equals what is worked out anew."""

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.core.capacity import Pool
from suan.core.choosing import Choice
from suan.core.matching import Candidate
from suan.core.nodes import Node
from suan.core.preemption import _class_decides, _lower, _willing
from suan.core.records import Phase
from suan.core.state import State
from suan.core.without import Without, without
from suan.model.events import PolicyChanged, RunEnded
from suan.model.policy import Policy
from suan.model.units import MINUTE, SECOND
from tests.core import test_properties as random_events
from tests.core.test_preemption import AT_ONCE, STOPPED, needs
from tests.core.world import Witness, job, pool, res

EVERYTHING = -1


def assert_kept(state: State, priorities: tuple[int, ...]) -> None:
    """What each pool keeps is what its open runs say."""
    for each in state.capacity.pools.values():
        runs = [run for run in state.runs.values() if run.pool == each.name]
        assert each.leaving == {run.id: run for run in runs if run.told is not None}
        for priority in priorities:
            lower = [run for run in runs if run.job.told.priority < priority]
            for at in {0, *(run.began for run in runs)}:
                free = [run.began for run in lower if run.stopping is None]
                later = min((began for began in free if began > at), default=None)
                assert each.begun.below(priority, at) == (any(b <= at for b in free), later)
                found = {run.id for run in each.begun.until(priority, at)}
                assert found == {run.id for run in lower if run.began <= at}
            assert_room(state, each, priority)


def assert_room(state: State, pool: Pool, priority: int) -> None:
    kept = without(pool, priority)
    for shape in state.line.shapes.values():
        for candidate in shape.candidates:
            if candidate.pool is pool:
                found = kept.nodes_for(candidate, EVERYTHING)
                assert found == Without(pool, priority).nodes_for(candidate, EVERYTHING)
                slots = {
                    node.name: held(pool, node, candidate, priority) for node in nodes_of(pool)
                }
                enough = sum(slots.values()) >= candidate.tasks
                assert found == ({name for name, n in slots.items() if n} if enough else set())


def nodes_of(pool: Pool) -> list[Node]:
    return [node for node in pool.nodes.values() if node.home is not None]


def held(pool: Pool, node: Node, candidate: Candidate, priority: int) -> int:
    """How many tasks a node would hold if its lower priorities gave back what they have."""
    need = next((need for flavor, need in candidate.kinds if flavor is node.flavor), None)
    if need is None:
        return 0
    cpu, memory, devices = node.cpu, node.memory, [list(free) for free in node.devices]
    for name, each in node.runs.items():
        if pool.open[name].job.told.priority < priority:
            cpu += each.tasks * each.per_task.cpu_milli
            memory += each.tasks * each.per_task.memory_mib
            for model, at, part in each.grant:
                devices[model][at] += part
    return need.slots((cpu, memory, devices), candidate.tasks)


@given(random_events.steps)
@settings(max_examples=60, deadline=None)
def test_what_is_kept_is_what_would_be_worked_out_anew(drawn: list) -> None:
    driver = random_events.Driver()
    state = driver.witness.scheduler._state
    for step in drawn:
        driver.step(step)
        if step[0] == "decide":  # shapes are matched then
            assert_kept(state, (0, 3, 6))
    driver.decide(1000)
    assert_kept(state, (0, 3, 6))


crowd = st.lists(
    st.tuples(needs, st.sampled_from((1, 1, 1, 2)), st.sampled_from((0, 0, 1, 3))),
    min_size=3,
    max_size=14,
)


@given(crowd, st.lists(st.integers(0, 9), max_size=6), st.sampled_from((0, 2 * MINUTE)))
@settings(max_examples=150, deadline=None)
def test_the_index_changes_nobody_s_choice(drawn: list, ends: list, least: int) -> None:
    """Of each job that waits: who would go for it, of those on nodes that would do, and of all."""
    witness = Witness()
    policy = Policy(min_run_time=least) if least else AT_ONCE
    witness.apply(PolicyChanged(0, policy))
    witness.apply(pool("p", res(3, 4), res(4, 8, A=2), res(4, 8, A=2)))
    witness.apply(pool("q", res(4, 8, A=2)))
    now, state = 0, witness.scheduler._state
    for seq, (need, tasks, priority) in enumerate(drawn, 1):
        now = seq * MINUTE
        witness.apply(job(seq, need, tasks, priority=priority))
        witness.decide(now)
        stopped = sorted(name for name in witness.runs if name in witness.stopped)
        if ends and stopped:
            witness.apply(RunEnded(now, stopped[ends.pop() % len(stopped)], STOPPED))
        assert_same_choice(state, now)
    assert_same_choice(state, now + SECOND)


def assert_same_choice(state: State, now: int) -> None:
    for waiting in [each for each in state.jobs.values() if each.phase is Phase.IN_LINE]:
        assert waiting.shape is not None
        assert _class_decides(state, waiting)
        for candidate in waiting.shape.candidates:
            choice = Choice(state, waiting, candidate, allowed=EVERYTHING)
            lower = _lower(state, waiting, candidate, allowed=EVERYTHING, now=now)
            every = _willing(state, waiting, candidate, now=now)
            assert lower[1:] == every[1:]
            assert choice.of(lower[0]) == choice.of(every[0])
