"""One pool's word, held against what is known: what cannot be true is noted, and told."""

import logging
from collections import OrderedDict

from suan.control.calls import Surroundings
from suan.control.doubts import Doubt, Doubts, contradicts, end, wrong_time
from suan.control.happenings import Doubted
from suan.model.job import Cause, Outcome
from suan.model.pool import RunReport
from suan.model.units import Instant, PoolName, RunId

log = logging.getLogger(__name__)

_ENDS_KEPT = 10_000


class Testimony:
    """What the pool said of runs' ends and times, and what of it is in doubt."""

    def __init__(self, pool: PoolName, around: Surroundings) -> None:
        self._pool = pool
        self._around = around
        self._doubts = Doubts()
        self._ends: OrderedDict[RunId, Outcome] = OrderedDict()

    def ended(self, run: RunId, outcome: Outcome) -> bool:
        """Take its word on a run's end. Whether it is its first; another one is not believed."""
        before = self._ends.get(run)
        if before is None:
            self._ends[run] = outcome
            if len(self._ends) > _ENDS_KEPT:
                self._ends.popitem(last=False)
        elif contradicts(before, outcome):
            self._note(Doubt.CONTRADICTION, f"{run} ended as {end(before)}, then as {end(outcome)}")
        return before is None

    def denied(self, run: RunId) -> None:
        """It says that it does not know a run that it had taken."""
        self.ended(run, Outcome(Cause.LOST))

    def lives(self, run: RunId, known: str) -> None:
        """It runs what nobody here answers for."""
        if run in self._ends:
            self._note(Doubt.CONTRADICTION, f"{run} ended as {end(self._ends[run])}, and runs")
        else:
            self._note(Doubt.STRANGER, f"{run} {known}")

    def timed(self, report: RunReport, placed_at: Instant) -> None:
        """Look at a report's times; those recorded are kept between placing and now."""
        if wrong := wrong_time(report, placed_at, self._around.clock.now()):
            self._note(Doubt.CLOCK, wrong)

    def refuses(self, detail: str) -> None:
        """It has room, it says, and takes or starts nothing."""
        self._note(Doubt.CAPACITY, detail)

    def starts(self) -> None:
        """It has room indeed."""
        self._doubts.settled(Doubt.CAPACITY)

    def told(self) -> tuple[tuple[Instant, str], ...]:
        """What is in doubt, and since when."""
        return self._doubts.told(self._around.clock.now())

    def _note(self, doubt: Doubt, detail: str) -> None:
        self._around.metrics.doubted(self._pool, doubt.value)
        if self._doubts.note(doubt, detail, self._around.clock.now()):
            log.warning("pool=%s doubt=%s %s", self._pool, doubt.value, detail)
            self._around.post(Doubted(self._pool, doubt.value, detail))
