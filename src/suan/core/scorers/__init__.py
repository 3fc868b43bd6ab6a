"""Scorers: every consideration in one unit, micro-units of money per hour of the whole gang.

A scorer is a function of an ``Ask`` and a pool's terms. Their sum orders the pools, and read line
by line it is the explanation. One file each, in one table. Waiting, data transfer and the risk of
preemption are to join them here.
"""

from collections.abc import Callable

from suan.core.ask import Ask
from suan.core.scorers import carbon, devices, energy
from suan.model.offer import Offer, Terms
from suan.model.plan import Cost
from suan.model.units import Money

Scorer = Callable[[Ask, Terms], Money]

SCORERS: tuple[tuple[str, Scorer], ...] = (
    ("devices", devices.score),
    ("energy", energy.score),
    ("carbon", carbon.score),
)


def cost_of(ask: Ask, offer: Offer) -> Cost:
    """What an hour of the whole gang costs in a pool, term by term."""
    terms = tuple((name, score(ask, offer.terms)) for name, score in SCORERS)
    return Cost(pool=offer.pool, terms=terms, total=sum(amount for _, amount in terms))
