"""The Gantt of the first hours: which run held which node from when to when."""

from dataclasses import dataclass
from typing import NamedTuple

from suan.model.units import Duration, Instant

SPANS = 2_000


class Span(NamedTuple):
    """One run on (the first of) its nodes, in microseconds."""

    job: str
    pool: str
    node: str
    began: Instant
    until: Instant
    tenant: str


@dataclass(frozen=True, slots=True)
class Gantt:
    """Every run that began before ``until``, unless ``cut``: then some of them are missing."""

    spans: tuple[Span, ...]
    until: Instant
    cut: bool

    @property
    def start(self) -> Instant:
        """The first run's beginning; 0 where nothing ran."""
        return min((span.began for span in self.spans), default=0)

    @property
    def length(self) -> Duration:
        """Microseconds that the picture spans."""
        return max(0, self.until - self.start)


class Spans:
    """Keeps the first ``limit`` runs to end, and then the runs that began before those ended.

    Runs are told when they end, so a long early one comes late: the picture up to the ``limit``-th
    end is whole only when those have come too. As many again as ``limit`` are waited for.
    """

    __slots__ = ("_limit", "_spans", "_until")

    def __init__(self, limit: int = SPANS) -> None:
        self._limit = limit
        self._spans: list[Span] = []
        self._until: Instant | None = None

    @property
    def until(self) -> Instant | None:
        """Runs that begin at this instant or later are not wanted; ``None``: all are."""
        return self._until

    def add(self, span: Span) -> None:
        """Keep a run that has just ended, if it belongs in the picture."""
        if self._until is not None and span.began >= self._until:
            return
        if len(self._spans) <= 2 * self._limit:
            self._spans.append(span)
        if self._until is None and len(self._spans) >= self._limit:
            self._until = span.until
            self._spans = [each for each in self._spans if each.began < span.until]

    def gantt(self) -> Gantt:
        """The picture, ordered by pool, node and time."""
        cut = len(self._spans) > 2 * self._limit
        spans = self._spans[: 2 * self._limit]
        until = self._until
        if until is None:
            until = max((span.until for span in spans), default=0)
        ordered = sorted(spans, key=lambda each: (each.pool, each.node, each.began, each.job))
        return Gantt(tuple(ordered), until, cut)
