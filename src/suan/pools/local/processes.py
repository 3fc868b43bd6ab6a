"""Process trees: finding every descendant, telling them to end, making them end."""

# Plain paths, not pathlib: a runner must start in a millisecond and stay small.
# ruff: noqa: PTH123, PTH208

import ctypes
import os
import signal
from collections.abc import Iterable, Iterator

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, however it detached itself."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent dies; at once if it has died already."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(137)


def children(pid: int) -> list[int]:
    """The direct children of a process; none if it is gone."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return found


def descendants(pid: int) -> list[int]:
    """Every descendant of a process, parents before children."""
    found: list[int] = []
    queue = children(pid)
    while queue:
        found += queue
        queue = [grandchild for child in queue for grandchild in children(child)]
    return found


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to each that still exists and may be signalled."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_descendants(pid: int) -> int:
    """Stop every descendant so that none can fork any more, then kill them; how many there were."""
    stopped: set[int] = set()
    while fresh := set(descendants(pid)) - stopped:
        signal_all(sorted(fresh), signal.SIGSTOP)
        stopped |= fresh
    signal_all(sorted(stopped), signal.SIGKILL)
    return len(stopped)


def marked(variable: str, value: str) -> Iterator[int]:
    """Processes that were started with ``variable=value`` in their environment."""
    mark = b"\0" + os.fsencode(f"{variable}={value}") + b"\0"
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = b"\0" + file.read() + b"\0"
        except OSError:
            continue
        if mark in environment:
            yield int(name)


def kill_marked(variable: str, value: str) -> int:
    """Kill every process that carries the mark, with all its descendants; how many."""
    killed: set[int] = set()
    while fresh := set(marked(variable, value)) - killed:
        for pid in sorted(fresh):
            kill_descendants(pid)
        signal_all(sorted(fresh), signal.SIGKILL)
        killed |= fresh
    return len(killed)
