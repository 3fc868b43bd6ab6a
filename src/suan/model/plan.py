"""What to do: the plan that the scheduler gives out, and its explanations."""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from suan.model.job import Cause, JobState
from suan.model.refusal import Refusal
from suan.model.resources import Resources
from suan.model.units import Instant, JobId, Money, NodeName, PoolName, RunId
from suan.model.value import quick


@dataclass(frozen=True, slots=True)
class Cost:
    """What a pool would cost a job, an hour: a sum that a person can read line by line."""

    pool: PoolName
    terms: tuple[tuple[str, Money], ...]
    total: Money


@quick
@dataclass(frozen=True, slots=True)
class Place:
    """Start a run of a job on these nodes, one for each task in rank order.

    ``costs`` begins with the chosen pool. After it come the pools it was preferred to: they cost
    as much or more (with ordered options: they come later), and were not asked whether they have
    room now. ``refusals`` are the other pools': first those that would have been preferred but
    are full or kept for an earlier job, then those that cannot run the job as things are. It
    ``hurries`` where it starts just in time for its deadline.
    """

    job: JobId
    run: RunId
    attempt: int
    pool: PoolName
    option: int
    nodes: tuple[NodeName, ...]
    per_task: Resources
    costs: tuple[Cost, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    hurries: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """End a run that is placed or started; its job's fate is decided when it has ended.

    It ``makes_room_for`` that job, if for one; to be resized, it goes on with the nodes that it
    ``keeps``, one for each task.
    """

    run: RunId
    cause: Cause
    detail: str = ""
    keeps: tuple[NodeName, ...] | None = None
    makes_room_for: JobId | None = None


@dataclass(frozen=True, slots=True)
class Requeue:
    """A job goes back in line, with its place kept, not to start before ``not_before``."""

    job: JobId
    run: RunId
    not_before: Instant
    detail: str


@quick
@dataclass(frozen=True, slots=True)
class Finish:
    """A job has reached a final state. ``run`` is the run that brought it there, if any."""

    job: JobId
    state: JobState
    run: RunId | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A job that could start now waits until ``until``, because that costs less."""

    job: JobId
    until: Instant
    detail: str


Decision: TypeAlias = Place | Stop | Requeue | Finish | Hold


@quick
@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions of one cycle, in order.

    ``wake_at`` is when to decide again though nothing happens (``None``: only on an event);
    ``more`` says that the cycle reached its limit of decisions and should go on at once.
    """

    now: Instant
    decisions: tuple[Decision, ...]
    wake_at: Instant | None = None
    more: bool = False

    def digest(self) -> str:
        """A SHA-256 over every field of every decision: equal plans, and only they, agree."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job waits, or where it would go.

    ``refusals`` empty and ``costs`` not means that it would start now, on the first of ``costs``.
    ``ahead`` counts the jobs, of any queue, that come before it for something that it could use.
    It may start between ``earliest`` and ``latest``, as far as can be told from what ``rests_on``
    says; without either, that says why it cannot be told. ``due`` tells of its deadline.
    """

    job: JobId
    state: str
    summary: str
    refusals: tuple[Refusal, ...] = ()
    costs: tuple[Cost, ...] = ()
    ahead: int | None = None
    earliest: Instant | None = None
    latest: Instant | None = None
    rests_on: str = ""
    due: str = ""
