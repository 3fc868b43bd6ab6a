"""Replay: the journal through the scheduler again, which must decide the same.

Any scheduler may be given: with the one that made the journal every plan must agree; with another
policy the mismatches show where it would have decided otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from suan.control.term import SchedulerProtocol
from suan.model.plan import Plan
from suan.model.store import Journal, JournalEntry

PAGE = 100  # entries in memory at a time
KEPT = 20  # mismatches told in full


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An entry whose plan came out differently. ``decisions`` are the replayed ones."""

    number: int
    recorded: str
    replayed: str
    decisions: tuple[str, ...]


@dataclass(slots=True)
class ReplayReport:
    """What a replay went through. ``mismatched`` counts all, ``mismatches`` holds the first few."""

    entries: int = 0
    terms: int = 0
    events: int = 0
    plans: int = 0
    decisions: int = 0
    mismatched: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether every plan agreed."""
        return self.mismatched == 0


async def replay(
    journal: Journal, scheduler_factory: Callable[[], SchedulerProtocol], *, after: int = 0
) -> ReplayReport:
    """Go through the journal's entries above ``after``, page by page.

    Entries before the first term's beginning are passed over: there is nothing to apply them to.
    """
    report, scheduler = ReplayReport(), None
    while page := await journal.entries(after, PAGE):
        for entry in page:
            if entry.kind == "term":
                report.terms += 1
                scheduler = scheduler_factory()
            if scheduler is not None:
                _replay_one(entry, scheduler, report)
        after = page[-1].number
    return report


def _replay_one(entry: JournalEntry, scheduler: SchedulerProtocol, report: ReplayReport) -> None:
    report.entries += 1
    for event in entry.events:
        scheduler.apply(event)
    report.events += len(entry.events)
    if not entry.digest:
        return
    plan = scheduler.decide(entry.now, entry.limit)
    report.plans += 1
    report.decisions += len(plan.decisions)
    if plan.digest() != entry.digest:
        _differs(entry, plan, report)


def _differs(entry: JournalEntry, plan: Plan, report: ReplayReport) -> None:
    report.mismatched += 1
    if len(report.mismatches) < KEPT:
        decisions = tuple(repr(decision) for decision in plan.decisions)
        report.mismatches.append(Mismatch(entry.number, entry.digest, plan.digest(), decisions))
