"""Who comes first of many, each of whom has a first job: a heap that is put right lazily.

Whoever is expected too early is found out when he reaches the top, and whoever left when his entry
does; so only those who come earlier than they were expected must be told of.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, Protocol, TypeVar

from suan.core.records import JobRecord

_LEAST = 16  # entries that are not worth clearing up


class Member(Protocol):
    """One of those who are compared."""

    number: int

    def head(self) -> JobRecord | None:
        """The first job, or ``None`` while there is none."""


M = TypeVar("M", bound=Member)


class Firsts(Generic[M]):
    """Members by the ``place`` of their first jobs, the lowest first. Each is ``posted`` at one
    place at most, which is never later than its job's; its entries at others are void."""

    __slots__ = ("_heap", "_place", "posted")

    def __init__(self, place: Callable[[JobRecord], int]) -> None:
        self._place = place
        self._heap: list[tuple[int, int, M]] = []
        self.posted: dict[M, int] = {}

    def expect(self, member: M, at: int) -> None:
        """A member's first job has this place: worth noting where that is earlier than known."""
        before = self.posted.get(member)
        if before is None or at < before:
            self.posted[member] = at
            heappush(self._heap, (at, member.number, member))
            if len(self._heap) > 2 * len(self.posted) + _LEAST:
                self._heap = [(at, each.number, each) for each, at in self.posted.items()]
                heapify(self._heap)

    def drop(self, member: M) -> None:
        """A member takes no part any more."""
        self.posted.pop(member, None)

    def earliest(self) -> int | None:
        """A place that none of their jobs comes before; ``None`` if they have none."""
        heap, posted = self._heap, self.posted
        while heap:
            at, _, member = heap[0]
            if posted.get(member) == at:
                if member.head() is not None:
                    return at
                del posted[member]
            heappop(heap)
        return None

    def first(self) -> JobRecord | None:
        """The job that comes first of all."""
        heap, posted = self._heap, self.posted
        while heap:
            at, number, member = heap[0]
            if posted.get(member) != at:
                heappop(heap)
                continue
            head = member.head()
            if head is None:
                heappop(heap)
                del posted[member]
                continue
            place = self._place(head)
            if place == at:
                return head
            posted[member] = place
            heapreplace(heap, (place, number, member))
        return None

    def first_that(self, passes: Callable[[M, JobRecord], JobRecord | None]) -> JobRecord | None:
        """The first of the jobs that ``passes`` names, of each member one at most, told the member
        and its first job. Members are asked in order, as far as it takes."""
        best: JobRecord | None = None
        aside: list[tuple[int, int, M]] = []
        while (head := self.first()) is not None:
            if best is not None and self._place(best) <= self._place(head):
                break
            found = passes(self._heap[0][2], head)
            if found is head:
                best = head
                break
            if found is not None and (best is None or self._place(found) < self._place(best)):
                best = found
            aside.append(heappop(self._heap))
        for entry in aside:
            heappush(self._heap, entry)
        return best
