"""Dependencies at the moment a job is taken: what is still open, and what can never be met."""

from collections.abc import Mapping
from dataclasses import dataclass

from suan.core.fates import FULFILS
from suan.model.job import JobState
from suan.model.units import JobId

Dependency = tuple[JobId, str]


@dataclass(frozen=True, slots=True)
class Waits:
    """The dependencies that have not ended yet."""

    open: tuple[Dependency, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """A dependency ended in a way that the job can never start."""

    detail: str


def resolve(after: tuple[Dependency, ...], states: Mapping[JobId, JobState]) -> Waits | Never:
    """Judge each dependency by its job's recorded state. A job that is not known counts as met
    only for ``ended``: it was removed, so it ended, and nobody can say how."""
    waiting = []
    for job, condition in after:
        state = states.get(job)
        if state is not None and not state.final:
            waiting.append((job, condition))
        elif not satisfied(state, condition):
            ended = state.value if state is not None else "removed"
            return Never(f"it waits for {job} to have {condition}, which is {ended}")
    return Waits(tuple(waiting))


def satisfied(state: JobState | None, condition: str) -> bool:
    """Whether a job that ended in ``state`` meets ``condition``."""
    return condition == "ended" if state is None else state in FULFILS[condition]
