"""Quotas and limits: what a queue or a tenant may hold at once, and how much one user may have.

Amounts are by kind: ``cpu`` in thousandths, ``memory`` in MiB, an accelerator's model in
thousandths. A kind that is not named is not limited.
"""

from dataclasses import dataclass
from typing import TypeAlias

from suan.model.units import DAY, Duration, Instant, Money

BUDGET_WINDOW: Duration = 30 * DAY
"""For so long what a user has used counts against his budgets."""

Amounts: TypeAlias = tuple[tuple[str, int], ...]  # sorted by kind


@dataclass(frozen=True, slots=True)
class Quota:
    """What a queue, or a tenant with all below it, may hold at once.

    ``guarantee`` is its own: it gets it back when it needs it, from those who borrowed. What the
    queues (or the tenants of one parent) of one ``cohort`` do not use of their guarantees they lend
    each other, so one may hold more than its own while they hold no more than theirs together.
    ``ceiling`` is what it never holds more than, borrowed or not. Without a cohort it borrows from
    nobody.
    """

    guarantee: Amounts = ()
    ceiling: Amounts = ()
    cohort: str = ""

    def __post_init__(self) -> None:
        for name, amounts in (("guarantee", self.guarantee), ("ceiling", self.ceiling)):
            kinds = [kind for kind, _ in amounts]
            if kinds != sorted(set(kinds)):
                raise ValueError(f"{name}: kinds must be sorted, each named once")
            if any(amount < 0 for _, amount in amounts):
                raise ValueError(f"{name}: an amount must not be negative")
        ceiling = dict(self.ceiling)
        for kind, amount in self.guarantee:
            if amount > ceiling.get(kind, amount):
                raise ValueError(f"ceiling: less {kind} than the guarantee of it")


@dataclass(frozen=True, slots=True)
class Tenant:
    """What was set of a tenant: its part in fair share beside its siblings, and its quota."""

    weight: int = 1
    quota: Quota = Quota()


def lineage(tenant: str) -> tuple[str, ...]:
    """A tenant and those above it, the highest first: ``lab``, ``lab/vision``."""
    parts = tenant.split("/")
    return tuple("/".join(parts[: depth + 1]) for depth in range(len(parts)))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one user may have: at once ``running`` jobs, and ``pending`` ones, above which none are
    submitted; in ``BUDGET_WINDOW`` so many ``device_hours``, of accelerators (or of processors,
    where a job has none), and so much ``money``. ``None`` is any number."""

    running: int | None = None
    pending: int | None = None
    device_hours: int | None = None
    money: Money | None = None

    def __post_init__(self) -> None:
        for name, limit in self.told:
            if limit is not None and limit < 0:
                raise ValueError(f"{name}: must not be negative")

    @property
    def budgeted(self) -> bool:
        """Whether they limit what is used over time."""
        return self.device_hours is not None or self.money is not None

    @property
    def told(self) -> tuple[tuple[str, int | None], ...]:
        """Each limit with its name."""
        names = ("running", "pending", "device_hours", "money")
        return tuple((name, getattr(self, name)) for name in names)


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used by runs that ended ``at`` an instant, or in the hour that begins then: so many
    milliseconds of a device, and so much money."""

    at: Instant
    device_ms: int = 0
    money: Money = 0
