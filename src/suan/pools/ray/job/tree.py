"""Process trees: adopting what detaches itself, signalling all of it, making it end."""

# A program that travels stays plain and quick to start.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable

_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, however it detached itself."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> list[int]:
    """Every process below this one, parents before children."""
    found: list[int] = []
    queue = _children(os.getpid())
    while queue:
        found += queue
        queue = [below for process in queue for below in _children(process)]
    return found


def signal_all(processes: Iterable[int], number: int) -> None:
    """Send a signal to each that still exists."""
    for process in processes:
        try:
            os.kill(process, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_all() -> None:
    """Stop every descendant so that none can fork any more, then kill them."""
    stopped: set[int] = set()
    while True:
        fresh = set(descendants()) - stopped
        if not fresh:
            break
        signal_all(sorted(fresh), signal.SIGSTOP)
        stopped |= fresh
    signal_all(sorted(stopped), signal.SIGKILL)


def resident_bytes() -> int:
    """What all descendants hold in memory, together."""
    return sum(map(_resident, descendants()))


def _children(process: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def _resident(process: int) -> int:
    try:
        with open(f"/proc/{process}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
