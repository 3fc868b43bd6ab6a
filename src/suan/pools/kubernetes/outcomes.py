"""How a run ended: from its keepers' words, and from Kubernetes' where a keeper has none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from suan.model.job import Cause, Outcome
from suan.model.pool import Usage
from suan.pools.kubernetes.objects import Job, Pod, Terminated

_MIB = 1 << 20
_SIGNALS = 128
_LAST_SIGNAL = 64
_MEMORY = "Kubernetes ended it: it took more memory than its limit"
# a pod's DisruptionTarget condition: the cause, and what to say of it
_DISRUPTIONS = {
    "PreemptionByScheduler": (
        Cause.PREEMPTED,
        "Kubernetes preempted it for a pod of more priority",
    ),
    "EvictionByEvictionAPI": (Cause.PREEMPTED, "it was evicted, as by `kubectl drain`"),
    "DeletionByTaintManager": (Cause.LOST, "its node got a taint that it does not tolerate"),
    "DeletionByPodGC": (Cause.LOST, "its node is gone"),
    "TerminationByKubelet": (Cause.LOST, "its node ended it"),
}
_REASONS = {
    "Evicted": (Cause.LOST, "its node evicted it"),
    "NodeLost": (Cause.LOST, "its node is lost"),
    "NodeShutdown": (Cause.LOST, "its node was shut down"),
    "Terminated": (Cause.LOST, "its node was shut down"),
    "Preempting": (Cause.PREEMPTED, "its node preempted it"),
    "UnexpectedAdmissionError": (Cause.LOST, "its node could not take it"),
    "DeadlineExceeded": (Cause.TIMED_OUT, "Kubernetes ended it: its time limit passed"),
}
_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_NEVER_LAID_OUT = 2  # the exit code of files.bringing
_PULLING_S = 60.0  # a registry that does not answer may be back in a while
_NEVER = ("not found", "manifest unknown", "denied", "unauthorized", "invalid reference",
          "authentication required", "no match for platform", "name unknown", "couldn't parse",
          "not present with pull policy", "insufficient_scope")  # fmt: skip
_BROKEN = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError",
           "ContainerCannotRun", "StartError"}  # fmt: skip
_UNKNOWN = {"Unknown", "ContainerStatusUnknown"}  # containerd's word (code 255), and the kubelet's
_WORD = re.compile(r"suan (\d+) (\d+) (\d+) (\S+) ([01]) ([01]) (\S+) (\S+)\n?(.*)\n?$")


@dataclass(frozen=True, slots=True)
class Word:
    """A keeper's word on its task's end. Times in microseconds; ``asked``: the signal by which
    somebody had asked for it, or ``-``; ``why`` it could not begin, if so."""

    code: int
    began: int
    ended: int
    asked: str
    late: bool
    out_of_memory: bool
    why: str
    usage: Usage


def word(pod: Pod) -> Word | None:
    """What a task's keeper wrote, if it came so far."""
    ended = pod.state.terminated
    match = _WORD.search(ended.message) if ended else None
    if match is None:
        return None
    code, began, end, asked, late, memory, cpu, most, why = match.groups()
    return Word(
        code=int(code),
        began=int(began) * 1000,
        ended=int(end) * 1000,
        asked=asked,
        late=late == "1",
        out_of_memory=memory == "1",
        why=why,
        usage=Usage(
            cpu_us=int(cpu) if cpu.isdigit() else None,
            max_rss_mib=-(-int(most) // _MIB) if most.isdigit() else None,
        ),
    )


def of_task(pod: Pod, rank: int, *, deleted: bool, limit_ms: int) -> Outcome:
    """How one task ended, whoever ended it. ``deleted``: its pod is gone."""
    said = word(pod)
    if said is not None and (said.late or said.asked == "-"):
        return _of_keeper(said, rank, limit_ms)
    ended = pod.state.terminated
    if said is None and ended is not None and ended.reason == "OOMKilled":
        return Outcome(Cause.OUT_OF_MEMORY, ended.exit_code, detail=_MEMORY)
    disrupted = pod.condition("DisruptionTarget")
    if disrupted is not None and disrupted.status == "True":
        cause, detail = _DISRUPTIONS.get(disrupted.reason, (Cause.LOST, disrupted.reason))
        return Outcome(cause, detail=_with(detail, disrupted.message))
    if pod.status.reason in _REASONS or pod.status.reason.startswith("OutOf"):
        cause, detail = _REASONS.get(
            pod.status.reason, (Cause.LOST, f"its node had no room for it ({pod.status.reason})")
        )
        return Outcome(cause, detail=_with(detail, pod.status.message))
    if pod.metadata.deletion_timestamp is not None:
        return Outcome(Cause.CANCELLED, detail="its pod was deleted in Kubernetes, not by suan")
    if said is not None:
        return _of_keeper(said, rank, limit_ms)
    if ended is not None:
        return _of_container(ended, rank, pod)
    if deleted:
        return Outcome(Cause.LOST, detail="its pod went while the API server could not be watched")
    if (before := pod.before.terminated) is not None and before.exit_code:
        cause = Cause.FAILED if before.exit_code == _NEVER_LAID_OUT else Cause.LOST
        why = "what its job brings could not be laid out"
        return Outcome(cause, detail=_with(why, before.message))
    return Outcome(Cause.LOST, detail=_with("its pod failed", pod.status.message))


def _of_keeper(said: Word, rank: int, limit_ms: int) -> Outcome:
    signal = said.code - _SIGNALS if _SIGNALS < said.code <= _SIGNALS + _LAST_SIGNAL else None
    if said.late:
        detail = f"its time limit of {limit_ms / 1000:g} s passed"
        return Outcome(Cause.TIMED_OUT, said.code, signal, detail)
    if said.code == 0:
        return Outcome(Cause.SUCCEEDED, 0)
    if said.out_of_memory:
        return Outcome(Cause.OUT_OF_MEMORY, said.code, signal, _MEMORY)
    return Outcome(Cause.FAILED, said.code, signal, said.why or _told(rank, said.code, signal))


def _of_container(ended: Terminated, rank: int, pod: Pod) -> Outcome:
    """The end of a keeper that could say nothing."""
    if ended.reason in _BROKEN:
        why = ended.message
        if '"bash"' in why and "not found" in why:
            why = "the image has no bash, which job scripts are run by"
        return Outcome(Cause.FAILED, ended.exit_code, detail=_with("it could not be started", why))
    code = ended.exit_code
    signal = code - _SIGNALS if _SIGNALS < code <= _SIGNALS + _LAST_SIGNAL else None
    if signal == 9 and pod.status.reason == "":
        return Outcome(Cause.LOST, code, signal, "its keeper was killed on its node")
    if ended.reason in _UNKNOWN:
        return Outcome(Cause.LOST, code, detail=_with("its node lost sight of it", ended.message))
    return Outcome(Cause.FAILED, code, signal, _told(rank, code, signal))


def unseen(job: Job) -> Outcome | None:
    """The outcome of a run some of whose pods were gone before anybody had seen them end, as when
    suan was away while their node was lost; ``None`` while its Job goes on."""
    end = job.end
    if end is None:
        return None
    if end.type == "Complete":
        return Outcome(Cause.SUCCEEDED, 0)
    why = _with("its pods are gone, and how they ended with them", end.message or end.reason)
    return Outcome(Cause.LOST, detail=why)


def of_gang(tasks: Mapping[int, tuple[Pod, Outcome]]) -> Outcome:
    """The outcome of a whole run: of the first task that went wrong by itself, or of the first."""
    wrong = []
    for rank, (pod, outcome) in tasks.items():
        if outcome.cause is not Cause.SUCCEEDED:
            said = word(pod)
            by_itself = said is None or said.asked == "-" or said.late
            wrong.append((not by_itself, said.ended if said else 0, rank, outcome))
    if wrong:
        return min(wrong, key=lambda each: each[:3])[3]
    return next(iter(tasks.values()))[1]


def blocked(pod: Pod, age_s: float) -> tuple[Outcome | None, str]:
    """Why a pod has not started after so long: an outcome, if it never will, and in words."""
    waiting = pod.state.waiting
    earlier = pod.before.waiting
    if earlier is not None and earlier.reason != "PodInitializing":
        waiting = earlier
    if waiting is not None and waiting.reason in _NO_IMAGE:
        said = _with(f"its image cannot be pulled ({waiting.reason})", waiting.message)
        never = waiting.reason in ("InvalidImageName", "ErrImageNeverPull")
        never = never or any(sign in waiting.message.lower() for sign in _NEVER)
        never = never or age_s > _PULLING_S
        return (Outcome(Cause.FAILED, detail=said) if never else None), said
    if waiting is not None and waiting.reason in _BROKEN:
        return None, _with(f"it cannot be started ({waiting.reason})", waiting.message)
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return None, scheduled.message or scheduled.reason
    if waiting is not None and waiting.reason not in ("", "ContainerCreating", "PodInitializing"):
        return None, _with(waiting.reason, waiting.message)
    return None, ""


def _told(rank: int, code: int, signal: int | None) -> str:
    if signal is not None:
        return f"task {rank} was ended by signal {signal}"
    return f"task {rank} exited with code {code}"


def _with(what: str, why: str) -> str:
    why = " ".join(why.split())[:500]
    return f"{what}: {why}" if why else what
