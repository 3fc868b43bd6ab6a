"""What a pool must be able to do: a small required protocol and optional one-purpose ones.

Capabilities are derived from what a class implements (``capabilities``) and travel as data.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from suan.model.bill import Bill
from suan.model.job import Outcome
from suan.model.offer import NodeStatus, Offer
from suan.model.resources import Resources
from suan.model.spec import Checkpoint
from suan.model.units import Duration, Instant, JobId, NodeName, RunId


@dataclass(frozen=True, slots=True)
class Parcel:
    """Files that a run is to find, by their content.

    ``digest`` is the SHA-256 (hexadecimal) of a manifest (``suan.content.manifest``), which lists
    each file by the SHA-256 of its own bytes. They are laid out at ``target``, relative to the
    run's working directory; an empty one is that directory itself.
    """

    target: str
    digest: str


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a pool needs to start a run. ``nodes`` has one entry for each task, by rank.

    ``memory_limit_mib`` is set when the user stated a need; ``env`` holds the user's variables
    and suan's own that do not depend on the node; ``secrets`` go to the tasks' environment alone.
    ``workdir`` and ``file_mounts`` are paths that the pool has; ``parcels`` are copies, delivered
    before the launch (``Deliver``), for the run alone to change. ``outputs`` are paths below the
    working directory that count as the run's output beside ``SUAN_OUTPUT_DIR`` (``Outputs``).
    ``checkpoint`` is for a pool that may displace runs by itself.
    """

    run: RunId
    job: JobId
    name: str
    nodes: tuple[NodeName, ...]
    per_task: Resources
    script: str
    setup: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    workdir: str | None = None
    file_mounts: dict[str, str] = field(default_factory=dict)
    memory_limit_mib: int | None = None
    time_limit: Duration | None = None
    stdout: str | None = None
    stderr: str | None = None
    parcels: tuple[Parcel, ...] = ()
    outputs: tuple[str, ...] = ()
    image: str | None = None  # the container to run in, for pools that have them
    checkpoint: Checkpoint | None = None
    known_as: RunId | None = None  # to its user, where another platform forwarded it
    path: tuple[str, ...] = ()  # the platforms that it has been through, this one last


@dataclass(frozen=True, slots=True)
class Usage:
    """What a pool measured of a run. ``None`` where it cannot.

    ``energy_mwh`` is what the counters in ``energy_method`` ("counter:rapl+nvml") saw, without the
    building's overhead: ``rapl`` the processors, ``nvml`` the accelerators, any other all of it.
    """

    cpu_us: int | None = None  # processor time really used
    max_rss_mib: int | None = None
    energy_mwh: int | None = None
    energy_method: str = ""
    accelerator_utilisation_milli: int | None = None  # mean over the run and its accelerators


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one pool may be slow or silent. ``None``: as the server has it for all.

    ``call_timeout`` is of any one call, ``launch_timeout`` of a launch before its outcome counts as
    unknown, ``answer_within`` of a look at it before nothing new goes there, ``launch_patience`` of
    a run that is tried to be launched, ``retry_most`` the longest between two tries;
    ``failures_to_lose`` counts faults in a row.
    """

    call_timeout: Duration | None = None
    launch_timeout: Duration | None = None
    answer_within: Duration | None = None
    launch_patience: Duration | None = None
    retry_most: Duration | None = None
    failures_to_lose: int | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """A pool's word on one run: started, or (with ``outcome``) ended. ``bill`` is what its owner
    asks for it, where that is not reckoned here by the pool's terms."""

    run: RunId
    ref: str
    started_at: Instant | None = None
    ended_at: Instant | None = None
    outcome: Outcome | None = None
    usage: Usage | None = None
    bill: Bill | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Capacity and runs since a cursor. ``nodes`` of ``None`` means capacity has not changed.

    Reports may repeat; each run's end is reported at least once after the cursor that saw it run.
    """

    cursor: str
    nodes: tuple[NodeStatus, ...] | None = None
    removed: tuple[NodeName, ...] = ()
    complete: bool = True
    reports: tuple[RunReport, ...] = ()


class Pool(Protocol):
    """One pool. Methods raise only ``PoolError``s, which say whether anything happened."""

    kind: ClassVar[str]

    @property
    def offer(self) -> Offer:
        """What is true of the pool as a whole."""
        ...

    async def observe(self, cursor: str | None) -> Observation:
        """Capacity and runs since ``cursor``; everything for ``None``."""
        ...

    async def launch(self, launch: Launch) -> str:
        """Start a run and return the pool's reference to it. Idempotent on the run's id."""
        ...

    async def find(self, run: RunId) -> str | None:
        """The reference of a run that was launched here, or ``None`` if it never was.

        After ``None``, a launch that an earlier process left unfinished must have no effect.
        """
        ...

    async def cancel(self, ref: str, grace: Duration) -> None:
        """Ask a run's processes to end, and end them after ``grace``. Absent is success."""
        ...

    async def close(self) -> None:
        """Let go of what this object holds. Runs go on."""
        ...


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of a log. ``end`` says that the run is over and nothing will follow."""

    data: bytes
    next_offset: int
    end: bool


@runtime_checkable
class Logs(Protocol):
    """A pool that can give the output of a run's tasks."""

    async def read_log(
        self, ref: str, *, task: int, stream: str, offset: int, limit: int
    ) -> LogChunk:
        """At most ``limit`` bytes of ``stream`` ("stdout" or "stderr") from ``offset``.

        A negative offset counts from the end.
        """
        ...


@runtime_checkable
class Watch(Protocol):
    """A pool that can say when something may have changed."""

    async def changed(self) -> None:
        """Return as soon as an ``observe`` may have news."""
        ...


@runtime_checkable
class Preempt(Protocol):
    """A pool that can tell a run to save its work before it is ended."""

    async def preempt(self, ref: str, *, signal: str, grace: Duration) -> None:
        """Send a run's processes ``signal`` (``SIGUSR1``, …), and end them after ``grace``.

        As ``cancel`` otherwise: absent is success, and again is harmless. Of a run that it ended
        the pool says ``CANCELLED``; one that had ended by itself keeps its own outcome.
        """
        ...


@runtime_checkable
class Waits(Protocol):
    """A pool that can tell what keeps a run that it has taken from starting."""

    async def waits(self, ref: str) -> str:
        """That, in a sentence; empty where nothing does, or nobody knows."""
        ...


class Content(Protocol):
    """Where what is to be delivered lies: bytes by their SHA-256, in hexadecimal."""

    async def size(self, digest: str) -> int:
        """How many bytes they are.

        Raises:
            PoolRejected: they are not there.
        """
        ...

    async def read(self, digest: str, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes from ``offset``; none at the end. Raises as ``size`` does."""
        ...


@runtime_checkable
class Deliver(Protocol):
    """A pool that can be sent files. Without it, jobs that bring files are not placed there."""

    async def deliver(self, parcel: Parcel, content: Content, moved: Callable[[int], None]) -> None:
        """Bring to the pool what it lacks of a parcel's manifest and files, to be launched with.

        It may take as long as it moves: ``moved`` is called with the number of bytes as they
        arrive, and for what was there already. Again is harmless, sends nothing twice, and goes
        on where an earlier call broke off or was cancelled. Parcels may come at the same time,
        but never the same one twice from one caller. What was delivered stays for some days after
        its last delivery; a launch whose parcel is gone all the same raises ``PoolUnavailable``.

        Raises:
            PoolRejected: the pool can never take it.
            PoolError: it is not all there; what is, stays.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that a run has left. ``path`` is relative, its parts joined by ``/``; ``digest`` is
    the SHA-256 of its bytes, in hexadecimal."""

    path: str
    size: int
    digest: str
    executable: bool = False


@runtime_checkable
class Outputs(Protocol):
    """A pool that keeps what its runs leave in ``SUAN_OUTPUT_DIR``, as long as it keeps logs."""

    async def list_outputs(self, ref: str) -> tuple[OutputFile, ...]:
        """What a run has left so far, by path: regular files in ``SUAN_OUTPUT_DIR``, and those at
        ``Launch.outputs`` under their paths below the working directory.

        Raises:
            PoolRejected: there is no such run here.
        """
        ...

    async def read_output(self, ref: str, path: str, *, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes of one of them from ``offset``; none at its end.

        Raises:
            PoolRejected: there is no such run or file, or the path leads elsewhere.
        """
        ...


def capabilities(pool: object) -> tuple[str, ...]:
    """The optional protocols that a pool implements, by name."""
    optional: tuple[tuple[str, type], ...] = (
        ("logs", Logs),
        ("watch", Watch),
        ("preempt", Preempt),
        ("deliver", Deliver),
        ("outputs", Outputs),
        ("waits", Waits),
    )
    return tuple(name for name, protocol in optional if isinstance(pool, protocol))
