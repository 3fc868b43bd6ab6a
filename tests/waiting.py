"""Waiting for a condition, with a deadline. Tests use this instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.01


def until(condition: Callable[[], T], timeout: float = 10.0, *, what: str = "") -> T:
    """Ask ``condition`` until its answer is true and return that answer.

    Raises:
        AssertionError: ``timeout`` seconds passed; says what was waited for, and the last answer.
    """
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(_late(what or condition, timeout, answer))
        time.sleep(POLL_S)
    return answer


async def until_async(
    condition: Callable[[], Awaitable[T]], timeout: float = 10.0, *, what: str = ""
) -> T:
    """``until`` for a condition that has to be awaited."""
    deadline = time.monotonic() + timeout
    while not (answer := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(_late(what or condition, timeout, answer))
        await asyncio.sleep(POLL_S)
    return answer


def _late(what: object, timeout: float, answer: object) -> str:
    return f"{what} did not hold within {timeout} s; the last answer was {answer!r}"
