"""Whether this server can do its work: its store answers, a leader is known, its loop lives.

A process that answers but whose loop is stuck is not healthy, and says so.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from suan.api.services import ApiContext
from suan.model.errors import StoreError
from suan.model.store import Lease

STORE_TIMEOUT_S = 2.0
OK = "ok"


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is "ok" or "unhealthy"; each check is "ok" or says what is wrong."""

    status: str
    checks: Mapping[str, str]


async def health(context: ApiContext) -> Health:
    """Run every check."""
    store, lease = await _store(context)
    status = context.live.status()
    checks = {
        "store": store,
        "leader": _leader(context, lease) if store == OK else "not known without the store",
        "loop": status.trouble or OK,
    }
    return Health(OK if set(checks.values()) == {OK} else "unhealthy", checks)


async def _store(context: ApiContext) -> tuple[str, Lease | None]:
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            return OK, await context.store.current()
    except StoreError as error:
        return error.message, None
    except TimeoutError:
        return f"no answer within {STORE_TIMEOUT_S:g} s", None


def _leader(context: ApiContext, lease: Lease | None) -> str:
    if lease is None:
        return "no server has taken the lead yet"
    if lease.expires_at <= context.now():
        return "the last leader's lease has expired and nobody has taken over"
    return OK
