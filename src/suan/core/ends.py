"""When what runs is expected to end.

A run is expected to end after the time its job is known to need (``JobRecord.window``): a time
limit is certain, an expectation or a learned duration is a guess. A run of which nothing is known
is never expected to end. One that has outlived its expectation is given half as long again as it
has run, and at least a minute.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING

from suan.model.units import MINUTE, Instant

if TYPE_CHECKING:
    from suan.core.records import RunRecord


class Ends:
    """The open runs of one pool by when they are expected to end; others are not here."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[tuple[Instant, int, RunRecord]] = []

    def add(self, run: "RunRecord") -> None:
        """Expect a run to end at its ``until``, if it has one."""
        if run.until is not None:
            insort(self._entries, (run.until, run.number, run))

    def drop(self, run: "RunRecord") -> None:
        """A run is no longer expected to end when it was."""
        if run.until is not None:
            at = bisect_left(self._entries, (run.until, run.number))
            del self._entries[at]

    def after(self, now: Instant) -> Iterator[tuple[Instant, "RunRecord"]]:
        """The runs in order of their ends. Those that should have ended are put off."""
        while self._entries and self._entries[0][0] <= now:
            _, _, run = self._entries.pop(0)
            run.until = now + max((now - run.began) // 2, MINUTE)
            self.add(run)
        for until, _, run in self._entries:
            yield until, run
