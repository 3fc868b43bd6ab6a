"""The first jobs of each contest, in order, kept from one look to the next.

To gather them anew takes a step for every job that waits. So some more than are asked for are
kept: who has left since is passed over, who has joined is put in, and when too few are left they
are gathered again. What moves many at once (a standing, a queue that opens) does that, too.
"""

from bisect import insort
from heapq import nsmallest

from suan.core.line import Contest, Line
from suan.core.records import JobRecord

_SPARE = 2  # so many times as many are gathered as are asked for

Entry = tuple[int, int, JobRecord]  # its place in the order, the number of its entry, the job


def first_of(contest: Contest, count: int) -> list[Entry]:
    """The first jobs of a contest, in order."""
    return nsmallest(
        count,
        (
            (rank + lane.account.offset, entry, job)
            for shape in contest.shapes
            for lane in shape.waiting
            if lane.contest is contest
            for rank, entry, job in lane.waiting
            if job.entry == entry
        ),
    )


class Nearest:
    """The first ``count`` jobs of each contest of a line, of which all that join are noted."""

    __slots__ = ("_count", "_known", "_line", "_moves", "_whole")

    def __init__(self, line: Line, count: int) -> None:
        self._line = line
        self._count = count
        self._known: dict[Contest, list[Entry]] = {}
        self._whole: dict[Contest, bool] = {}  # whether nobody else is in it
        self._moves = (-1, -1)
        line.joined = []

    def look(self, *, anew: bool) -> None:
        """Take note of who has joined; ``anew`` where standings have changed."""
        line = self._line
        joined, line.joined = line.joined or [], []
        moves = line.moves.count, line.enlisted
        if anew or moves != self._moves:
            self._moves = moves
            self._known.clear()
        for job in joined:
            contest = job.lane.contest if job.lane is not None else None
            known = self._known.get(contest) if contest is not None else None
            if contest is None or known is None:
                continue
            entry = (job.order, job.entry, job)
            if self._whole[contest] or (known and entry < known[-1]):
                insort(known, entry)

    def of(self, contest: Contest) -> list[JobRecord]:
        """Those of one contest, in order."""
        known = self._known.get(contest, [])
        known = [each for each in known if each[2].entry == each[1]]
        if contest not in self._known or (len(known) < self._count and not self._whole[contest]):
            known = first_of(contest, _SPARE * self._count)
            self._whole[contest] = len(known) < _SPARE * self._count
        self._known[contest] = known
        return [job for _, _, job in known[: self._count]]
