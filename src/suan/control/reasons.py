"""A placement's reasons in words: the chosen pool's cost line by line, and what the others said."""

from collections.abc import Mapping

from suan.model.plan import Cost, Place
from suan.model.units import Money, PoolName

_UNIT = 1_000_000
MAX_REASONS = 40  # a run's row stays small however many pools there are


def place_reasons(place: Place, currencies: Mapping[PoolName, str]) -> tuple[str, ...]:
    """One line for each pool: the chosen one first, then dearer ones, then refusals."""
    lines = [_cost_line(cost, currencies, rank) for rank, cost in enumerate(place.costs)]
    lines += [
        f"not {refusal.pool or 'anywhere'}: {refusal.detail} ({refusal.code})"
        for refusal in place.refusals
    ]
    if len(lines) > MAX_REASONS:
        lines[MAX_REASONS:] = [f"and {len(lines) - MAX_REASONS} more pools"]
    return tuple(lines)


def _cost_line(cost: Cost, currencies: Mapping[PoolName, str], rank: int) -> str:
    currency = currencies.get(cost.pool, "")
    terms = " + ".join(f"{name} {_amount(money)}" for name, money in cost.terms if money)
    total = f"{_amount(cost.total)} {currency} an hour".replace("  ", " ")
    chosen = f"{cost.pool}, the cheapest" if rank == 0 else f"rather than {cost.pool}"
    return f"{chosen}: {total}" + (f" = {terms}" if terms else "")


def _amount(money: Money) -> str:
    sign, whole = "-" if money < 0 else "", abs(money)
    return f"{sign}{whole // _UNIT}.{whole % _UNIT // 100:04d}"
