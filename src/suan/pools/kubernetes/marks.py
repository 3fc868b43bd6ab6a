"""What suan writes on its objects, and how it names them."""

import hashlib
import re
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from suan.model.errors import PoolRejected
from suan.model.job import Cause, Outcome
from suan.pools.kubernetes.objects import Job, Named, Pod

POOL = "suan/pool"  # labels
RUN = "suan/run"
JOB = "suan/job"
SHARE = "suan/share"  # thousandths of a device, of a pod that takes a part of one
MANAGED = "app.kubernetes.io/managed-by"

LAUNCH = "suan/launch"  # annotations of a job: what was asked
ABANDONED = "suan/abandoned"  # that its launch was given up: by whom, and when in his order
END = "suan/end"  # that it is to end: the signal, and when it is to be killed
OVER = "suan/over"  # how it ended, where no pod can tell
GATE = "suan/gang"  # a scheduling gate, lifted for the whole gang at once
GO = "suan/go"  # annotations of a pod: the addresses of its whole gang
AGAIN = "suan/again"  # how often a pod was touched so that its node shows it the above
TELL = "suan/end"  # what its keeper is to do

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PLAIN = re.compile(r"[a-z][a-z0-9-]{0,49}")
_LONGEST = 38


def owned_by(job: Job | Named) -> dict[str, Any]:
    """What to patch an object with that is to go with a Job."""
    owner = {
        "apiVersion": "batch/v1", "kind": "Job", "name": job.metadata.name,
        "uid": job.metadata.uid,
    }  # fmt: skip
    return {"metadata": {"ownerReferences": [owner]}}


def check(run: str) -> None:
    """Raises:
    PoolRejected: it can be no run's name.
    """
    if not _RUN_NAME.fullmatch(run):
        raise PoolRejected(f"{run!r} is not the name of a run")


def base_name(run: str) -> str:
    """A run's name as Kubernetes takes it: itself, if it can be the name of a host."""
    if _PLAIN.fullmatch(run):
        return run
    plain = re.sub(r"[^a-z0-9]+", "-", run.lower()).strip("-")[:_LONGEST]
    return f"r-{plain}-{hashlib.sha256(run.encode()).hexdigest()[:8]}"


def job_name(run: str, attempt: int) -> str:
    return f"{base_name(run)}-{attempt}"


class Asked(msgspec.Struct, omit_defaults=True):
    """What a job's annotation keeps of a launch. Never a secret, never the environment."""

    run: str
    nodes: list[str] = []
    requests: dict[str, str] = {}  # of each task
    at: int = 0  # when it was launched, in microseconds
    limit_ms: int = 0
    mark: str = ""  # of lines of standard error in the log
    image: str = ""
    together: bool = False  # both streams go to one file
    keeps: bool = False  # what it leaves goes to the pod that keeps files
    ends: bool = False  # its keeper marks the ends of its streams

    @property
    def tasks(self) -> int:
        return len(self.nodes)


class _Over(msgspec.Struct, omit_defaults=True):
    cause: str
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """That a run is to end: by which signal, and when it is to be killed (epoch, milliseconds)."""

    signal: str
    kill_at: int

    def told(self) -> str:
        return f"{self.signal} {self.kill_at}"


def asked(job: Job) -> Asked | None:
    """What was launched; ``None`` if the job is not ours or cannot be read."""
    text = job.metadata.annotations.get(LAUNCH)
    try:
        return msgspec.json.decode(text, type=Asked) if text else None
    except msgspec.DecodeError:
        return None


def abandoned(job: Job) -> tuple[str, int] | None:
    """Who gave the launch up, and his ticket."""
    text = job.metadata.annotations.get(ABANDONED)
    owner, _, ticket = (text or "").partition(" ")
    return (owner, int(ticket)) if ticket.isdigit() else None


def end(job: Job) -> End | None:
    signal, _, kill_at = job.metadata.annotations.get(END, "").partition(" ")
    return End(signal, int(kill_at)) if kill_at.isdigit() else None


def over(job: Job) -> tuple[Outcome, int] | None:
    """How it ended, and when (microseconds)."""
    text = job.metadata.annotations.get(OVER)
    if not text:
        return None
    told = msgspec.json.decode(text, type=_Over)
    return Outcome(Cause(told.cause), told.exit_code, told.signal, told.detail), told.at


def told(outcome: Outcome, at: int) -> str:
    """The same, as it is written down."""
    word = _Over(outcome.cause.value, outcome.exit_code, outcome.signal, outcome.detail, at)
    return msgspec.json.encode(word).decode()


def labels(pool: str, run: str, job: str) -> dict[str, str]:
    """On everything that a run has."""
    found = {MANAGED: "suan", POOL: pool, RUN: base_name(run)}
    return found | ({JOB: base_name(job)} if job else {})


def kill_at(pod: Pod) -> int | None:
    """When a pod was told to be killed (epoch, milliseconds)."""
    word = pod.metadata.annotations.get(TELL, "").partition(" ")[0].rpartition(".")[2]
    return int(word) if word.isdigit() else None


def now_us() -> int:
    """This machine's clock, in microseconds."""
    return time.time_ns() // 1000


def encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()
