"""Jobs that wait for others: how those that have left ended.

The scheduler forgets a job when it ends and must be told only of what is still open, as in the live
loop. Only traces with dependencies pay for this memory.
"""

from suan.model.job import JobState
from suan.model.units import JobId
from suan.sim.traces.job import TraceJob

FULFILS: dict[str, tuple[JobState, ...]] = {
    "succeeded": (JobState.SUCCEEDED,),
    "failed": (JobState.FAILED,),
    "ended": (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED),
}


class Ends:
    """How jobs ended, by id."""

    def __init__(self) -> None:
        self._of: dict[JobId, JobState] = {}

    def note(self, job: JobId, state: JobState) -> None:
        """A job has left."""
        self._of[job] = state

    def still_open(self, job: TraceJob) -> tuple[tuple[JobId, str], ...] | None:
        """What a job still waits for; ``None`` if that can never be."""
        open_after = []
        for other, condition in job.after:
            state = self._of.get(other)
            if state is None:
                open_after.append((other, condition))
            elif state not in FULFILS[condition]:
                return None
        return tuple(open_after)
