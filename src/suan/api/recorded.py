"""Waiting until the leader has recorded what it was asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def recorded(done: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
    """Whether something is so in the store before the time is over."""
    deadline = time.monotonic() + timeout_s
    while not await done():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(0.02)
    return True
