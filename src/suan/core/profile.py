"""What will be free of each node over time: after what runs has ended, but for what is promised.

A node's *course* is a list of steps, each with what is free from its instant on. Runs of which no
end is known never give anything back. Not for: deciding who gets what (``core.search``,
``core.promises``).
"""

from bisect import bisect_right
from operator import attrgetter

from suan.core.capacity import Pool
from suan.core.devices import choose
from suan.core.flavors import Need
from suan.core.nodes import Held, Node
from suan.model.units import Duration, Instant, Thousandths

FOREVER: Duration = 1 << 62
"""How long a job is taken to run of which nothing is known."""

_AT = attrgetter("at")


class Step:
    """What is free from an instant on, until the next step."""

    __slots__ = ("at", "cpu", "devices", "memory")

    def __init__(
        self, at: Instant, cpu: Thousandths, memory: int, *, devices: list[list[Thousandths]]
    ) -> None:
        self.at = at
        self.cpu = cpu
        self.memory = memory
        self.devices = devices

    def copy(self, at: Instant) -> "Step":
        """The same from another instant on."""
        return Step(at, self.cpu, self.memory, devices=[list(free) for free in self.devices])

    def change(self, held: Held, times: int) -> None:
        """Give back what ``held`` holds, or take it with ``times`` of -1."""
        tasks = times * held.tasks
        self.cpu += tasks * held.per_task.cpu_milli
        self.memory += tasks * held.per_task.memory_mib
        for model, at, part in held.grant:
            self.devices[model][at] += times * part


class Course:
    """One node from now on."""

    __slots__ = ("node", "steps")

    def __init__(self, node: Node, now: Instant) -> None:
        self.node = node
        devices = [list(free) for free in node.devices]
        self.steps = [Step(now, node.cpu, node.memory, devices=devices)]

    def _split(self, at: Instant) -> int:
        """The number of the step that begins at an instant, made if there is none."""
        number = bisect_right(self.steps, at, key=_AT) - 1
        if self.steps[number].at != at:
            number += 1
            self.steps.insert(number, self.steps[number - 1].copy(at))
        return number

    def change(self, held: Held, begin: Instant, end: Instant, *, times: int) -> None:
        """From ``begin`` until ``end`` there is more free, or less with ``times`` of -1."""
        first = self._split(begin)
        last = self._split(end) if end < FOREVER else len(self.steps)
        for step in self.steps[first:last]:
            step.change(held, times)

    def least(self, begin: Instant, end: Instant) -> Step:
        """What is free all the time from ``begin`` until ``end``."""
        number = bisect_right(self.steps, begin, key=_AT) - 1
        found = self.steps[number].copy(begin)
        for step in self.steps[number + 1 :]:
            if step.at >= end:
                break
            found.cpu, found.memory = min(found.cpu, step.cpu), min(found.memory, step.memory)
            for devices, others in zip(found.devices, step.devices, strict=True):
                devices[:] = map(min, devices, others)
        return found

    def slots(self, need: Need, begin: Instant, end: Instant, *, most: int) -> int:
        """How many tasks may be here from ``begin`` until ``end``, at most ``most``."""
        step = self.steps[bisect_right(self.steps, begin, key=_AT) - 1]
        if step.cpu < need.cpu or step.memory < need.memory:  # often enough to tell
            return 0
        least = self.least(begin, end)
        return need.slots((least.cpu, least.memory, least.devices), most)

    def holds(self, held: Held, begin: Instant, end: Instant) -> bool:
        """Whether there is room for the very devices of ``held``, and the rest of it."""
        least = self.least(begin, end)
        least.change(held, -1)
        parts = (free for devices in least.devices for free in devices)
        return least.cpu >= 0 and least.memory >= 0 and all(free >= 0 for free in parts)

    def part(self, held: Held, need: Need, *, begin: Instant, end: Instant) -> Held:
        """What tasks that fit from ``begin`` until ``end`` are to hold: which devices, too."""
        devices = self.least(begin, end).devices
        granted: list[tuple[int, int, Thousandths]] = []
        for model, amount in need.kin.accelerators:
            for _ in range(held.tasks):
                for at, part in choose(devices[model], amount):
                    devices[model][at] -= part
                    granted.append((model, at, part))
        held.grant = tuple(granted)
        return held


class Profile:
    """The courses of all nodes of which that is asked."""

    __slots__ = ("_courses", "_read", "now")

    def __init__(self, now: Instant) -> None:
        self.now = now
        self._courses: dict[Node, Course] = {}
        self._read: set[str] = set()

    def course(self, pool: Pool, node: Node) -> Course:
        """A node's course. What runs in its pool counts from the first time that is asked."""
        if pool.name not in self._read:
            self._read.add(pool.name)
            for until, run in pool.ends:
                for name in dict.fromkeys(run.nodes):
                    held = run.leaves(pool.nodes[name])
                    end = max(until, self.now + 1)
                    self._course(pool.nodes[name]).change(held, end, FOREVER, times=1)
        return self._course(node)

    def _course(self, node: Node) -> Course:
        found = self._courses.get(node)
        if found is None:
            found = self._courses[node] = Course(node, self.now)
        return found
