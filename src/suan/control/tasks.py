"""Running several things together, of which the first to end ends all."""

import asyncio
from collections.abc import Awaitable
from typing import Any


async def all_until_first_ends(*works: Awaitable[Any]) -> None:
    """Run all until one ends, cancel the others, and raise what the one raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
