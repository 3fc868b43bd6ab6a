"""What becomes of a job when a run of it has ended. Pure: a table of causes and one function.

Limits count the runs made after the first, by cause. A lost node or a preemption is not the
job's fault: each has a limit of its own, and does not use up ``max_failures``.
"""

from dataclasses import dataclass

from suan.model.job import Cause, JobState, Outcome
from suan.model.spec import RetryPolicy
from suan.model.units import HOUR, Duration

LONGEST_BACKOFF: Duration = HOUR


@dataclass(frozen=True, slots=True)
class Tries:
    """How many runs of a job have ended in each way that a retry rule counts."""

    failed: int = 0
    lost: int = 0
    preempted: int = 0

    def counting(self, cause: Cause) -> "Tries":
        """With one more run that ended so."""
        return Tries(
            self.failed + (cause in (Cause.FAILED, Cause.OUT_OF_MEMORY)),
            self.lost + (cause is Cause.LOST),
            self.preempted + (cause is Cause.PREEMPTED),
        )


@dataclass(frozen=True, slots=True)
class Fate:
    """``state`` is final, or ``None`` to run again after ``wait``; ``elsewhere`` bars the pool."""

    state: JobState | None
    detail: str
    wait: Duration = 0
    elsewhere: bool = False


def fate(outcome: Outcome, policy: RetryPolicy, before: Tries) -> Fate:
    """What follows from how a run ended; ``before`` counts the job's earlier runs.

    A run that passed its time limit is not tried again: it would pass it again.
    """
    cause = outcome.cause
    if cause is Cause.SUCCEEDED:
        return Fate(JobState.SUCCEEDED, outcome.detail)
    if cause is Cause.CANCELLED:
        return Fate(JobState.CANCELLED, outcome.detail or "the run was cancelled")
    if cause is Cause.TIMED_OUT:
        return Fate(JobState.FAILED, outcome.detail or "the run passed its time limit")
    if cause is Cause.REJECTED:
        return Fate(None, _said("the pool refused it", outcome), elsewhere=True)
    if cause is Cause.UNLAUNCHED:  # no run was had, so none is counted: the job just waits on
        return Fate(None, _said("its launch failed", outcome))
    if cause is Cause.RESIZED:  # so it was meant, and no limit counts it
        return Fate(None, outcome.detail or "it goes on with another number of nodes")
    if cause is Cause.LOST:
        return _again("the run was lost", outcome, before.lost, most=policy.max_lost)
    if cause is Cause.PREEMPTED:
        said = "the run was preempted"
        return _again(said, outcome, before.preempted, most=policy.max_preempted)
    return _failed(outcome, policy, before.failed)


def _failed(outcome: Outcome, policy: RetryPolicy, failed: int) -> Fate:
    what = "it ran out of memory" if outcome.cause is Cause.OUT_OF_MEMORY else "it failed"
    if outcome.exit_code is not None:
        what += f" with exit code {outcome.exit_code}"
    if policy.on_exit_codes and outcome.exit_code not in policy.on_exit_codes:
        codes = ", ".join(map(str, policy.on_exit_codes))
        rule = f"; only exit codes {codes} are tried again" if policy.max_failures else ""
        return Fate(JobState.FAILED, _said(what, outcome) + rule)
    return _again(what, outcome, failed, most=policy.max_failures, backoff=policy.backoff)


def _again(what: str, outcome: Outcome, had: int, *, most: int, backoff: Duration = 0) -> Fate:
    said = _said(what, outcome)
    if had >= most:
        rule = f"; no retry is left of {most}" if most else ""
        return Fate(JobState.FAILED, said + rule)
    return Fate(None, f"{said}; retry {had + 1} of {most}", wait=back_off(backoff, had))


def back_off(base: Duration, had: int) -> Duration:
    """The wait before retry ``had + 1``: the base, doubled for each earlier one, at most 1 h."""
    return min(base << min(had, 40), LONGEST_BACKOFF)


def _said(what: str, outcome: Outcome) -> str:
    return f"{what}: {outcome.detail}" if outcome.detail else what
