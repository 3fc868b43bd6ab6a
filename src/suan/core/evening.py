"""Shares made even: whose runs stop for a job whose account has had less.

Where the paths of two accounts part, a job of the one side takes the place of a run of the other if
its own side *holds less* now; and if it still *comes before* the other once it has held what it
needs, and the other has held so much less, for as long as a run is safe from preemption. So who
wants no more than his share gets that, and not more, however little he has had; and where jobs are
larger than shares, tenants take turns. At one instant each such step brings what the two sides have
had nearer to each other and none changes their order, so that it comes to an end.
"""

from collections.abc import Iterable, Sequence

from suan.core.deadlines import NEVER
from suan.core.matching import Candidate
from suan.core.records import JobRecord, Phase, RunRecord
from suan.core.shares import AHEAD, Account, Amounts, Share, amounts_of
from suan.core.state import State
from suan.model.units import MINUTE, Duration, Instant, RunId

Move = tuple[Account, Account, Amounts]  # from whom, to whom


class Evening:
    """What a job may have of others by one of its candidates, for the shares' sake."""

    __slots__ = ("_job", "_moving", "_safe", "_shares", "_takes", "_yielding")

    def __init__(self, state: State, job: JobRecord, candidate: Candidate) -> None:
        self._shares = state.shares
        self._job = job
        self._safe: Duration = state.policy.min_run_time
        self._takes = amounts_of(candidate.per_task, candidate.tasks)
        self._moving = list(_moving(state))
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
        sides = parting(self._job.account, run.job.account)
        if sides is None:
            return False
        ours, theirs = sides
        had, has = Amounts(), Amounts()  # beside what they hold now
        for each in gone:
            if theirs in each.job.account.path:
                _add(had, amounts_of(each.per_task, len(each.nodes)), -1)
        for giver, taker, amounts in self._moving:
            for share, sums in ((ours, has), (theirs, had)):
                _add(sums, amounts, (share in taker.path) - (share in giver.path))
        if not self._shares.holds(ours, has) < self._shares.holds(theirs, had):
            return False
        _add(has, self._takes, 1)
        _add(had, amounts_of(run.per_task, len(run.nodes)), -1)
        ahead, shares = max(AHEAD, self._safe), self._shares
        return shares.after(ours, has, ahead) <= shares.after(theirs, had, ahead)


def parting(one: Account, other: Account) -> tuple[Share, Share] | None:
    """The two sides where the paths of two accounts part; ``None`` if they do not."""
    for ours, theirs in zip(one.path, other.path, strict=False):
        if ours is not theirs:
            return ours, theirs
    return None


def _moving(state: State) -> Iterable[Move]:
    """What is on its way from runs that were told to stop to the jobs that they make room for."""
    for pool in state.capacity.pools.values():
        for run in pool.leaving.values():
            job = run.makes_room_for
            if job is not None and job.phase is Phase.IN_LINE:
                amounts = amounts_of(run.per_task, len(run.nodes))
                yield run.job.account, job.account, amounts


def _add(sums: Amounts, amounts: Amounts, times: int) -> None:
    for kind, amount in amounts.items() if times else ():
        sums[kind] = sums.get(kind, 0) + times * amount
