"""On one machine of equal processors the policy ``easy`` is the textbook's: every job starts when a
loop of forty lines says, which knows nothing of flavors, nodes and pools.

The rules are those of Mu'alem and Feitelson (IEEE TPDS 12(6), 2001). They leave open what is left
over beside the first job's reservation where several runs end at one instant; here, as in suan,
they are counted one by one, in the order in which they started, until it fits.
"""

from bisect import insort
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.model.units import SECOND
from suan.sim.settings import Settings
from suan.sim.study import Fitting, simulate
from suan.sim.traces.job import TraceJob
from suan.sim.traces.opening import open_trace
from tests.sim.test_conformance import TRACES, machines
from tests.sim.world import job, pool, simulated, starts

Row = tuple[int, int, int, int]  # submission, run time, processors, time limit


class Textbook:
    """EASY behind FIFO. Runs are known by the time at which their limit ends them."""

    def __init__(self, rows: Sequence[Row], processors: int) -> None:
        self.rows = rows
        self.free = processors
        self.starts = [0] * len(rows)
        self.line: list[int] = []
        self.running: list[tuple[int, int, int]] = []  # promised end, number of the start, job
        self.ends: list[tuple[int, int, tuple[int, int, int]]] = []  # true end, start, the same
        self.started = 0

    def run(self) -> list[int]:
        at, rows = 0, self.rows
        while at < len(rows) or self.line:
            now = min([r[0] for r in rows[at : at + 1]] + [end[0] for end in self.ends[:1]])
            while self.ends and self.ends[0][0] == now:
                _, _, run = self.ends.pop(0)
                self.running.remove(run)
                self.free += rows[run[2]][2]
            while at < len(rows) and rows[at][0] == now:
                self.line.append(at)
                at += 1
            while self.line and rows[self.line[0]][2] <= self.free:
                self.start(self.line.pop(0), now)
            if self.line and self.free:
                self.backfill(now)
        return self.starts

    def start(self, number: int, now: int) -> None:
        _, takes, width, limit = self.rows[number]
        self.starts[number] = now
        self.free -= width
        self.started += 1
        run = (now + limit, self.started, number)
        insort(self.running, run)
        insort(self.ends, (now + min(takes, limit), self.started, run))

    def backfill(self, now: int) -> None:
        then, left = self.promise()
        for number in self.line[1:]:
            _, _, width, limit = self.rows[number]
            if width > self.free or (now + limit > then and width > left):
                continue
            left -= width if now + limit > then else 0
            self.start(number, now)
            self.line.remove(number)

    def promise(self) -> tuple[int, int]:
        """When the first job in line fits at the latest, and what it leaves over then."""
        free, width = self.free, self.rows[self.line[0]][2]
        for end, _, number in self.running:
            free += self.rows[number][2]
            if free >= width:
                return end, free - width
        raise AssertionError("it is wider than the machine")


ROWS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.integers(1, 20),
        st.sampled_from([1, 1, 1, 2, 3, 4, 5, 8]),
        st.integers(1, 30),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(rows=ROWS)
def test_every_job_starts_when_the_textbook_says(rows: list[Row]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    jobs = [
        job(at, submit, takes, width, requested=limit)
        for at, (submit, takes, width, limit) in enumerate(rows)
    ]
    found, _ = simulated(jobs, pool(cpus=8), policy="easy")
    told = {f"j{at}": float(start) for at, start in enumerate(Textbook(rows, 8).run())}
    assert starts(found) == told


def row_of(each: TraceJob) -> Row:
    width = each.demand.tasks * each.demand.options[0].per_task.cpu_milli // 1000
    limit = each.runtime if each.requested is None else each.requested
    return (each.submit, each.runtime, width, limit)


@pytest.mark.slow
@pytest.mark.skipif(not TRACES.is_dir(), reason="the real traces are not here: set SUAN_TRACES")
@pytest.mark.parametrize(
    ("trace", "processors", "expected"),
    [
        ("theta_2022.swf.gz", 4_360, 43_287.05),
        ("CEA-Curie-2011-2.1-cln.swf.gz", 80_640, 7_080.12),
    ],
)
def test_on_real_traces_the_waits_are_the_textbooks(
    trace: str, processors: int, expected: float
) -> None:
    machine = machines(str(processors))
    opened = open_trace(TRACES / "swf" / trace, None, Fitting(machine))
    result = simulate("easy", opened, machine, settings=Settings(durations="requested"))
    rows = [row_of(each) for each in opened.jobs()]
    told = Textbook(rows, processors).run()
    waits = sum(start - row[0] for start, row in zip(told, rows, strict=True))
    assert round(result.overall.mean_wait / SECOND, 2) == expected
    assert round(waits / len(rows) / SECOND, 2) == expected
