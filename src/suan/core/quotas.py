"""Quotas and limits: what queues, tenants and users may hold, whatever is free.

A run counts in its queue, in its tenant and in those above it (``Account.holders``). A job may
start by a candidate only if each of them, with it, holds no more than its ceiling, and those of
its cohort (or it alone) no more than their guarantees together; and if its user has not as many
jobs running as he may, and keeps within his budgets (``core.budgets``). The first job that may not
is the *blocker* of the holder that it is short in: whoever comes behind it there waits too, so that
small jobs do not use up for ever what it waits for; the others go on. ``core.line`` keeps those
lanes out of their contests meanwhile. Who takes back what was lent *claims* it: until he starts it
counts as his.
"""

from collections.abc import Container, Iterable
from typing import NamedTuple

from suan.core.budgets import Budgets, Over
from suan.core.matching import Candidate
from suan.core.records import Holding, JobRecord, RunRecord
from suan.core.shares import Amounts, Holder, amounts_of
from suan.model.quota import Limits, Quota, Spent
from suan.model.units import Instant

FREE = Quota()
NOBODY: frozenset[int] = frozenset()
Cohort = tuple[str, str, str]  # of queues or of tenants, their parent's name, its own name
Sums = dict[Holder, Amounts]


class Short(NamedTuple):
    """What a job is short of: ``over`` so much of a ``kind``, by the ``ceiling``, the ``guarantee``
    or the ``cohort`` of a ``holder``."""

    which: str
    holder: Holder
    kind: str
    over: int


class Quotas:
    """The quotas, the limits, and what counts against them. ``eased`` says that somebody who
    waited for one of them may go on."""

    __slots__ = (
        "budgets",
        "claims",
        "cohorts",
        "count",
        "eased",
        "held",
        "limits",
        "quotas",
        "running",
    )

    def __init__(self) -> None:
        self.quotas: dict[Holder, Quota] = {}
        self.limits: dict[str, Limits] = {}
        self.budgets = Budgets()
        self.cohorts: dict[Cohort, list[Holder]] = {}
        self.held: Sums = {}
        self.claims: dict[JobRecord, Amounts] = {}
        self.running: dict[str, int] = {}
        self.count = False  # whether there are any
        self.eased = False

    def fork(self) -> "Quotas":
        """The same once more."""
        other = Quotas()
        other.quotas, other.limits = dict(self.quotas), dict(self.limits)
        other.cohorts = {name: list(holders) for name, holders in self.cohorts.items()}
        other.held = {holder: dict(held) for holder, held in self.held.items()}
        other.running = dict(self.running)
        other.count, other.eased = self.count, self.eased
        other.budgets = self.budgets.fork()
        return other

    def set_quota(self, holder: Holder, quota: Quota) -> None:
        """Give a queue or a tenant another quota; an empty one is none."""
        if quota == FREE:
            self.quotas.pop(holder, None)
        else:
            self.quotas[holder] = quota
        self.cohorts = {}
        for name in sorted(self.quotas):
            cohort = self._cohort(name)
            if cohort is not None:
                self.cohorts.setdefault(cohort, []).append(name)
        self._changed()

    def _changed(self) -> None:
        self.count = bool(self.quotas or self.limits)
        self.eased = True

    def _cohort(self, holder: Holder) -> Cohort | None:
        """Whom a holder lends to and borrows from: tenants only those beside them."""
        quota = self.quotas.get(holder, FREE)
        if not quota.cohort:
            return None
        kind, name = holder
        return kind, name.rpartition("/")[0], quota.cohort

    def set_limits(
        self, user: str, limits: Limits, *, spent: Iterable[Spent], runs: Iterable[RunRecord]
    ) -> None:
        """Give a user other limits, who has spent so much; ``runs`` are all that are open."""
        self.budgets.set(user, limits, spent=spent, runs=runs)
        if limits == Limits():
            self.limits.pop(user, None)
        else:
            self.limits[user] = limits
        self._changed()

    def take(self, run: RunRecord, times: int = 1) -> None:
        """A run begins to count; with ``times`` below zero it counts no more."""
        self.hold(run, times)
        user = run.job.account.user
        self.running[user] = self.running.get(user, 0) + times
        if times > 0:
            self.budgets.open(run)
        self.eased = self.eased or times < 0

    def hold(self, run: Holding, times: int = 1) -> None:
        """What a run holds, or holds more than before, counts against the quotas it is under."""
        amounts = amounts_of(run.per_task, len(run.nodes))
        for holder in run.job.account.holders[:-1]:
            held = self.held.setdefault(holder, {})
            for kind, amount in amounts.items():
                held[kind] = held.get(kind, 0) + times * amount

    def claim(self, job: JobRecord, candidate: Candidate) -> None:
        """What a job takes back from others, it is to have."""
        self.claims[job] = amounts_of(candidate.per_task, candidate.tasks)

    def give_up(self, job: JobRecord) -> None:
        """A job has started, or left the line."""
        if self.claims.pop(job, None) is not None:
            self.eased = True

    def barred(self, job: JobRecord) -> frozenset[int]:
        """The numbers of the candidates by which a job may not start now."""
        assert job.shape is not None
        if self.at_limit(job):
            return frozenset(range(len(job.shape.candidates)))
        holders = job.account.holders
        budget = job.told.user in self.budgets.purses
        if not budget and not any(holder in self.quotas for holder in holders):
            return NOBODY
        return frozenset(
            number
            for number, candidate in enumerate(job.shape.candidates)
            if self.short(job, candidate) or self.over(job, candidate)
        )

    def over(self, job: JobRecord, candidate: Candidate) -> Over | None:
        """What a job would pass of its user's budgets if it started by a candidate now."""
        return self.budgets.over(job, candidate)

    def pass_time(self, now: Instant) -> None:
        """It is ``now``: what was used long ago counts no more."""
        if self.budgets.pass_time(now):
            self.eased = True

    def barrier(self, job: JobRecord) -> Holder:
        """Whose quota or limit keeps a job out that is barred from all its candidates."""
        assert job.shape is not None
        user = job.account.holders[-1]
        if self.at_limit(job):
            return user
        found = (self.short(job, candidate) for candidate in job.shape.candidates)
        return next((each.holder for each in found if each is not None), user)

    def at_limit(self, job: JobRecord) -> bool:
        """Whether the job's user has as many jobs running as he may."""
        limits = self.limits.get(job.told.user)
        if limits is None or limits.running is None:
            return False
        return self.running.get(job.told.user, 0) >= limits.running

    def short(
        self, job: JobRecord, candidate: Candidate, without: Iterable[Holding] = ()
    ) -> Short | None:
        """What a job is short of, by the first quota that it would pass, if it starts by a
        candidate once some runs have ended."""
        needs: Amounts | None = None
        freed: Sums = {}
        for holder in job.account.holders:
            if holder in self.quotas:
                if needs is None:
                    needs, freed = amounts_of(candidate.per_task, candidate.tasks), _sums(without)
                found = self._over_ceiling(holder, needs, freed)
                found = found or self._over_guarantee(job, holder, needs, freed=freed)
                if found is not None:
                    return found
        return None

    def _over_ceiling(self, holder: Holder, needs: Amounts, freed: Sums) -> Short | None:
        for kind, ceiling in self.quotas[holder].ceiling:
            over = self._held((holder,), kind, freed) + needs.get(kind, 0) - ceiling
            if over > 0 and needs.get(kind, 0):
                return Short("ceiling", holder, kind, over)
        return None

    def _over_guarantee(
        self, job: JobRecord, holder: Holder, needs: Amounts, *, freed: Sums
    ) -> Short | None:
        cohort = self._cohort(holder)
        holders = self.cohorts[cohort] if cohort else [holder]
        for kind, together in self._guaranteed(holders).items():
            need = needs.get(kind, 0)
            over = self._held(holders, kind, freed) + need - together
            over += self._claimed(holders, kind, job)
            if need and over > 0:
                return Short("cohort" if cohort else "guarantee", holder, kind, over)
        return None

    def _guaranteed(self, holders: Iterable[Holder]) -> Amounts:
        """What some are guaranteed together, by kind."""
        together: Amounts = {}
        for holder in holders:
            for kind, amount in self.quotas[holder].guarantee:
                together[kind] = together.get(kind, 0) + amount
        return together

    def _held(self, holders: Iterable[Holder], kind: str, freed: Sums) -> int:
        """How much of a kind some hold together."""
        return sum(
            self.held.get(holder, {}).get(kind, 0) - freed.get(holder, {}).get(kind, 0)
            for holder in holders
        )

    def _claimed(self, holders: Container[Holder], kind: str, asker: JobRecord) -> int:
        """How much of a kind others among some holders are about to have."""
        if not self.claims:
            return 0
        return sum(
            amounts.get(kind, 0)
            for job, amounts in self.claims.items()
            if job is not asker and any(each in holders for each in job.account.holders)
        )

    def protects(self, run: Holding, job: JobRecord, without: Iterable[Holding] = ()) -> bool:
        """Whether a guarantee that a job has no part in covers a run, once some others have ended:
        then the job does not take it away."""
        return any(
            holder in self.quotas
            and holder not in job.account.holders
            and self._covers(run, holder, without)
            for holder in run.job.account.holders
        )

    def _covers(self, run: Holding, holder: Holder, without: Iterable[Holding] = ()) -> bool:
        """Whether a holder holds no more than its guarantee, of all that the run holds."""
        guarantee = dict(self.quotas[holder].guarantee)
        freed = _sums(without)
        kinds = amounts_of(run.per_task, len(run.nodes))
        named = [kind for kind, amount in kinds.items() if amount and kind in guarantee]
        return bool(named) and all(
            self._held((holder,), kind, freed) <= guarantee[kind] for kind in named
        )

    def may_reclaim(self, job: JobRecord, candidate: Candidate) -> bool:
        """Whether what others borrowed is taken back for a job."""
        return bool(self._reclaiming(job, candidate))

    def _reclaiming(self, job: JobRecord, candidate: Candidate) -> list[Holder]:
        """Those who would hold no more with a job than their guarantee, of which they lend."""
        found = []
        needs = amounts_of(candidate.per_task, candidate.tasks)
        for holder in job.account.holders:
            quota = self.quotas.get(holder, FREE)
            guarantee = dict(quota.guarantee) if quota.cohort else {}
            named = [kind for kind in needs if needs[kind] and kind in guarantee]
            if named and all(
                self._held((holder,), kind, {}) + needs[kind] <= guarantee[kind] for kind in named
            ):
                found.append(holder)
        return found

    def owes(self, run: RunRecord, job: JobRecord, candidate: Candidate) -> bool:
        """Whether a run holds what was borrowed of one who takes it back for a job."""
        for lender in self._reclaiming(job, candidate):
            for borrower in run.job.account.holders:
                lent = borrower != lender and self._cohort(borrower) == self._cohort(lender)
                if lent and not self._covers(run, borrower):
                    return True
        return False


def _sums(runs: Iterable[Holding]) -> Sums:
    """What runs hold, by holder and kind."""
    found: Sums = {}
    for run in runs:
        amounts = amounts_of(run.per_task, len(run.nodes))
        for holder in run.job.account.holders[:-1]:
            held = found.setdefault(holder, {})
            for kind, amount in amounts.items():
                held[kind] = held.get(kind, 0) + amount
    return found
