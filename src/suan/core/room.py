"""Room for who would pass: nodes on which a job may start now, and how long it may hold them.

On a node that is reserved a job may stay until the reservation's instant, or as long as it likes
where it leaves the room that will be needed then.
"""

from suan.core.devices import choose
from suan.core.flavors import Flavor, Need
from suan.core.forecast import Reservation, Spot
from suan.core.matching import Candidate
from suan.core.nodes import Node
from suan.core.packing import Spots, by_kind, close
from suan.core.racks import from_broken_rack
from suan.core.records import JobRecord
from suan.core.stranding import Fit
from suan.model.units import Duration, Instant

ALWAYS: Duration = 1 << 62  # no reservation sets a limit


class Room:
    """Room by one candidate of a shape, among the reservations. What is kept for ``job`` itself
    does not count."""

    __slots__ = ("allowed", "candidate", "job", "now", "reserved")

    def __init__(
        self,
        candidate: Candidate,
        allowed: int,
        reserved: dict[Node, Reservation],
        *,
        now: Instant,
        job: JobRecord | None,
    ) -> None:
        self.candidate = candidate
        self.allowed = allowed
        self.reserved = reserved
        self.now = now
        self.job = job

    def find(self, enough: Duration) -> tuple[Spots, Duration] | None:
        """Nodes that may be held long ``enough``, or else longest, and how long."""
        return self._gang() if self.candidate.tasks > 1 else self._single(enough)

    def lasts(self, enough: Duration) -> bool:
        """Whether one task may be held long ``enough`` anywhere."""
        for flavor, need in self.candidate.kinds:
            if not flavor.mask & self.allowed or flavor.tightest(need) is None:
                continue
            if any(self._window(node) >= enough for node, _ in flavor.holding(need)):
                return True
        return False

    def _single(self, enough: Duration) -> tuple[Spots, Duration] | None:
        """The best node that may be held long ``enough``, or else the one that may longest."""
        best: tuple[Spots, Duration] | None = None
        for flavor, need in self.candidate.kinds:
            tightest = flavor.tightest(need) if flavor.mask & self.allowed else None
            if tightest is None:
                continue
            if best is None and flavor.models and self.candidate.pool.typical.kinds:
                found = self._strands_least((flavor, need, tightest), enough)
                if found is not None:
                    return found
            for node, _ in flavor.holding(need):
                window = self._window(node)
                if best is None or window > best[1]:
                    best = [(node, 1)], window
                if window >= enough:
                    return self._broken(flavor, need, node, enough=enough) or best
        return best

    def _strands_least(self, first: Fit, enough: Duration) -> tuple[Spots, Duration] | None:
        """Where a task strands the fewest accelerators, if that may be held long ``enough``."""
        typical = self.candidate.pool.typical
        flavor, need, node = typical.best(self.candidate, self.allowed, first)
        window = self._window(node)
        if window < enough:
            return None
        return self._broken(flavor, need, node, enough=enough) or ([(node, 1)], window)

    def _broken(
        self, flavor: Flavor, need: Need, node: Node, *, enough: Duration
    ) -> tuple[Spots, Duration] | None:
        """A node like the best one in a rack that is broken already, if it may be held as long."""
        other = from_broken_rack(flavor, need, node)
        if other is node:
            return None
        window = self._window(other)
        return ([(other, 1)], window) if window >= enough else None

    def _gang(self) -> tuple[Spots, Duration] | None:
        """Nodes for all tasks: first where nothing is reserved, close together; then without a
        limit on their time; else wherever there is room, until the first of the reservations
        there."""
        racked = self.reserved if self.candidate.pool.changes.of else {}
        others = {node: each for node, each in racked.items() if each.job is not self.job}
        found: tuple[Spots, Duration] | None = None
        for within in by_kind(self.candidate, self.allowed):
            spots = close(self.candidate, within, others)
            found = (spots, ALWAYS) if spots else self._scattered(within)
            if found is not None and found[1] == ALWAYS:
                return found
        return found and self._close_until(found)

    def _close_until(self, found: tuple[Spots, Duration]) -> tuple[Spots, Duration]:
        """Nodes close together on which a gang may stay as long as on those found."""
        spots, until = close(self.candidate, self.allowed, ()) or [], self.now + found[1]
        kept = (self.reserved[node] for node, _ in spots if node in self.reserved)
        if spots and all(each.job is self.job or each.at >= until for each in kept):
            return spots, found[1]
        return found

    def _scattered(self, allowed: int) -> tuple[Spots, Duration] | None:
        spots: Spots = []
        left, limited = self.candidate.tasks, []
        for flavor, need in self.candidate.kinds:
            if not flavor.mask & allowed or flavor.tightest(need) is None:
                continue
            for node, held in flavor.holding(need):
                takes = self.beside(node, min(left, held))
                if takes:
                    spots.append((node, takes))
                    left -= takes
                    if not left:
                        return spots, ALWAYS
                if takes < held:
                    limited.append((node, held))
        return self._within(dict(spots), limited, left)

    def _within(
        self, taken: dict[Node, int], limited: Spots, left: int
    ) -> tuple[Spots, Duration] | None:
        window = ALWAYS
        for node, held in limited:
            if not left:
                break
            more = min(left, held - taken.get(node, 0))
            taken[node] = taken.get(node, 0) + more
            left -= more
            window = min(window, self.reserved[node].at - self.now)
        return None if left else (list(taken.items()), window)

    def _window(self, node: Node) -> Duration:
        """How long a task may hold a node."""
        reservation = self.reserved.get(node)
        if reservation is None or reservation.job is self.job:
            return ALWAYS
        if self._leaves_room(node, reservation.spots[node], 1):
            return ALWAYS
        return reservation.at - self.now

    def beside(self, node: Node, most: int) -> int:
        """How many tasks a node takes without a limit on their time."""
        reservation = self.reserved.get(node)
        if reservation is None or reservation.job is self.job:
            return most
        while most and not self._leaves_room(node, reservation.spots[node], most):
            most -= 1
        return most

    def _leaves_room(self, node: Node, spot: Spot, tasks: int) -> bool:
        """Whether a reservation still fits if so many tasks begin here now and never end."""
        then, per_task, need = spot.then, self.candidate.per_task, spot.need
        cpu = then.cpu - tasks * per_task.cpu_milli
        memory = then.memory - tasks * per_task.memory_mib
        if cpu < need.cpu * spot.tasks or memory < need.memory * spot.tasks:
            return False
        if not need.kin.accelerators:
            return True
        devices = [list(free) for free in then.devices]
        now = [list(free) for free in node.devices]
        for name, amount in per_task.accelerators:
            model = node.models.index(name)
            for _ in range(tasks):
                for at, part in choose(now[model], amount):
                    now[model][at] -= part
                    devices[model][at] -= part
        return need.slots((cpu, memory, devices), spot.tasks) >= spot.tasks
