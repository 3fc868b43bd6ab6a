"""Quotas and limits: what a queue or a tenant may hold at once, and how much one user may have.

Amounts are by kind: ``cpu`` in thousandths, ``memory`` in MiB, an accelerator's model in
thousandths. A kind that is not named is not limited.
"""

from dataclasses import dataclass
from typing import TypeAlias

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
    """What one user may have at once: ``running`` jobs, and ``pending`` ones, above which none are
    submitted. ``None`` is any number."""

    running: int | None = None
    pending: int | None = None

    def __post_init__(self) -> None:
        for name, limit in self.told:
            if limit is not None and limit < 0:
                raise ValueError(f"{name}: must not be negative")

    @property
    def told(self) -> tuple[tuple[str, int | None], ...]:
        """Each limit with its name."""
        return ("running", self.running), ("pending", self.pending)
