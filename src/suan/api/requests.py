"""What small requests ask for: their bodies, checked as they are read.

For the routes that read them and the OpenAPI document that describes them. A job's own body is
:class:`suan.model.spec.JobSpec`.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from suan.api.auth import SCOPES, USER
from suan.api.checks import MAX_INT
from suan.content.manifest import is_digest
from suan.model.policy import DISCIPLINES

MAX_WEIGHT = 1_000_000
MAX_JOBS = 1_000_000_000
MAX_TIME_S = 4_102_444_800  # the year 2100
MAX_NODES = 100_000
MAX_REASON = 200
MAX_DIGESTS = 10_000
MAX_URL = 2000
MAX_DEVICE_HOURS = 1_000_000_000
_MOST = {
    "running": MAX_JOBS,
    "pending": MAX_JOBS,
    "device_hours": MAX_DEVICE_HOURS,
    "money": MAX_INT,
}
MAX_LIFE_S = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class BoundsRequest:
    """Amounts of some kinds: processors and accelerators (by model) in thousandths, memory in MiB.
    A kind that is not given is not limited."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    cpu_milli: int | None = None
    memory_mib: int | None = None
    accelerators: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuotaRequest:
    """What a queue or a tenant may hold at once. Its ``guarantee`` is its own; the queues (or the
    tenants of one parent) of one ``cohort`` lend each other what they do not use of theirs; it
    never holds more than its ``ceiling``. An empty object is no quota."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    guarantee: BoundsRequest = BoundsRequest()
    ceiling: BoundsRequest = BoundsRequest()
    cohort: str = ""


@dataclass(frozen=True, slots=True)
class ContentAsked:
    """Contents to ask for, by the SHA-256 of their bytes in hexadecimal."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    digests: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.digests) > MAX_DIGESTS:
            raise ValueError(f"digests: at most {MAX_DIGESTS:,} at once")
        for each in self.digests:
            if not is_digest(each):
                raise ValueError(f"digests: {each[:80]!r} is not a SHA-256 in hexadecimal")


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """A URL to fetch: a file, or a folder of an object store."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    url: str

    def __post_init__(self) -> None:
        if not 0 < len(self.url) <= MAX_URL or not self.url.isprintable():
            raise ValueError(f"url: at most {MAX_URL} printable characters")


@dataclass(frozen=True, slots=True)
class QueueRequest:
    """What a queue should be. ``weight`` is its part in fair share; an empty ``discipline`` leaves
    the order within it to the server's policy. Without a ``quota`` it keeps the one it has."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    weight: int = 1
    discipline: str = ""
    open: bool = True
    quota: QuotaRequest | None = None

    def __post_init__(self) -> None:
        _check_weight(self.weight)
        if self.discipline not in ("", *DISCIPLINES):
            raise ValueError(
                f"discipline: {self.discipline[:40]!r} is not one of {', '.join(DISCIPLINES)};"
                " leave it empty for the policy's"
            )


@dataclass(frozen=True, slots=True)
class TenantRequest:
    """What a tenant should be. ``weight`` is its part in fair share beside its siblings. Without a
    ``quota`` it keeps the one it has."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    weight: int = 1
    quota: QuotaRequest | None = None

    def __post_init__(self) -> None:
        _check_weight(self.weight)


@dataclass(frozen=True, slots=True)
class LimitsRequest:
    """What a user may have: at once ``running`` jobs, and ``pending`` ones; in 30 days so many
    ``device_hours``, and so much ``money``, in micro-units of the currency of the pools' prices.
    ``null``, or nothing, is any number. It replaces what was set before."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    running: int | None = None
    pending: int | None = None
    device_hours: int | None = None
    money: int | None = None

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            limit = getattr(self, name)
            if limit is not None and not 0 <= limit <= most:
                raise ValueError(f"{name}: must be from 0 to {most}, got {limit}")


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """Nodes to keep, from ``begin`` until ``end`` in Unix seconds. Either by name (``nodes``), or
    ``count`` of those whose names ``match`` (``*`` and ``?`` are wildcards) and that have an
    ``accelerator``; without a count, all of those. For ``tenants`` and ``users``, or for
    ``maintenance``, which admits nobody."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: str
    pool: str
    begin: int
    end: int
    nodes: tuple[str, ...] = ()
    count: int | None = None
    match: str = "*"
    accelerator: str = ""
    tenants: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    maintenance: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        for name in ("begin", "end"):
            at = getattr(self, name)
            if not 0 <= at <= MAX_TIME_S:
                raise ValueError(f"{name}: must be from 0 to {MAX_TIME_S} seconds since 1970")
        if self.end <= self.begin:
            raise ValueError("end: must be after the beginning")
        if self.maintenance == bool(self.tenants or self.users):
            raise ValueError(
                "maintenance: name tenants or users whom it admits, or say that it is maintenance"
            )
        if self.nodes and (self.count is not None or self.match != "*" or self.accelerator):
            raise ValueError("nodes: name them, or say how to find them, not both")
        if self.count is not None and not 1 <= self.count <= MAX_NODES:
            raise ValueError(f"count: must be from 1 to {MAX_NODES}, got {self.count}")
        if len(self.reason) > MAX_REASON or not self.reason.isprintable():
            raise ValueError(f"reason: one line of at most {MAX_REASON} characters")
        if len(self.nodes) > MAX_NODES or any("\n" in each for each in self.nodes):
            raise ValueError(f"nodes: at most {MAX_NODES} names")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token to make. ``user`` is who it acts for: by default, its name."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: str
    scope: str
    user: str | None = None
    expires_in_s: int | None = None

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise ValueError(f"scope: {self.scope[:40]!r} is not one of {', '.join(SCOPES)}")
        for where, value in (("name", self.name), ("user", self.user)):
            if value is not None and not USER.fullmatch(value):
                raise ValueError(f"{where}: use letters, digits and . _ @ + -, at most 64")
        if self.expires_in_s is not None and not 1 <= self.expires_in_s <= MAX_LIFE_S:
            raise ValueError(f"expires_in_s: must be from 1 to {MAX_LIFE_S} seconds")


def _check_weight(weight: int) -> None:
    if not 1 <= weight <= MAX_WEIGHT:
        raise ValueError(f"weight: must be from 1 to {MAX_WEIGHT}, got {weight}")
