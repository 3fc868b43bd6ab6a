"""Whether a pool gets new work: a circuit, opened by faults and closed by proof. Pure.

What is in doubt decides what counts as proof: a pool that did not answer has to answer; one that
did not take runs has to take one; one that took runs and gave them back has to start one. For the
latter two the circuit is half open first: the pool is believed for one node.
"""

from collections.abc import Iterator
from enum import IntEnum, StrEnum

from suan.control.settings import ControlSettings
from suan.model.units import Duration


class Circuit(StrEnum):
    """Where a pool's circuit stands."""

    CLOSED = "closed"  # it gets new work
    OPEN = "open"  # nothing new goes there; it is asked for a look all the same
    HALF_OPEN = "half_open"  # it is believed for one node, until it has proved itself


CIRCUIT_TRANSITIONS: dict[Circuit, tuple[Circuit, ...]] = {
    Circuit.CLOSED: (Circuit.OPEN, Circuit.HALF_OPEN),
    Circuit.OPEN: (Circuit.CLOSED, Circuit.HALF_OPEN),
    Circuit.HALF_OPEN: (Circuit.CLOSED, Circuit.OPEN),
}


class Doing(IntEnum):
    """What a pool does when all is well; who does the last does the one before, too."""

    ANSWERS = 0
    TAKES = 1  # a run, when it is launched
    STARTS = 2  # what it has taken


_LONGEST_REST = 40  # times ``retry_most``: for a pool that gives back what it took


class Breaker:
    """One pool's circuit. ``elapsed`` is given in microseconds, from any fixed moment."""

    def __init__(self, settings: ControlSettings) -> None:
        self.state = Circuit.CLOSED
        self.lacks = Doing.ANSWERS  # what has to be proved before it closes
        self._settings = settings
        self._faults = dict.fromkeys(Doing, 0)  # in a row
        self._rejected = 0  # launches in a row
        self._until = 0  # when an open circuit may be tried again …
        self._tried_until = 0  # … and when a trial that nobody came to is over
        self._rests = self._new_rests()

    def failed(self, doing: Doing, elapsed: int, *, at_once: bool = False) -> bool:
        """Count a fault. Whether the circuit has opened by it."""
        self._faults[doing] += 1
        enough = at_once or self._faults[doing] >= self._settings.failures_to_lose
        trying = self.state is Circuit.HALF_OPEN and doing > Doing.ANSWERS
        if not (enough or trying):
            return False
        self.lacks = max(self.lacks, doing)
        if self.state is Circuit.OPEN:
            return False
        self._enter(Circuit.OPEN)
        self._until = elapsed + (next(self._rests[doing]) if doing else 0)
        return True

    def gave_up(self, elapsed: int) -> bool:
        """A run could not be launched for as long as one waits. Whether it has opened by it."""
        opened = self.failed(Doing.TAKES, elapsed, at_once=True)
        self._until = max(self._until, elapsed + self._settings.retry_most)
        return opened

    def rejected(self, elapsed: int) -> bool:
        """A run was refused for good. Whether there were so many in a row that the pool itself is
        in doubt, and not the jobs."""
        self._rejected += 1
        if self._rejected < 3 * self._settings.failures_to_lose:
            return False
        if self.state is Circuit.CLOSED:
            self.lacks = Doing.TAKES
            self._try(elapsed)
        return True

    def proved(self, doing: Doing, elapsed: int) -> None:
        """The pool has done something."""
        for each in Doing:
            if each is doing or Doing.ANSWERS < each < doing:
                self._faults[each] = 0
        if doing is Doing.ANSWERS:
            self._answered(elapsed)
            return
        self._rejected = 0
        if doing < self.lacks:
            return
        self.lacks, self._until = Doing.ANSWERS, 0
        self._rests = self._new_rests()
        if self.state is Circuit.HALF_OPEN:
            self._enter(Circuit.CLOSED)

    def _answered(self, elapsed: int) -> None:
        if self.state is Circuit.OPEN and elapsed >= self._until:
            if self.lacks is Doing.ANSWERS:
                self._enter(Circuit.CLOSED)
            else:
                self._try(elapsed)
        elif self.state is Circuit.HALF_OPEN and elapsed >= self._tried_until:
            self.lacks = Doing.ANSWERS  # nothing came that could have proved it
            self._enter(Circuit.CLOSED)

    def _try(self, elapsed: int) -> None:
        self._enter(Circuit.HALF_OPEN)
        self._tried_until = elapsed + self._settings.reconcile_every

    def _enter(self, state: Circuit) -> None:
        assert state in CIRCUIT_TRANSITIONS[self.state]
        self.state = state

    def _new_rests(self) -> dict[Doing, Iterator[Duration]]:
        settings, longest = self._settings, _LONGEST_REST * self._settings.retry_most
        return {
            Doing.TAKES: doubling(settings.retry_first, settings.retry_most),
            Doing.STARTS: doubling(settings.retry_most, longest),
        }


def doubling(first: Duration, most: Duration) -> Iterator[Duration]:
    """What to wait after each failure in a row, for ever."""
    while True:
        yield first
        first = min(2 * first, most)
