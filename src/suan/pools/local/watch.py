"""Waking when a file grows: inotify, or a look every 50 ms where there is none."""

import asyncio
import ctypes
import os
from pathlib import Path

_IN_MODIFY = 0x2
_POLL_S = 0.05
_libc = ctypes.CDLL(None, use_errno=True)


class FileWatch:
    """Watches one file that exists. Belongs to one event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._modified = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = _inotify(path)
        if self._descriptor is not None:
            self._loop.add_reader(self._descriptor, self._drain, self._descriptor)

    async def beyond(self, size: int, timeout_s: float) -> bool:
        """Wait until the file is longer than ``size`` bytes; whether it is."""
        deadline = self._loop.time() + timeout_s
        while not self._longer(size):
            left = deadline - self._loop.time()
            if left <= 0:
                return False
            await self._pause(left)
        return True

    def close(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _longer(self, size: int) -> bool:
        self._modified.clear()
        try:
            return self._path.stat().st_size > size
        except FileNotFoundError:
            return True

    async def _pause(self, left: float) -> None:
        if self._descriptor is None:
            await asyncio.sleep(min(left, _POLL_S))
            return
        try:
            await asyncio.wait_for(self._modified.wait(), left)
        except TimeoutError:
            return

    def _drain(self, descriptor: int) -> None:
        try:
            os.read(descriptor, 1 << 16)
        except BlockingIOError:
            pass
        self._modified.set()


def _inotify(path: Path) -> int | None:
    descriptor = int(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0:
        return None
    if _libc.inotify_add_watch(descriptor, os.fsencode(path), _IN_MODIFY) < 0:
        os.close(descriptor)
        return None
    return descriptor
