"""What a user asks for: the job specification, in the field's own words.

A ``JobSpec`` is what a job file, an ``#SBATCH`` script, the command line and the SDK all become,
what the API accepts, and what the store keeps. It is plain data: parsing with line numbers is
``suan.jobfile``'s work. ``__post_init__`` refuses what can never make sense, with ``ValueError``.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from suan.model.units import Duration, Instant, Money, Thousandths

PRIORITY_MIN, PRIORITY_MAX = -1000, 1000  # SkyPilot's range
MAX_NODES = 10_000
MAX_ARRAY = 100_000
DEFAULT_CPU_MILLI: Thousandths = 1000
DEFAULT_MEMORY_MIB = 1024
CHECKPOINT_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT")

CONTENT = "sha256:"  # begins a workdir's or mount's source that is sent by content, not by path

_FORBID_EXTRA = {"extra": "forbid"}


def content_of(source: str | None) -> str | None:
    """The digest of a source that is sent by its content; ``None`` for any other."""
    if source is None or not source.startswith(CONTENT):
        return None
    return source.removeprefix(CONTENT)


@dataclass(frozen=True, slots=True)
class ResourceOption:
    """One acceptable set of resources per node (SkyPilot's ``resources``, one of ``any_of``).

    ``memory_mib`` of ``None`` reserves ``DEFAULT_MEMORY_MIB`` and sets no limit. ``infra`` is a
    pool name, a ``kind/name`` pair, a site name, or ``None`` for anywhere; ``*`` is a wildcard.
    ``image_id`` is the container image to run in, for pools that have containers.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_EXTRA

    cpu_milli: Thousandths = DEFAULT_CPU_MILLI
    memory_mib: int | None = None
    accelerators: dict[str, Thousandths] = field(default_factory=dict)
    infra: str | None = None
    image_id: str | None = None

    def __post_init__(self) -> None:
        if self.cpu_milli < 0 or (self.memory_mib is not None and self.memory_mib < 0):
            raise ValueError("resources: cpus and memory must not be negative")
        if any(amount <= 0 for amount in self.accelerators.values()):
            raise ValueError("resources: an accelerator count must be positive")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed run is tried again. Limits count the runs made after the first, by cause.

    ``on_exit_codes`` empty means any non-zero code counts for ``max_failures``. A lost node and a
    preemption are not the job's fault, so they have limits of their own.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_EXTRA

    max_failures: int = 0
    on_exit_codes: tuple[int, ...] = ()
    max_lost: int = 3
    max_preempted: int = 1000
    backoff: Duration = 0

    def __post_init__(self) -> None:
        if min(self.max_failures, self.max_lost, self.max_preempted, self.backoff) < 0:
            raise ValueError("retry: limits must not be negative")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How a job saves its work: so that little is lost when it is preempted.

    Every ``interval`` it saves by itself (``None``: only when asked). ``signal`` is sent to its
    processes when it is to stop, and they have ``grace`` to save and end before they are killed.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_EXTRA

    signal: str = "SIGTERM"
    grace: Duration | None = None
    interval: Duration | None = None

    def __post_init__(self) -> None:
        if self.signal not in CHECKPOINT_SIGNALS:
            known = ", ".join(CHECKPOINT_SIGNALS)
            raise ValueError(f"checkpoint: unknown signal {self.signal!r}; use one of {known}")
        if self.grace is not None and self.grace < 0:
            raise ValueError("checkpoint: grace must not be negative")
        if self.interval is not None and self.interval <= 0:
            raise ValueError("checkpoint: interval must be positive")


@dataclass(frozen=True, slots=True)
class After:
    """A dependency: this job waits until ``job`` has ended as ``condition`` says.

    ``job`` names a job id, an array's id (all its members), or, inside one submission, another
    job's name. ``condition``: ``succeeded``, ``failed`` or ``ended``.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_EXTRA

    job: str
    condition: str = "succeeded"

    def __post_init__(self) -> None:
        if self.condition not in ("succeeded", "failed", "ended"):
            raise ValueError(
                f"after: unknown condition {self.condition!r}; use succeeded, failed or ended"
            )


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Of a job that another platform forwarded: the run that it is there, which is what its user
    knows it as, and the ids of the platforms that it has been through, the first one first."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_EXTRA

    run: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job as its user wrote it, after defaults. ``run`` is a shell script, run on every node.

    ``array`` lists the indices of an array job; ``sweep`` the values of each parameter, whose
    grid becomes an array with the parameters in the environment. At most one of the two.
    With ``max_nodes`` it is elastic: it starts with ``num_nodes`` and may have up to so many.
    With ``reservation`` it runs in that advance reservation of an operator's, and nowhere else.
    ``secrets`` are set in the environment and nowhere else: every view leaves them out.
    ``workdir`` and the sources in ``file_mounts`` are paths that the pool has, or ``sha256:DIGEST``
    of a manifest, whose files are delivered to it (``suan.model.pool.Parcel``).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _FORBID_EXTRA

    run: str
    name: str = "job"
    setup: str | None = None
    workdir: str | None = None
    num_nodes: int = 1
    max_nodes: int | None = None
    resources: tuple[ResourceOption, ...] = (ResourceOption(),)
    ordered: bool = False
    envs: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    file_mounts: dict[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    queue: str = "default"
    tenant: str = "default"
    priority: int = 0
    framework: str | None = None
    reservation: str | None = None
    time_limit: Duration | None = None
    expected: Duration | None = None
    deadline: Instant | None = None
    flexible: Duration | None = None
    latency: str | None = None
    budget: Money | None = None
    max_hourly_cost: Money | None = None
    after: tuple[After, ...] = ()
    retry: RetryPolicy = RetryPolicy()
    checkpoint: Checkpoint | None = None
    array: tuple[int, ...] = ()
    sweep: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stdout: str | None = None  # an extra copy's path, as in `#SBATCH --output`
    stderr: str | None = None
    origin: str = "jobfile"  # or "sbatch", "command", "sdk": which conventions its environment has
    forwarded: Forwarded | None = None  # set by suan alone; ``envs`` is then the whole environment

    @property
    def contents(self) -> tuple[str, ...]:
        """The digests of what it brings by content, each once."""
        sources = (self.workdir, *self.file_mounts.values())
        return tuple(dict.fromkeys(each for each in map(content_of, sources) if each is not None))

    def __post_init__(self) -> None:
        if not self.run.strip():
            raise ValueError("run: the command is empty; write what the job should do")
        if not 1 <= self.num_nodes <= MAX_NODES:
            raise ValueError(f"num_nodes: must be from 1 to {MAX_NODES}, got {self.num_nodes}")
        if self.max_nodes is not None and not self.num_nodes <= self.max_nodes <= MAX_NODES:
            raise ValueError(
                f"max_nodes: must be from num_nodes ({self.num_nodes}) to {MAX_NODES},"
                f" got {self.max_nodes}"
            )
        if not PRIORITY_MIN <= self.priority <= PRIORITY_MAX:
            raise ValueError(
                f"priority: must be from {PRIORITY_MIN} to {PRIORITY_MAX}, got {self.priority}"
            )
        if not self.resources:
            raise ValueError("resources: at least one option is needed")
        if self.array and self.sweep:
            raise ValueError("array and sweep: use one of them; a sweep makes its own array")
        if len(self.array) > MAX_ARRAY:
            raise ValueError(f"array: at most {MAX_ARRAY} members, got {len(self.array)}")
        for name in ("time_limit", "expected"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name}: must be positive")
