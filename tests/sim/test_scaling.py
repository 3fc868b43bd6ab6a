"""How much faster an elastic job is with more nodes."""

from hypothesis import given
from hypothesis import strategies as st

from suan.model.demand import Demand, Option
from suan.model.events import JobSubmitted, RunEnded, RunStarted
from suan.model.job import Cause, Outcome
from suan.model.resources import Resources
from suan.model.units import HOUR, MINUTE
from suan.sim.scaling import done_in, lasts
from suan.sim.traces.journal import History


def test_four_times_the_nodes() -> None:
    assert lasts(HOUR, 2, 8, parallel=1000) == 15 * MINUTE
    assert lasts(HOUR, 2, 8, parallel=0) == HOUR
    assert lasts(HOUR, 2, 8, parallel=800) == 24 * MINUTE  # 12 alone, and a quarter of 48
    assert done_in(15 * MINUTE, 2, 8, parallel=1000) == HOUR


@given(st.integers(0, 10**15), st.integers(1, 64), st.integers(0, 512), st.integers(0, 1000))
def test_what_is_done_in_the_time_that_it_lasts(
    work: int, least: int, more: int, parallel: int
) -> None:
    nodes = least + more
    time = lasts(work, least, nodes, parallel=parallel)
    assert time <= work
    done = done_in(time, least, nodes, parallel=parallel)
    assert work - nodes <= done <= work


def test_a_journal_tells_what_an_elastic_job_would_have_taken_with_its_least() -> None:
    """A minute with four nodes and three with two are five with two."""
    history = History()
    demand = Demand(2, (Option(Resources()),), max_tasks=8)
    history.take(
        1,
        (
            JobSubmitted(0, "j", 1, demand),
            RunStarted(0, "j-r1", 4),
            RunEnded(MINUTE, "j-r1", Outcome(Cause.RESIZED)),
            RunStarted(MINUTE, "j-r2", 2),
            RunEnded(4 * MINUTE, "j-r2", Outcome(Cause.SUCCEEDED)),
        ),
    )
    assert history.runtimes == {"j": 5 * MINUTE}
