"""Device-hours at the pool's price."""

from suan.core.ask import Ask
from suan.model.offer import Terms
from suan.model.units import Money


def score(ask: Ask, terms: Terms) -> Money:
    """Micro-units per hour: processors and accelerators reserved, at their hourly prices."""
    need, prices = ask.per_task, dict(terms.accelerator_hour)
    thousandths = need.cpu_milli * terms.cpu_hour
    thousandths += sum(amount * prices.get(model, 0) for model, amount in need.accelerators)
    return ask.tasks * thousandths // 1000
