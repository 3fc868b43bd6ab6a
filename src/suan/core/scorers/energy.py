"""Energy: the power of what is reserved, fully busy, times the site's PUE, at its price."""

from suan.core.ask import Ask
from suan.model.offer import Terms
from suan.model.units import Money


def power_mw(ask: Ask, terms: Terms) -> int:
    """Milliwatts at the meter of the site: the gang's devices fully busy, times the PUE."""
    need, powers = ask.per_task, dict(terms.accelerator_power_mw)
    busy = need.cpu_milli * terms.cpu_power_mw
    busy += sum(amount * powers.get(model, 0) for model, amount in need.accelerators)
    return ask.tasks * busy * terms.pue_milli // 1_000_000


def score(ask: Ask, terms: Terms) -> Money:
    """Micro-units per hour. An hour at one milliwatt is a milliwatt-hour, 1e-6 kWh."""
    return power_mw(ask, terms) * terms.energy_kwh // 1_000_000
