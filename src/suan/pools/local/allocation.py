"""Which devices of a node a task gets: whole ones alone, fractions packed together."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from suan.facts.devices import vendor_of
from suan.model.errors import PoolRejected, PoolUnavailable
from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import NodeName, Thousandths

WHOLE: Thousandths = 1000


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator of a node. ``index`` is its number among its vendor's on that node."""

    model: str
    index: int
    capacity: Thousandths = WHOLE


@dataclass(frozen=True, slots=True)
class Share:
    """A device, or a part of it, given to a task."""

    model: str
    index: int
    amount: Thousandths


def numbered(total: Resources) -> tuple[Device, ...]:
    """The devices of a declared node: its models in order, numbered on for each vendor."""
    devices: list[Device] = []
    next_index: dict[str, int] = {}
    for model, amount in total.accelerators:
        vendor = vendor_of(model) or ""
        for left in range(amount, 0, -WHOLE):
            index = next_index.get(vendor, 0)
            next_index[vendor] = index + 1
            devices.append(Device(model, index, min(left, WHOLE)))
    return tuple(devices)


class Allocation:
    """Who has which device. Safe to use from several threads."""

    def __init__(self, devices: dict[NodeName, tuple[Device, ...]]) -> None:
        self._devices = devices
        self._held: dict[str, list[tuple[NodeName, Share]]] = {}
        self._used: dict[tuple[NodeName, str, int], Thousandths] = {}
        self._lock = threading.Lock()

    def devices(self, node: NodeName) -> tuple[Device, ...]:
        return self._devices[node]

    def take(
        self, run: str, nodes: Sequence[NodeName], per_task: Resources
    ) -> list[tuple[Share, ...]]:
        """Devices for each task of a run, by rank: all of them, or none are taken.

        Raises:
            PoolRejected: a node has no such accelerator.
            PoolUnavailable: they are in use.
        """
        with self._lock:
            self._give_back(run)
            shares: list[tuple[Share, ...]] = []
            try:
                shares.extend(self._take_on(run, node, per_task) for node in nodes)
            except (PoolRejected, PoolUnavailable):
                self._give_back(run)
                raise
            return shares

    def note(self, run: str, held: Iterable[tuple[NodeName, Share]]) -> None:
        """A run that an earlier process launched holds these."""
        with self._lock:
            self._give_back(run)
            for node, share in held:
                self._hold(run, node, share)

    def give_back(self, run: str) -> None:
        with self._lock:
            self._give_back(run)

    def _take_on(self, run: str, node: NodeName, per_task: Resources) -> tuple[Share, ...]:
        shares: list[Share] = []
        for model, amount in per_task.accelerators:
            named = self._any_model(node, amount) if model == ANY_ACCELERATOR else model
            while amount > 0:
                share = self._pick(node, named, min(amount, WHOLE))
                self._hold(run, node, share)
                shares.append(share)
                amount -= share.amount
        return tuple(shares)

    def _any_model(self, node: NodeName, amount: Thousandths) -> str:
        free: dict[str, Thousandths] = {}
        for device in self._devices[node]:
            free[device.model] = free.get(device.model, 0) + self._free(node, device)
        fitting = sorted(model for model, have in free.items() if have >= amount)
        if not fitting:
            raise PoolUnavailable(f"node {node} has no {amount / WHOLE:g} free accelerators")
        return fitting[0]

    def _pick(self, node: NodeName, model: str, amount: Thousandths) -> Share:
        """The fullest device that still has room, so that whole ones stay whole."""
        of_model = [device for device in self._devices[node] if device.model == model]
        if not of_model:
            raise PoolRejected(f"node {node} has no {model}")
        room = [device for device in of_model if self._free(node, device) >= amount]
        if not room:
            raise PoolUnavailable(f"node {node} has no free {model} left")
        best = min(room, key=lambda device: (self._free(node, device), device.index))
        return Share(model, best.index, amount)

    def _free(self, node: NodeName, device: Device) -> Thousandths:
        return device.capacity - self._used.get((node, device.model, device.index), 0)

    def _hold(self, run: str, node: NodeName, share: Share) -> None:
        key = (node, share.model, share.index)
        self._used[key] = self._used.get(key, 0) + share.amount
        self._held.setdefault(run, []).append((node, share))

    def _give_back(self, run: str) -> None:
        for node, share in self._held.pop(run, ()):
            self._used[node, share.model, share.index] -= share.amount
