"""Limits on a run's tasks: cgroup v2 where its hierarchy can be written, else rlimits.

``told`` says in the run's status which it was and why. With rlimits the memory limit holds for
each process (``RLIMIT_DATA``: private writable memory, which, unlike ``RLIMIT_AS``, does not count
what a program merely reserves or maps) and the runner ends a tree whose resident memory exceeds it
in sum; a share of the processors cannot be limited so.
"""

# Plain paths, not pathlib: a runner must start in a millisecond and stay small.
# ruff: noqa: PTH102, PTH106, PTH110, PTH118, PTH123

import os
import resource
from collections.abc import Callable
from typing import Any

from suan.pools.local import processes

_CGROUP_ROOT = "/sys/fs/cgroup"
_MIB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PERIOD_US = 100_000
_OUT_OF_MEMORY_SIGNS = (b"MemoryError", b"annot allocate memory", b"bad_alloc", b"out of memory")


class Rlimits:
    """Limits without cgroups."""

    def __init__(self, memory_mib: int | None, why: str) -> None:
        self._memory_mib = memory_mib
        memory = "no memory limit asked" if memory_mib is None else f"memory {memory_mib} MiB"
        self.told = f"rlimit: {memory}, cpu not limited ({why})"

    @property
    def watches_memory(self) -> bool:
        return self._memory_mib is not None

    def enter(self) -> None:
        """In a task, before it executes."""
        if self._memory_mib is not None:
            size = self._memory_mib * _MIB
            resource.setrlimit(resource.RLIMIT_DATA, (size, size))

    def exceeded(self) -> str:
        """In words, if the tree's resident memory is above the limit."""
        if self._memory_mib is None:
            return ""
        resident = sum(map(_resident_bytes, processes.descendants(os.getpid())))
        if resident <= self._memory_mib * _MIB:
            return ""
        return f"its processes held {resident // _MIB} MiB, above the limit of {self._memory_mib}"

    def ran_out(self, last_words: Callable[[], bytes]) -> str:
        """In words, if a failed task seems to have failed for want of memory."""
        if self._memory_mib is None:
            return ""
        words = last_words()
        if not any(sign in words for sign in _OUT_OF_MEMORY_SIGNS):
            return ""
        return f"a task could not allocate memory under its limit of {self._memory_mib} MiB"

    def leave(self) -> None:
        """At the end of the run."""


class Cgroup:
    """Limits by a cgroup of the run's own, under version 2."""

    watches_memory = False

    def __init__(self, path: str, cpu_milli: int, memory_mib: int | None) -> None:
        self._path = path
        self._memory_mib = memory_mib
        os.mkdir(path)
        try:
            if cpu_milli:
                quota = max(1000, cpu_milli * _PERIOD_US // 1000)
                _write(path, "cpu.max", f"{quota} {_PERIOD_US}")
            if memory_mib is not None:
                _write(path, "memory.max", str(memory_mib * _MIB))
        except OSError:
            os.rmdir(path)
            raise
        memory = "no memory limit asked" if memory_mib is None else f"memory {memory_mib} MiB"
        self.told = f"cgroup v2: {memory}, cpu {cpu_milli / 1000:g}"

    def enter(self) -> None:
        """In a task, before it executes."""
        _write(self._path, "cgroup.procs", "0")

    def exceeded(self) -> str:
        """Never: the kernel acts by itself."""
        return ""

    def ran_out(self, last_words: Callable[[], bytes]) -> str:
        """In words, if the kernel killed one of the run's processes for its memory."""
        del last_words
        with open(os.path.join(self._path, "memory.events"), encoding="ascii") as file:
            events = dict(line.split() for line in file)
        if int(events.get("oom_kill", 0)) == 0:
            return ""
        return f"the kernel ended it at its memory limit of {self._memory_mib} MiB"

    def leave(self) -> None:
        """At the end of the run, when no process is left in it."""
        try:
            os.rmdir(self._path)
        except OSError:
            return


def choose(request: dict[str, Any]) -> Cgroup | Rlimits:
    """The best limits there are here for the whole run."""
    memory_mib = request["memory_limit_mib"]
    tasks = len(request["tasks"])
    total_mib = None if memory_mib is None else memory_mib * tasks
    try:
        parent = _writable_parent(request["cgroup"])
        path = os.path.join(parent, f"suan-{request['run']}")
        return Cgroup(path, request["cpu_milli"] * tasks, total_mib)
    except OSError as error:
        return Rlimits(memory_mib, f"cgroup v2 not writable: {error.strerror or error}")


def _writable_parent(declared: str | None) -> str:
    """A cgroup under which one with memory and cpu limits can be made.

    Raises:
        OSError: there is none; says why.
    """
    parent = declared or _own_cgroup()
    with open(os.path.join(parent, "cgroup.controllers"), encoding="ascii") as file:
        missing = {"cpu", "memory"} - set(file.read().split())
    if missing:
        raise OSError(0, f"no {' and '.join(sorted(missing))} controller in {parent}")
    with open(os.path.join(parent, "cgroup.subtree_control"), encoding="ascii") as file:
        enabled = set(file.read().split())
    if not {"cpu", "memory"} <= enabled:
        _write(parent, "cgroup.subtree_control", "+cpu +memory")
    return parent


def _own_cgroup() -> str:
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        for line in file:
            number, _, path = line.rstrip("\n").split(":", 2)
            if number == "0" and os.path.exists(f"{_CGROUP_ROOT}/cgroup.controllers"):
                return _CGROUP_ROOT + path
    raise OSError(0, "no cgroup v2 hierarchy is mounted")


def _write(directory: str, name: str, value: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="ascii") as file:
        file.write(value)


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
