"""Infrastructure: the job may name a pool, a kind, a ``kind/name`` pair or a site."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool that ``Option.infra`` does not match. ``*`` stands for any characters."""
    pattern = ask.infra
    if pattern is None or any(_matches(pattern, name) for name in names(pool)):
        return None
    return Refusal(
        code=RefusalCode.INFRA_MISMATCH,
        pool=pool.name,
        detail=f"the job asks for infra {pattern!r}; this pool is {', '.join(names(pool))}",
        unblocked_by=f"a pool that matches {pattern!r} joins, or the job asks for other infra",
        permanent=True,
    )


def names(pool: Pool) -> tuple[str, ...]:
    """Everything that a job may call a pool by."""
    offer = pool.offer
    return (pool.name, offer.kind, f"{offer.kind}/{pool.name}", offer.terms.site)


def _matches(pattern: str, name: str) -> bool:
    """Whether ``name`` is ``pattern``, in which ``*`` stands for any run of characters."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(rest[-1]) and name.endswith(rest[-1])
