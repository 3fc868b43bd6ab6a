"""What the API shows and the client reads: one set of types for both ends.

Times are timezone-aware UTC datetimes here (RFC 3339 on the wire), because people read them.
Amounts keep their integer units, named.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from suan.model.bill import Bill
from suan.model.quota import Amounts


@dataclass(frozen=True, slots=True)
class RunView:
    """One attempt at a job."""

    id: str
    attempt: int
    pool: str
    nodes: tuple[str, ...]
    state: str
    placed_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cause: str | None = None
    exit_code: int | None = None
    detail: str = ""
    reasons: tuple[str, ...] = ()
    bill: Bill | None = None
    stopping: str = ""  # while it runs: that it is to end, and why


@dataclass(frozen=True, slots=True)
class JobView:
    """A job in a list."""

    id: str
    name: str
    state: str
    user: str
    tenant: str
    queue: str
    priority: int
    num_nodes: int
    resources: str  # "cpus 4, memory 16 GiB, A100-80GB:8" — for people
    submitted_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0
    pool: str | None = None
    exit_code: int | None = None
    detail: str = ""
    array_id: str | None = None
    array_index: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    max_nodes: int | None = None  # of an elastic job, which has at least ``num_nodes``
    nodes: int | None = None  # how many its current or last run has


@dataclass(frozen=True, slots=True)
class JobDetail:
    """A job, whole: what was asked for (secrets left out), its runs, and its bill so far."""

    job: JobView
    spec: dict[str, Any]
    after: tuple[tuple[str, str], ...]
    runs: tuple[RunView, ...]
    bill: Bill


@dataclass(frozen=True, slots=True)
class JobList:
    """One page of jobs, newest first."""

    jobs: tuple[JobView, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class SubmittedView:
    """What a submission made. ``id`` is the job's, or the array's."""

    id: str
    jobs: tuple[str, ...]
    repeated: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusalView:
    """Why one pool (``None``: every pool) does not take a job now.

    ``behind`` is the job that what is free is kept for, ``until`` when this is expected to pass,
    where that is known. ``preemption_helps``: a job of a higher priority would displace what is
    in the way.
    """

    code: str
    pool: str | None
    detail: str
    unblocked_by: str
    permanent: bool = False
    preemption_helps: bool = False
    behind: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CostView:
    """What a pool would cost an hour, in micro-units of the currency, term by term."""

    pool: str
    terms: dict[str, int]
    total: int
    currency: str


@dataclass(frozen=True, slots=True)
class ExplanationView:
    """Why a job waits, where it runs, or (for a dry run) where it would go."""

    job: str
    state: str
    summary: str
    refusals: tuple[RefusalView, ...] = ()
    costs: tuple[CostView, ...] = ()
    ahead: int | None = None
    earliest: datetime | None = None  # it may start between this
    latest: datetime | None = None  # and this
    rests_on: str = ""  # as far as this holds
    due: str = ""  # what its deadline has to do with it
    last_run: str = (
        ""  # what became of its last run; of one it has, why it is to end, or what it needs
    )


@dataclass(frozen=True, slots=True)
class OutputView:
    """A file that a run has left: its path, size in bytes, and SHA-256 in hexadecimal."""

    path: str
    size: int
    digest: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class OutputsView:
    """What a run has left so far, by path."""

    run: str
    files: tuple[OutputView, ...]


@dataclass(frozen=True, slots=True)
class FetchView:
    """How far the server is with fetching a URL: bytes that are here, and bytes in all where that
    is known. ``digest`` is that of its manifest once all of it is here."""

    url: str
    done: int
    size: int | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class MissingView:
    """Contents that the server does not have whole: how many of their first bytes it has."""

    missing: dict[str, int]


@dataclass(frozen=True, slots=True)
class AmountView:
    """An amount of resources."""

    cpu_milli: int
    memory_mib: int
    accelerators: dict[str, int]  # thousandths by model


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node of a pool."""

    name: str
    total: AmountView
    schedulable: bool
    rack: str = ""  # as a path from the outside in; empty if it is not known


@dataclass(frozen=True, slots=True)
class DoubtView:
    """Something that a pool said and that cannot be true."""

    since: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool: where it is, what it has, what is free, what it costs."""

    name: str
    kind: str
    site: str
    available: bool
    drained: bool
    nodes: int
    total: AmountView
    free: AmountView
    runs: int
    terms: dict[str, Any]
    capabilities: tuple[str, ...]
    frameworks: tuple[str, ...]
    observed_at: datetime | None = None
    detail: str = ""
    circuit: str = "closed"  # `open`: it gets nothing new; `half_open`: it is tried on one node
    doubts: tuple[DoubtView, ...] = ()
    racks: int = 0  # how many are known
    node_list: tuple[NodeView, ...] = ()  # in the view of one pool alone


@dataclass(frozen=True, slots=True)
class BoundsView:
    """Amounts of some kinds; a kind that is not given is not limited."""

    cpu_milli: int | None = None
    memory_mib: int | None = None
    accelerators: dict[str, int] = field(default_factory=dict)  # thousandths by model

    @property
    def amounts(self) -> Amounts:
        """By kind, sorted."""
        known = {"cpu": self.cpu_milli, "memory": self.memory_mib, **self.accelerators}
        return tuple(sorted((kind, n) for kind, n in known.items() if n is not None))


def bounds_view(amounts: Amounts) -> BoundsView:
    """The view of amounts by kind."""
    known = dict(amounts)
    cpu, memory = known.pop("cpu", None), known.pop("memory", None)
    return BoundsView(cpu, memory, known)


@dataclass(frozen=True, slots=True)
class QuotaView:
    """What a queue or tenant may hold at once: its own, what it never passes, and whom it lends and
    borrows with."""

    guarantee: BoundsView = BoundsView()
    ceiling: BoundsView = BoundsView()
    cohort: str = ""


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue and how many jobs stand in it. An empty ``discipline`` is the policy's own. ``held``
    is what its runs hold now, told where it has a ``quota``."""

    name: str
    weight: int
    discipline: str
    open: bool
    pending: int
    running: int
    quota: QuotaView | None = None
    held: BoundsView | None = None


@dataclass(frozen=True, slots=True)
class TenantView:
    """A tenant of whom something was set, with its weight beside its siblings. ``running`` counts
    the jobs of it and of those below it that run, and ``held`` is what these hold now."""

    name: str
    weight: int
    running: int
    quota: QuotaView | None = None
    held: BoundsView = BoundsView()


@dataclass(frozen=True, slots=True)
class LimitsView:
    """How many jobs of a user may run, and be pending, at once (``None``: any number), and how many
    do and are; and what he may use in 30 days, in device-hours and in micro-units of money, and
    what his runs that ended in them have used."""

    user: str
    running: int | None
    running_now: int
    pending: int | None = None
    pending_now: int = 0
    device_hours: int | None = None
    device_ms_used: int = 0
    money: int | None = None
    money_used: int = 0


@dataclass(frozen=True, slots=True)
class ReservationView:
    """Nodes of a pool that are kept from ``begin`` until ``end``, for these ``tenants`` and
    ``users`` or, without either, for maintenance. ``running`` are the runs that are on them now. Of
    one that was just made, ``may_go_on`` are those that are not sure to end before it begins."""

    name: str
    pool: str
    nodes: tuple[str, ...]
    begin: datetime
    end: datetime
    maintenance: bool
    tenants: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    reason: str = ""
    by: str = ""
    made_at: datetime | None = None
    running: tuple[str, ...] = ()
    may_go_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenView:
    """An access token. ``secret`` is shown once, when it is made."""

    id: str
    name: str
    scope: str
    user: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """One thing that happened."""

    id: int
    at: datetime
    kind: str
    job: str | None = None
    run: str | None = None
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SiteView:
    """A place on the reference map."""

    site: str
    kind: str
    parent: str
    name_en: str
    name_zh: str
    province: str
    latitude: float
    longitude: float
    pue_milli: int
    carbon_mg_per_kwh: int
    basis: str


@dataclass(frozen=True, slots=True)
class OfferView:
    """What a peer may use of a pool. ``closed`` says why nothing new may start now, if so; ``runs``
    counts its runs here that have not ended. Prices are in micro-units, ``None`` the pool's own."""

    pool: str
    tenant: str
    ceiling: BoundsView
    share_milli: int
    hours: tuple[tuple[int, int], ...]  # minutes after midnight UTC
    begin: datetime | None
    end: datetime | None
    prices: dict[str, Any] | None
    queue: str
    priority: int
    closed: str
    runs: int


@dataclass(frozen=True, slots=True)
class PeerView:
    """Another owner's platform, by the name that it has here. ``token`` is what it signs with,
    empty where it has none; the ``secret`` of that is told only as it is made."""

    name: str
    token: str
    offers: tuple[OfferView, ...] = ()
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class ServerView:
    """The server that answers."""

    version: str
    engine: str
    leading: bool
    leader_url: str | None
    started_at: datetime
    cycles: int
    jobs: dict[str, int]  # by state
    pools: int
    trouble: str = ""
    policy: str = ""  # by which it decides, or would if it led
    place: str = ""  # equal to ``suan.content.place.here()`` where the same files are seen


@dataclass(frozen=True, slots=True)
class Problem:
    """An error, as RFC 9457 has it. ``code`` is stable; ``where`` and ``mend`` help to mend it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    where: str = ""
    mend: str = ""
