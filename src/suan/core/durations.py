"""How long a job will run, as far as runs alike tell: a rolling memory of runs that have ended.

A run is filed under everything that was known of its job at submission, from the very specific
(this user's runs of this command on as much) to the very general (all runs). A job is answered
from the most specific group that holds enough runs. Nothing is fitted and nothing decays: a group
keeps its latest runs, and what is older is forgotten.

Compare Helios' QSSF (Hu et al., SC'21), which also goes by user and by likeness of names, with
exponential decay and a trained model beside. Figures: docs/explanation/durations.md.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

from suan.core.likeness import Cue, cues_of_demand, cues_of_past, cues_of_told, words
from suan.model.events import JobSubmitted, RunRemembered
from suan.model.job import Cause
from suan.model.resources import Resources
from suan.model.units import MINUTE, Duration

RUNS_KEPT = 64  # of each group
GROUPS_KEPT = 4096
ENOUGH = 3  # runs for a group to speak for itself
VOUCHED = 9  # with fewer runs, none of them can stand for nine in ten
UNHEARD_OF = 10 * MINUTE  # a run that outlasts all that is known: as long again, and this

_TELLING = frozenset({Cause.SUCCEEDED, Cause.FAILED, Cause.TIMED_OUT, Cause.OUT_OF_MEMORY})


@dataclass(frozen=True, slots=True)
class Expectation:
    """How long a job is expected to run, in microseconds, never above its time limit.

    Of the ``samples`` latest runs alike, half took no longer than ``median``, and nine in ten
    runs alike take no longer than ``high``. ``mean`` is what those behind it wait on average: long
    runs are few and weigh much, so an order for short waits goes by the mean, times the size.
    ``cue`` is what the runs are alike in; ``basis`` says it in words.
    """

    median: Duration
    high: Duration
    mean: Duration
    samples: int
    cue: Cue

    @property
    def basis(self) -> str:
        """What it rests on, for a person: made only when someone reads it."""
        runs = "the only run" if self.samples == 1 else f"the last {self.samples} runs"
        return f"{runs} {words(self.cue)}"


class _Group:
    """The latest runs that share a cue: a ring, whose oldest entry is replaced when it is full."""

    __slots__ = ("_asked", "_next", "_ranked", "owner", "told_at", "took", "total")

    def __init__(self, owner: object) -> None:
        self.owner = owner  # alone may change it; anybody else's change is to a copy
        self.took: list[Duration] = []
        self.total: Duration = 0
        self.told_at = 0  # the number of the learned run that it last took in
        self._next = 0
        self._ranked: list[Duration] | None = None
        self._asked = False

    def add(self, took: Duration, number: int) -> None:
        gone = None
        if len(self.took) < RUNS_KEPT:
            self.took.append(took)
        else:
            gone, self.took[self._next] = self.took[self._next], took
            self._next = (self._next + 1) % RUNS_KEPT
            self.total -= gone
        self.total += took
        self.told_at = number
        self._rank(took, gone)

    def _rank(self, took: Duration, gone: Duration | None) -> None:
        """Keep the ranked list in step while someone asks; most groups are only ever told."""
        ranked = self._ranked
        if ranked is not None and self._asked:
            if gone is not None:
                del ranked[bisect_left(ranked, gone)]
            insort(ranked, took)
        else:
            self._ranked = None
        self._asked = False

    def ranked(self) -> list[Duration]:
        """Its runs from the shortest to the longest; not the caller's to change."""
        self._asked = True
        if self._ranked is None:
            self._ranked = sorted(self.took)
        return self._ranked

    def copy(self, owner: object) -> "_Group":
        other = _Group(owner)
        other.took, other.total, other.told_at = self.took.copy(), self.total, self.told_at
        other._next = self._next
        return other


def _high(ranked: list[Duration]) -> Duration:
    """What the next run stays within nine times in ten, if it is drawn like these, in any order:
    the ``ceil(0.9 (n + 1))``-th smallest of ``n`` (the split-conformal bound). Fewer than nine
    runs cannot tell that, and twice the longest is said instead."""
    count = len(ranked)
    if count < VOUCHED:
        return 2 * ranked[-1]
    return ranked[-(-9 * (count + 1) // 10) - 1]


def _expectation(group: _Group, cue: Cue, limit: Duration | None) -> Expectation:
    ranked = group.ranked()
    count = len(ranked)
    median, high, mean = ranked[(count - 1) // 2], _high(ranked), group.total // count
    if limit and limit < high:
        median, high, mean = min(median, limit), limit, min(mean, limit)
    return Expectation(median, high, mean, count, cue)


class Durations:
    """What is known of durations. Bounded: the groups that longest took in no run are forgotten.

    To ask changes nothing; only what is learned does.
    """

    __slots__ = ("_groups", "_learned", "_owner")

    def __init__(self) -> None:
        self._groups: dict[Cue, _Group] = {}
        self._learned = 0
        self._owner = object()

    def learn(self, told: JobSubmitted, took: Duration, *, tasks: int, per_task: Resources) -> None:
        """A run that came to its own end, or to its time limit, after ``took`` microseconds.

        ``tasks`` and ``per_task`` are what it really held: they count where the job left the
        accelerator open. Runs that somebody ended (cancelled, preempted, lost) tell nothing.
        """
        self._file(cues_of_told(told, tasks, per_task), took)

    def learn_past(self, past: RunRemembered) -> None:
        """A run from before this scheduler was made."""
        if past.cause in _TELLING:
            self._file(cues_of_past(past), past.ended_at - past.started_at)

    def _file(self, cues: list[Cue], took: Duration) -> None:
        self._learned += 1
        took = max(took, 1)
        groups, owner = self._groups, self._owner
        for cue in cues:
            group = groups.get(cue)
            if group is None:
                group = groups[cue] = _Group(owner)
            elif group.owner is not owner:
                group = groups[cue] = group.copy(owner)
            group.add(took, self._learned)
        if len(groups) > GROUPS_KEPT:
            self._forget()

    def expect(self, told: JobSubmitted) -> Expectation | None:
        """How long a job will run; ``None`` while no run at all has been learned."""
        found, cue = None, None
        for asked in cues_of_demand(told):
            group = self._groups.get(asked)
            if group is None:
                continue
            if found is None or len(group.took) > len(found.took):
                found, cue = group, asked
            if len(group.took) >= ENOUGH:
                break
        if found is None or cue is None:
            return None
        return _expectation(found, cue, told.time_limit)

    def ends_after(self, told: JobSubmitted, ran: Duration) -> Duration:
        """How long a run that has taken ``ran`` already will take in all: always longer than
        that, unless its time limit has passed.

        The median of the runs alike that took longer still, so that a run which outlasts its
        expectation is not for ever about to end: what reserves a place behind it must know.
        """
        total = 2 * ran + UNHEARD_OF
        for asked in cues_of_demand(told):
            group = self._groups.get(asked)
            if group is None or len(group.took) < ENOUGH:
                continue
            ranked = group.ranked()
            longer = bisect_right(ranked, ran)
            if len(ranked) - longer >= ENOUGH:
                total = ranked[(longer + len(ranked) - 1) // 2]
                break
        limit = told.time_limit
        return total if not limit else min(total, max(limit, ran))

    def _forget(self) -> None:
        """Forget the eighth of the groups that longest took in no run; of equals the first made."""
        groups = self._groups
        stale = sorted(
            groups, key=lambda cue: groups[cue].told_at
        )  # stable: ties as they were made
        for cue in stale[: len(groups) - GROUPS_KEPT + GROUPS_KEPT // 8]:
            del groups[cue]

    def fork(self) -> "Durations":
        """The same knowledge once more. Groups are shared until one of the two changes them."""
        other = Durations()
        other._groups = self._groups.copy()
        other._learned = self._learned
        self._owner = object()
        return other
