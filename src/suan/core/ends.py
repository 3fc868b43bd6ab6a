"""When what runs is expected to end.

A run is expected to end after its job's time limit, which is certain; or else after what its user
expects, or what runs alike have taken (``core.durations``), which are guesses. A run of which
nothing is known is never expected to end. One that outlives its expectation is put off
(``State.put_off``).
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING

from suan.model.units import Instant

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

    def overdue(self, now: Instant) -> list["RunRecord"]:
        """Those that should have ended by now."""
        return [run for _, _, run in self._entries[: bisect_left(self._entries, (now + 1,))]]

    def first(self, otherwise: Instant) -> Instant:
        """When the first of them should end."""
        return self._entries[0][0] if self._entries else otherwise

    def __iter__(self) -> Iterator[tuple[Instant, "RunRecord"]]:
        """The ends in order; those at one instant in the order in which the runs were started."""
        for until, _, run in self._entries:  # an expression would be made whole when compiled
            yield until, run
