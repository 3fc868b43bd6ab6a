"""What is known of each run: its Job, its pods, and what they make of it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from suan.model.job import Cause, Outcome
from suan.model.pool import RunReport, Usage
from suan.model.units import RunId
from suan.pools.kubernetes import marks, outcomes
from suan.pools.kubernetes.objects import Job, Pod, know
from suan.pools.kubernetes.records import Records


@dataclass(slots=True, eq=False)
class Entry:
    """One run. ``pods`` holds the newest word of each task's pod, ``gone`` the ranks whose pods are
    deleted; ``accounted``: those that were never seen are not there any more, nor will be.
    ``seen_at``, ``went_at``, when its gang was let go, and ``over_at``, when its end was known, are
    of this process's own clock; ``touched`` counts how often its pods were since it was let go;
    ``evicted``: its Job was suspended once it had pods, as Kueue does, and none of them goes on."""

    run: RunId
    job: Job
    asked: marks.Asked
    pods: dict[int, Pod] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    started_at: int | None = None
    ended_at: int | None = None
    outcome: Outcome | None = None
    usage: Usage | None = None
    sequence: int = 0
    seen_at: float = field(default_factory=time.monotonic)
    went_at: float | None = None
    over_at: float | None = None
    touched: int = 0
    evicted: bool = False
    job_gone: bool = False
    accounted: bool = False

    @property
    def name(self) -> str:
        return self.job.metadata.name

    @property
    def end(self) -> marks.End | None:
        return marks.end(self.job)

    @property
    def taken_back(self) -> bool:
        """Whether it makes no pods any more."""
        return self.job.spec.parallelism == 0 or self.job_gone

    @property
    def started(self) -> bool:
        """Whether a task of it has begun."""
        return any(began(pod) is not None for pod in self.pods.values())

    @property
    def to_account(self) -> bool:
        """Whether its Job makes no more pods, and some were never seen: they may have begun."""
        short = len(self.pods) < self.asked.tasks
        return short and not self.accounted and (self.taken_back or self.job.end is not None)

    @property
    def whole(self) -> bool:
        """Whether each task has its pod."""
        return len(self.pods) == self.asked.tasks and not self.gone

    def rest(self) -> Iterator[tuple[int, Pod]]:
        """The tasks that have not ended."""
        for rank, pod in self.pods.items():
            if not pod.over and rank not in self.gone:
                yield rank, pod

    def report(self) -> RunReport:
        return RunReport(
            run=self.run,
            ref=self.run,
            started_at=self.started_at,
            ended_at=self.ended_at,
            outcome=self.outcome,
            usage=self.usage if self.outcome else None,
        )


class Runs:
    """Every run of the pool that has not been put away. ``changed`` gives each change its number;
    ``touched`` is told of each run of which there is news; ``records`` know what ended earlier."""

    def __init__(
        self,
        *,
        changed: Callable[[], int],
        touched: Callable[[Entry], None],
        records: Records,
    ) -> None:
        self._records = records
        self._changed = changed
        self._touched = touched
        self.jobs: dict[str, Job] = {}  # by name, tombstones as well
        self._early: dict[str, dict[int, Pod]] = {}  # pods whose job is not known yet, by its uid
        self.entries: dict[RunId, Entry] = {}

    def hear_job(self, before: Job | None, after: Job | None) -> None:
        """A job of the pool came, changed or went."""
        job = know(self.jobs, before, after)
        asked = marks.asked(job)
        if asked is None or marks.abandoned(job):
            return
        entry = self.entries.get(RunId(asked.run))
        if after is None:
            if entry is not None and entry.job.metadata.uid == job.metadata.uid:
                entry.job_gone = True
                self.look_at(entry)
        else:
            self.take_in(job, asked)

    def take_in(self, job: Job, asked: marks.Asked) -> Entry:
        """What is known of a run's job from now on."""
        entry = self.entries.get(RunId(asked.run))
        if entry is None or entry.job.metadata.uid != job.metadata.uid:
            entry = Entry(RunId(asked.run), job, asked)
            entry.pods = self._early.pop(job.metadata.uid, {})
            self.entries[entry.run] = entry
        elif _version(job) > _version(entry.job):
            if entry.job.spec.suspend and not job.spec.suspend:
                entry.seen_at = time.monotonic()  # Kueue has let it go
            entry.job = job
        self.look_at(entry)
        return entry

    def hear_pod(self, before: Pod | None, after: Pod | None) -> None:
        """A pod of the pool came, changed or went."""
        pod = after or before
        assert pod is not None
        uid = pod.metadata.owner_references[0].uid if pod.metadata.owner_references else ""
        entry = next((e for e in self._named(pod) if e.job.metadata.uid == uid), None)
        if entry is None:
            if after is not None:
                self._early.setdefault(uid, {})[pod.index] = pod
            return
        known = entry.pods.get(pod.index)
        if known is not None and known.over and known.metadata.uid != pod.metadata.uid:
            return
        entry.pods[pod.index] = pod
        if after is None:
            entry.gone.add(pod.index)
        self.look_at(entry)

    def _named(self, pod: Pod) -> Iterator[Entry]:
        """The runs that a pod may be of: by its label, which most often is the run's own name."""
        label = pod.metadata.labels.get(marks.RUN, "")
        entry = self.entries.get(RunId(label))
        if entry is not None:
            yield entry
        else:
            yield from (e for e in self.entries.values() if marks.base_name(e.run) == label)

    def look_at(self, entry: Entry) -> None:
        """See what its job and pods say."""
        entry.evicted |= entry.job.spec.suspend and bool(entry.pods or entry.job.end)
        self._touched(entry)
        if entry.outcome is not None:
            return
        known = self._records.ended.get(entry.run)
        if known is not None:  # an earlier server has seen the end, and has told it
            entry.started_at, entry.ended_at = known.started_at, known.ended_at
            entry.outcome, entry.usage = known.outcome, known.usage
            self._ended(entry)
            return
        if entry.started_at is None:
            starts = [at for at in map(began, entry.pods.values()) if at is not None]
            if starts and len(starts) == entry.asked.tasks:
                entry.started_at = max(*starts, entry.asked.at)
                entry.sequence = self._changed()
        judged = judge(entry)
        if judged is not None:
            self.settle(entry, judged)

    def settle(self, entry: Entry, outcome: Outcome) -> None:
        """A run is over."""
        words = [word for word in map(outcomes.word, entry.pods.values()) if word is not None]
        if words:
            entry.started_at = max(word.began for word in words) or entry.started_at
            entry.usage = Usage(
                cpu_us=sum(word.usage.cpu_us or 0 for word in words),
                max_rss_mib=max(word.usage.max_rss_mib or 0 for word in words) or None,
            )
        ends = [word.ended for word in words]
        known = marks.over(entry.job)
        ended = max(ends) if ends else (known[1] if known else marks.now_us())
        entry.ended_at = max(ended, entry.started_at or ended)
        entry.outcome = outcome
        self._ended(entry)
        self._touched(entry)

    def _ended(self, entry: Entry) -> None:
        entry.sequence, entry.over_at = self._changed(), time.monotonic()


def began(pod: Pod) -> int | None:
    """When a pod's container started, in microseconds."""
    state = pod.state
    at: datetime | None = None
    if state.running is not None:
        at = state.running.started_at
    elif state.terminated is not None and state.terminated.reason != "StartError":
        at = state.terminated.started_at
    return round(at.timestamp() * 1e6) if at is not None and at.year > 1970 else None


def judge(entry: Entry) -> Outcome | None:
    """How a run ended; ``None`` while it has not, or nobody can tell yet."""
    if any(entry.rest()) or entry.to_account:
        return None
    over = marks.over(entry.job)
    cut_off = not entry.pods or _was_asked(entry)
    if over is not None and (cut_off or not entry.evicted):
        return _taken_back(entry, over[0])
    if entry.evicted and cut_off and entry.end is None and not entry.job_gone:
        return None  # until it is written on the Job why
    if entry.taken_back and not entry.pods:
        if entry.job_gone and entry.end is None:
            return Outcome(Cause.CANCELLED, detail="its job was deleted in Kubernetes, not by suan")
        return Outcome(Cause.CANCELLED)
    if len(entry.pods) < entry.asked.tasks and not entry.taken_back:
        return outcomes.unseen(entry.job)
    limit = entry.asked.limit_ms
    tasks = {
        rank: (pod, outcomes.of_task(pod, rank, deleted=rank in entry.gone, limit_ms=limit))
        for rank, pod in sorted(entry.pods.items())
    }
    outcome = outcomes.of_gang(tasks)
    if entry.end is not None and _was_asked(entry):
        return replace(outcome, cause=Cause.CANCELLED, detail="")
    return outcome


def _was_asked(entry: Entry) -> bool:
    """Whether a task ended because it was asked to; one that ended by itself keeps its word."""
    words = [outcomes.word(pod) for pod in entry.pods.values()]
    return any(word is None or (word.asked != "-" and not word.late) for word in words)


def _taken_back(entry: Entry, told: Outcome) -> Outcome:
    if told.cause is Cause.UNLAUNCHED and entry.started:
        return replace(told, cause=Cause.LOST, detail=f"taken back as it began: {told.detail}")
    return told


def _version(job: Job) -> int:
    text = job.metadata.resource_version
    return int(text) if text.isdigit() else 0
