"""Quotas and limits: what a queue and a user may hold, whatever is free.

A job may start by a candidate only if its queue, with it, holds no more than its ceiling, and the
queues of its cohort (or it alone) no more than their guarantees together; and if its user has not
as many jobs running as he may. The first job of a queue (or of a user) that may not is its
*blocker*: whoever comes behind it in that queue waits too, so that small jobs do not use up for
ever what it waits for; the other queues go on. ``core.line`` keeps those lanes out of their
contests meanwhile. Who takes back what was lent *claims* it: until he starts it counts as his.
"""

from collections.abc import Iterable

from suan.core.matching import Candidate
from suan.core.records import JobRecord, RunRecord
from suan.core.shares import Amounts, amounts_of
from suan.model.quota import Limits, Quota
from suan.model.units import QueueName

FREE = Quota()
NOBODY: frozenset[int] = frozenset()


class Quotas:
    """The quotas, the limits, and what counts against them. ``eased`` says that somebody who
    waited for one of them may go on."""

    __slots__ = ("claims", "cohorts", "eased", "held", "limits", "quotas", "running")

    def __init__(self) -> None:
        self.quotas: dict[QueueName, Quota] = {}
        self.limits: dict[str, Limits] = {}
        self.cohorts: dict[str, list[QueueName]] = {}
        self.held: dict[QueueName, Amounts] = {}
        self.claims: dict[JobRecord, Amounts] = {}
        self.running: dict[str, int] = {}
        self.eased = False

    @property
    def count(self) -> bool:
        """Whether there are any."""
        return bool(self.quotas or self.limits)

    def fork(self) -> "Quotas":
        """The same once more."""
        other = Quotas()
        other.quotas, other.limits = dict(self.quotas), dict(self.limits)
        other.cohorts = {name: list(queues) for name, queues in self.cohorts.items()}
        other.held = {queue: dict(held) for queue, held in self.held.items()}
        other.running, other.eased = dict(self.running), self.eased
        return other

    def set_quota(self, queue: QueueName, quota: Quota) -> None:
        """Give a queue another quota; an empty one is none."""
        if quota == FREE:
            self.quotas.pop(queue, None)
        else:
            self.quotas[queue] = quota
        self.cohorts = {}
        for name in sorted(self.quotas):
            if self.quotas[name].cohort:
                self.cohorts.setdefault(self.quotas[name].cohort, []).append(name)
        self.eased = True

    def set_limits(self, user: str, limits: Limits) -> None:
        """Give a user other limits."""
        if limits == Limits():
            self.limits.pop(user, None)
        else:
            self.limits[user] = limits
        self.eased = True

    def take(self, run: RunRecord, times: int = 1) -> None:
        """A run begins to count; with ``times`` below zero it counts no more."""
        told = run.job.told
        held = self.held.setdefault(told.queue, {})
        for kind, amount in amounts_of(run.per_task, len(run.nodes)).items():
            held[kind] = held.get(kind, 0) + times * amount
        self.running[told.user] = self.running.get(told.user, 0) + times
        self.eased = self.eased or times < 0

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
        if job.told.queue not in self.quotas:
            return NOBODY
        return frozenset(
            number
            for number, candidate in enumerate(job.shape.candidates)
            if self.short(job, candidate)
        )

    def at_limit(self, job: JobRecord) -> bool:
        """Whether the job's user has as many jobs running as he may."""
        limits = self.limits.get(job.told.user)
        if limits is None or limits.running is None:
            return False
        return self.running.get(job.told.user, 0) >= limits.running

    def short(
        self, job: JobRecord, candidate: Candidate, without: Iterable[RunRecord] = ()
    ) -> tuple[str, str, int] | None:
        """What a job is short of by its quota, if it starts by a candidate once some runs have
        ended: of its ``ceiling``, its ``guarantee`` or that of its ``cohort``, the kind, and by
        how much."""
        quota = self.quotas.get(job.told.queue, FREE)
        needs = amounts_of(candidate.per_task, candidate.tasks)
        freed = _sums(without)
        held = self.held.get(job.told.queue, {})
        own = freed.get(job.told.queue, {})
        for kind, ceiling in quota.ceiling:
            over = held.get(kind, 0) - own.get(kind, 0) + needs.get(kind, 0) - ceiling
            if over > 0 and needs.get(kind, 0):
                return "ceiling", kind, over
        queues = self.cohorts[quota.cohort] if quota.cohort else [job.told.queue]
        for kind, together in self._guaranteed(queues).items():
            need = needs.get(kind, 0)
            over = self._held(queues, kind, freed) + need - together
            over += self._claimed(queues, kind, job)
            if need and over > 0:
                return "cohort" if quota.cohort else "guarantee", kind, over
        return None

    def _guaranteed(self, queues: Iterable[QueueName]) -> Amounts:
        """What some queues are guaranteed together, by kind."""
        together: Amounts = {}
        for name in queues:
            for kind, amount in self.quotas.get(name, FREE).guarantee:
                together[kind] = together.get(kind, 0) + amount
        return together

    def _held(self, queues: Iterable[QueueName], kind: str, freed: dict[QueueName, Amounts]) -> int:
        """How much of a kind some queues hold together."""
        return sum(
            self.held.get(name, {}).get(kind, 0) - freed.get(name, {}).get(kind, 0)
            for name in queues
        )

    def _claimed(self, queues: Iterable[QueueName], kind: str, asker: JobRecord) -> int:
        """How much of a kind others of some queues are about to have."""
        if not self.claims:
            return 0
        return sum(
            amounts.get(kind, 0)
            for job, amounts in self.claims.items()
            if job is not asker and job.told.queue in queues
        )

    def covers(self, run: RunRecord, without: Iterable[RunRecord] = ()) -> bool:
        """Whether a run's queue holds no more than its guarantee, of all that the run holds, once
        some other runs have ended: then no other queue takes it away."""
        queue = run.job.told.queue
        guarantee = dict(self.quotas.get(queue, FREE).guarantee)
        freed = _sums(without).get(queue, {})
        held = self.held.get(queue, {})
        kinds = amounts_of(run.per_task, len(run.nodes))
        named = [kind for kind, amount in kinds.items() if amount and kind in guarantee]
        return bool(named) and all(
            held.get(kind, 0) - freed.get(kind, 0) <= guarantee[kind] for kind in named
        )

    def may_reclaim(self, job: JobRecord, candidate: Candidate) -> bool:
        """Whether a job would hold no more than its queue's guarantee: what others borrowed of it
        is taken back."""
        quota = self.quotas.get(job.told.queue, FREE)
        if not quota.cohort or not quota.guarantee:
            return False
        guarantee, held = dict(quota.guarantee), self.held.get(job.told.queue, {})
        needs = amounts_of(candidate.per_task, candidate.tasks)
        named = [kind for kind in needs if needs[kind] and kind in guarantee]
        return bool(named) and all(
            held.get(kind, 0) + needs[kind] <= guarantee[kind] for kind in named
        )

    def borrows(self, run: RunRecord, cohort: str) -> bool:
        """Whether a run is of another's queue in the cohort, and not covered by its guarantee."""
        quota = self.quotas.get(run.job.told.queue, FREE)
        return quota.cohort == cohort and not self.covers(run)


def _sums(runs: Iterable[RunRecord]) -> dict[QueueName, Amounts]:
    """What runs hold, by queue and kind."""
    found: dict[QueueName, Amounts] = {}
    for run in runs:
        held = found.setdefault(run.job.told.queue, {})
        for kind, amount in amounts_of(run.per_task, len(run.nodes)).items():
            held[kind] = held.get(kind, 0) + amount
    return found
