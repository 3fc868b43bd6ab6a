"""Hourly cost: the pool's price for the whole gang must not pass the job's limit."""

from suan.core.ask import Ask
from suan.core.capacity import Pool
from suan.core.scorers import devices
from suan.core.wording import money
from suan.model.refusal import Refusal, RefusalCode


def check(ask: Ask, pool: Pool) -> Refusal | None:
    """Refuses a pool whose device-hours cost more an hour than ``max_hourly_cost``."""
    limit = ask.demand.max_hourly_cost
    if limit is None:
        return None
    price = devices.score(ask, pool.offer.terms)
    if price <= limit:
        return None
    currency = pool.offer.terms.currency
    return Refusal(
        code=RefusalCode.OVER_HOURLY_COST,
        pool=pool.name,
        detail=f"an hour here costs {money(price, currency)}, over the job's limit"
        f" of {money(limit, currency)} by {money(price - limit, currency)}",
        unblocked_by="the pool's price falls, or the job's max_hourly_cost is raised",
        permanent=True,
    )
