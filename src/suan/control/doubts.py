"""What a pool said that cannot be true. It is not believed, nothing rests on it, and it is told."""

from dataclasses import dataclass
from enum import StrEnum

from suan.model.job import Outcome
from suan.model.pool import RunReport
from suan.model.units import HOUR, MINUTE, Duration, Instant

FORGOTTEN_AFTER: Duration = HOUR  # when nothing like it was said again
CLOCKS_DIFFER: Duration = MINUTE // 2  # by less, and nobody need know


class Doubt(StrEnum):
    """What kind of untruth."""

    CAPACITY = "capacity"  # it has room, it says, and takes or starts nothing
    STRANGER = "stranger"  # it runs what nobody launched
    CONTRADICTION = "contradiction"  # an end, and then another one, or life after it
    CLOCK = "clock"  # times that are not between placing and now


_WORDS = {
    Doubt.CAPACITY: "it says that there is room, and",
    Doubt.STRANGER: "it reports a run that nobody launched:",
    Doubt.CONTRADICTION: "it contradicts itself:",
    Doubt.CLOCK: "its clock is wrong:",
}


@dataclass(slots=True)
class _Said:
    since: Instant
    last: Instant
    times: int
    detail: str


class Doubts:
    """One pool's. Each kind is told until nothing like it has been said for an hour."""

    def __init__(self) -> None:
        self._open: dict[Doubt, _Said] = {}

    def note(self, doubt: Doubt, detail: str, now: Instant) -> bool:
        """Take one more. Whether it is the first of its kind."""
        self._forget(now)
        said = self._open.get(doubt)
        if said is None:
            self._open[doubt] = _Said(now, now, 1, detail)
            return True
        said.last, said.detail = now, detail
        said.times += 1
        return False

    def settled(self, doubt: Doubt) -> None:
        """It was cleared up."""
        self._open.pop(doubt, None)

    def told(self, now: Instant) -> tuple[tuple[Instant, str], ...]:
        """Each with since when, oldest first."""
        self._forget(now)
        return tuple(
            sorted((said.since, in_words(doubt, said)) for doubt, said in self._open.items())
        )

    def _forget(self, now: Instant) -> None:
        for doubt, said in list(self._open.items()):
            if now - said.last > FORGOTTEN_AFTER:
                del self._open[doubt]


def in_words(doubt: Doubt, said: _Said) -> str:
    """One clause; how often, where it was more than once."""
    more = f" (and {said.times - 1:,} before it)" if said.times > 1 else ""
    return f"{_WORDS[doubt]} {said.detail}{more}"


def wrong_time(report: RunReport, placed_at: Instant, now: Instant) -> str:
    """What is wrong with a report's times; empty if nothing is."""
    started, ended = report.started_at, report.ended_at
    for what, at in (("started", started), ("ended", ended)):
        if at is not None and at > now + CLOCKS_DIFFER:
            return f"{report.run} {what} {(at - now) // 1_000_000:,} s from now"
        if at is not None and at < placed_at - CLOCKS_DIFFER:
            before = (placed_at - at) // 1_000_000
            return f"{report.run} {what} {before:,} s before it was placed"
    if started is not None and ended is not None and ended < started - CLOCKS_DIFFER:
        return f"{report.run} ended before it started"
    return ""


def contradicts(first: Outcome, then: Outcome) -> bool:
    """Whether two words on one run's end cannot both be true."""
    return (first.cause, first.exit_code) != (then.cause, then.exit_code)


def end(outcome: Outcome) -> str:
    """An end in words."""
    code = f" with exit code {outcome.exit_code}" if outcome.exit_code else ""
    return f"{outcome.cause.value}{code}"
