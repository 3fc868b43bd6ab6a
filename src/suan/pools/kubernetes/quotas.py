"""What a namespace may still take, by its ResourceQuotas."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from suan.model.errors import PoolRejected, PoolUnavailable
from suan.pools.kubernetes.objects import Quota, know
from suan.pools.kubernetes.quantity import milli

_COUNTS = "pods", "count/pods", "count/jobs.batch"
_ONE = 1000
_MEND = "have the namespace's quota raised, or name another `namespace` in pools.yaml"


@dataclass(slots=True)
class Room:
    """Thousandths of each resource that a quota limits: the most, and what is left."""

    most: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)


class Quotas:
    """Every ResourceQuota of a namespace."""

    def __init__(self) -> None:
        self._known: dict[str, Quota] = {}

    def hear(self, before: Quota | None, after: Quota | None) -> None:
        """A quota came, changed or went."""
        know(self._known, before, after)

    def allow(self, requests: Mapping[str, str], tasks: int) -> None:
        """Raises:
        PoolRejected: no quota would ever let so much in.
        PoolUnavailable: it is used up at present.
        """
        for name, quota in sorted(self._known.items()):
            for resource, most, used, need in _compared(quota, requests, tasks):
                if need > most:
                    raise PoolRejected(
                        f"quota {name!r} of the namespace allows {quota.status.hard[resource]} of "
                        f"{resource}, and the run needs {need / 1000:g}",
                        mend=_MEND,
                    )
                if used + need > most:
                    raise PoolUnavailable(
                        f"quota {name!r} of the namespace is used up: "
                        f"{quota.status.used.get(resource, '0')} of "
                        f"{quota.status.hard[resource]} {resource}",
                        mend="wait for other pods of the namespace to end; " + _MEND,
                    )

    def room(self) -> "Room":
        """How much all pods of the namespace may hold together, and how much of it is left."""
        room = Room()
        for quota in self._known.values():
            for name, amount in quota.status.hard.items():
                most, used = milli(amount), milli(quota.status.used.get(name, "0"))
                resource = name.removeprefix("requests.")
                if name in _COUNTS and used + _ONE > most:
                    room.left["cpu"] = 0  # no pod is let in
                elif resource in ("cpu", "memory") or "/" in resource:
                    left = max(0, most - used)
                    room.most[resource] = min(most, room.most.get(resource, most))
                    room.left[resource] = min(left, room.left.get(resource, left))
        return room

    def nothing(self) -> str:
        """Which quota lets no pod in at all; empty if none does so."""
        for name, quota in sorted(self._known.items()):
            for resource in ("pods", "count/pods", "count/jobs.batch", "cpu", "requests.cpu",
                             "memory", "requests.memory"):  # fmt: skip
                if resource in quota.status.hard and milli(quota.status.hard[resource]) == 0:
                    return f"quota {name!r} allows 0 of {resource}"
        return ""


def _compared(
    quota: Quota, requests: Mapping[str, str], tasks: int
) -> list[tuple[str, int, int, int]]:
    """Each limited resource that a run needs: the most, what is used, its need; thousandths."""
    needs = {"pods": tasks * 1000, "count/pods": tasks * 1000, "count/jobs.batch": 1000}
    for name, amount in requests.items():
        for resource in (name, f"requests.{name}"):
            needs[resource] = tasks * milli(amount)
    return [
        (resource, milli(most), milli(quota.status.used.get(resource, "0")), needs[resource])
        for resource, most in quota.status.hard.items()
        if resource in needs
    ]
