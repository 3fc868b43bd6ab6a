"""Why a quota or limit keeps a job out, in words."""

from suan.core.matching import Candidate
from suan.core.records import JobRecord
from suan.core.state import State
from suan.core.wording import amount_of, counted
from suan.model.refusal import Refusal, RefusalCode
from suan.model.resources import Resources


def forbids(state: State, job: JobRecord, candidate: Candidate) -> Refusal | None:
    """What a quota, a limit, or whom it keeps out before this job, has against a candidate."""
    quotas = state.quotas
    if not quotas.count:
        return None
    if quotas.at_limit(job):
        return _at_limit(state, job, candidate)
    if quotas.short(job, candidate) is not None:
        return _short(state, job, candidate)
    blocker = state.line.blocker(job.account)
    if blocker is None or blocker is job:
        return None
    return Refusal(
        code=RefusalCode.BEHIND_EARLIER_JOB,
        pool=candidate.pool.name,
        detail=f"job {blocker.id} comes before it in its queue, or of its user, and waits for a"
        " quota or limit",
        unblocked_by=f"job {blocker.id} starts or is cancelled",
        behind=blocker.id,
    )


def _at_limit(state: State, job: JobRecord, candidate: Candidate) -> Refusal:
    most = state.quotas.limits[job.told.user].running or 0
    return Refusal(
        code=RefusalCode.OVER_USER_LIMIT,
        pool=candidate.pool.name,
        detail=f"user {job.told.user} may have {counted(most, 'job')} running at once, and has",
        unblocked_by="one of them ends, or an operator raises the limit"
        if most
        else "an operator raises the limit",
        permanent=not most,
    )


def _short(state: State, job: JobRecord, candidate: Candidate) -> Refusal:
    quotas, queue = state.quotas, job.told.queue
    found = quotas.short(job, candidate)
    assert found is not None
    which, kind, over = found
    quota = quotas.quotas[queue]
    never = quotas.short(job, candidate, state.runs.values()) is not None
    if which == "cohort":
        whose = f"the queues of cohort {quota.cohort}"
        what = "all their guarantees together"
    else:
        whose = f"queue {queue}"
        limits = dict(quota.ceiling if which == "ceiling" else quota.guarantee)
        what = f"its {which} of {_amount(kind, limits.get(kind, 0))}"
    ends = "" if never else f"runs of {whose} end, or "
    return Refusal(
        code=RefusalCode.OVER_QUOTA,
        pool=candidate.pool.name,
        detail=f"{whose} would hold {_amount(kind, over)} more than {what}",
        unblocked_by=f"{ends}an operator raises the quota",
        permanent=never,
    )


def _amount(kind: str, amount: int) -> str:
    if kind == "cpu":
        return amount_of(Resources(cpu_milli=amount))
    if kind == "memory":
        return amount_of(Resources(memory_mib=amount))
    return amount_of(Resources(accelerators=((kind, amount),)))
