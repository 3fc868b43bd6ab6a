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
from suan.model.spec import PRIORITY_MAX, PRIORITY_MIN

MAX_WEIGHT = 1_000_000
MAX_JOBS = 1_000_000_000
MAX_TIME_S = 4_102_444_800  # the year 2100
MAX_NODES = 100_000
MAX_REASON = 200
MAX_DIGESTS = 10_000
MAX_URL = 2000
MAX_HOURS = 24
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
class PricesRequest:
    """What an offer costs, in micro-units of its currency: an hour of a processor, of an
    accelerator of each model, and a kilowatt-hour."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    currency: str = "CNY"
    cpu_hour: int = 0
    accelerator_hour: dict[str, int] = field(default_factory=dict)
    energy_kwh: int = 0

    def __post_init__(self) -> None:
        amounts = (self.cpu_hour, self.energy_kwh, *self.accelerator_hour.values())
        if any(not 0 <= amount <= MAX_INT for amount in amounts):
            raise ValueError(f"prices: must be from 0 to {MAX_INT}")
        if not (self.currency.isalpha() and len(self.currency) == 3):
            raise ValueError("currency: three letters, as CNY")


@dataclass(frozen=True, slots=True)
class OfferRequest:
    """What a peer may use of a pool: ``share_milli`` thousandths of what others leave free, never
    more than ``ceiling``; of each day only during ``hours``, pairs of minutes after midnight UTC
    (none is always), and only from ``begin`` to ``end`` in Unix seconds. Without ``prices`` the
    pool's own hold. Its jobs stand in ``queue`` with ``priority``. ``new_secret`` gives the peer
    another token in place of the one it has."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    ceiling: BoundsRequest = BoundsRequest()
    share_milli: int = 1000
    hours: tuple[tuple[int, int], ...] = ()
    begin: int | None = None
    end: int | None = None
    prices: PricesRequest | None = None
    queue: str = "default"
    priority: int = 0
    new_secret: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.share_milli <= 1000:
            raise ValueError(f"share_milli: must be from 1 to 1000, got {self.share_milli}")
        if any(not 0 <= minute < 1440 for pair in self.hours for minute in pair):
            raise ValueError("hours: minutes after midnight, from 0 to 1439")
        if any(first == last for first, last in self.hours):
            raise ValueError("hours: two different minutes")
        if len(self.hours) > MAX_HOURS:
            raise ValueError(f"hours: at most {MAX_HOURS} pairs")
        for name in ("begin", "end"):
            at = getattr(self, name)
            if at is not None and not 0 <= at <= MAX_TIME_S:
                raise ValueError(f"{name}: must be from 0 to {MAX_TIME_S} seconds since 1970")
        if self.begin is not None and self.end is not None and self.end <= self.begin:
            raise ValueError("end: must be after the beginning")
        if not PRIORITY_MIN <= self.priority <= PRIORITY_MAX:
            raise ValueError(f"priority: must be from {PRIORITY_MIN} to {PRIORITY_MAX}")


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
