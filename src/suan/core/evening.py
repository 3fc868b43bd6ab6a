"""Shares made even: whose runs stop for a job whose account has had less.

Where the paths of two accounts part, a job of the one side takes the place of a run of the other if
its own side *holds less* now; and if it still *comes before* the other once it has held what it
needs, and the other has held so much less, for as long as a run is safe from preemption. So who
wants no more than his share gets that, and not more, however little he has had; and where jobs are
larger than shares, tenants take turns. At one instant each such step brings what the two sides have
had nearer to each other and none changes their order, so that it comes to an end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from suan.core.deadlines import NEVER
from suan.core.matching import Candidate
from suan.core.records import JobRecord, Phase, RunRecord
from suan.core.shares import AHEAD, Account, Amounts, Share, Shares, amounts_of
from suan.core.state import State
from suan.model.units import MINUTE, Duration, Instant, RunId

Given = tuple[Account | None, Account, Amounts]  # by whom, to whom; by nobody, if he moves


class Evening:
    """What a job may have of others by one of its candidates, for the shares' sake."""

    __slots__ = ("_job", "_moving", "_others", "_safe", "_shares", "_takes", "_yielding")

    def __init__(self, state: State, job: JobRecord, candidate: Candidate) -> None:
        self._shares = state.shares
        self._job = job
        self._safe: Duration = state.policy.min_run_time
        self._takes = amounts_of(candidate.per_task, candidate.tasks)
        self._moving = list(_moving(state))
        self._others: dict[Account, _Other | None] = {}
        self._yielding: set[RunId] = set()

    def yields_at(self, run: RunRecord, now: Instant) -> Instant:
        """From when on a run may stop for the job, for this reason; or when that is to be asked
        again, since standings change; or never."""
        other, job = run.job, self._job
        if run.stopping is not None or other.hurries or other.account is job.account:
            return NEVER
        if other.told.priority != job.told.priority:
            return NEVER
        safe_until = run.began + self._safe
        if safe_until > now:
            return safe_until
        if not self._evens(run, ()):
            return now + max(self._safe, MINUTE)
        self._yielding.add(run.id)
        return now

    def spares(self, run: RunRecord, gone: Sequence[RunRecord]) -> bool:
        """Whether a run that yields for this reason alone goes on, if others have ``gone``."""
        return run.id in self._yielding and not self._evens(run, gone)

    def _evens(self, run: RunRecord, gone: Sequence[RunRecord]) -> bool:
        account = run.job.account
        if account not in self._others:
            self._others[account] = self._other(account)
        other = self._others[account]
        return other is not None and other.evens(run, gone)

    def _other(self, account: Account) -> "_Other | None":
        sides = parting(self._job.account, account)
        if sides is None:
            return None
        ours, theirs = sides
        had, has = Amounts(), Amounts()  # beside what they hold now
        for giver, taker, amounts in self._moving:
            for share, sums in ((ours, has), (theirs, had)):
                gives = giver is not None and share in giver.path
                _add(sums, amounts, (share in taker.path) - gives)
        holds = self._shares.holds(ours, has)
        _add(has, self._takes, 1)
        ahead = max(AHEAD, self._safe)
        return _Other(self._shares, theirs, had, holds, self._shares.after(ours, has, ahead), ahead)


@dataclass(slots=True)
class _Other:
    """Another side, what it ``had`` beside what it holds, and what the job's own side ``holds`` and
    comes to ``after`` the exchange."""

    shares: Shares
    side: Share
    had: Amounts
    holds: float
    after: float
    ahead: Duration
    less: bool = field(init=False)  # whether the job's side holds less, if nobody goes

    def __post_init__(self) -> None:
        self.less = self.holds < self.shares.holds(self.side, self.had)

    def evens(self, run: RunRecord, gone: Sequence[RunRecord]) -> bool:
        """Whether the job may have a run of that side, with others ``gone`` already."""
        if not self.less:
            return False
        had = dict(self.had)
        for each in gone:
            if self.side in each.job.account.path:
                _add(had, amounts_of(each.per_task, len(each.nodes)), -1)
        if gone and not self.holds < self.shares.holds(self.side, had):
            return False
        _add(had, amounts_of(run.per_task, len(run.nodes)), -1)
        return self.after <= self.shares.after(self.side, had, self.ahead)


def parting(one: Account, other: Account) -> tuple[Share, Share] | None:
    """The two sides where the paths of two accounts part; ``None`` if they do not."""
    for ours, theirs in zip(one.path, other.path, strict=False):
        if ours is not theirs:
            return ours, theirs
    return None


def _moving(state: State) -> Iterable[Given]:
    """What is on its way from runs that were told to stop to the jobs that they make room for."""
    for pool in state.capacity.pools.values():
        for run in pool.leaving.values():
            job = run.makes_room_for
            if job is not None and job.phase is Phase.IN_LINE:
                amounts = amounts_of(run.per_task, len(run.nodes))
                yield None if run.moves else run.job.account, job.account, amounts


def _add(sums: Amounts, amounts: Amounts, times: int) -> None:
    for kind, amount in amounts.items() if times else ():
        sums[kind] = sums.get(kind, 0) + times * amount
