"""A placement's reasons in words: the chosen pool's cost line by line, and what the others said."""

from collections.abc import Iterable, Mapping

from suan.core.racks import closeness
from suan.model.plan import Cost, Place
from suan.model.refusal import RefusalCode
from suan.model.units import Money, PoolName

_UNIT = 1_000_000
MAX_REASONS = 40  # a run's row stays small however many pools there are
_PASSED_OVER = (RefusalCode.NO_CAPACITY, RefusalCode.BEHIND_EARLIER_JOB)


def place_reasons(
    place: Place, currencies: Mapping[PoolName, str], racks: Iterable[str] = ()
) -> tuple[str, ...]:
    """One line for each pool: the chosen one first, then those it was preferred to, then those
    that were passed over or refuse. After the first, how close together the nodes of a gang stand,
    told by the ``racks`` of these, where they are known."""
    lines = [
        f"{f'rather than {cost.pool}' if rank else _chosen(place)}: {_sum(cost, currencies)}"
        for rank, cost in enumerate(place.costs)
    ]
    lines += [
        f"not {refusal.pool or 'anywhere'}: {refusal.detail} ({refusal.code})"
        for refusal in place.refusals
    ]
    if len(lines) > MAX_REASONS:
        lines[MAX_REASONS:] = [f"and {len(lines) - MAX_REASONS} more pools"]
    if near := closeness(racks):
        lines.insert(1, f"its nodes stand {near}")
    return tuple(lines)


def _chosen(place: Place) -> str:
    """The chosen pool, and in what it is the best: others may cost less but have no room, or
    come later among ordered options."""
    if any(cost.total < place.costs[0].total for cost in place.costs):
        return f"{place.pool}, by the first option with room"
    if any(refusal.code in _PASSED_OVER for refusal in place.refusals):
        return f"{place.pool}, the cheapest with room"
    return f"{place.pool}, the cheapest"


def _sum(cost: Cost, currencies: Mapping[PoolName, str]) -> str:
    currency = currencies.get(cost.pool, "")
    terms = " + ".join(f"{name} {_amount(money)}" for name, money in cost.terms if money)
    total = f"{_amount(cost.total)} {currency} an hour".replace("  ", " ")
    return total + (f" = {terms}" if terms else "")


def _amount(money: Money) -> str:
    sign, whole = "-" if money < 0 else "", abs(money)
    return f"{sign}{whole // _UNIT}.{whole % _UNIT // 100:04d}"
