"""Carbon: the energy at the site's grid factor, at the carbon price."""

from suan.core.ask import Ask
from suan.core.scorers.energy import power_mw
from suan.model.offer import Terms
from suan.model.units import Money


def score(ask: Ask, terms: Terms) -> Money:
    """Micro-units per hour: kWh × mg CO2 per kWh × price of a kilogram (1e6 mg)."""
    milligrams = power_mw(ask, terms) * terms.carbon_mg_per_kwh // 1_000_000
    return milligrams * terms.carbon_kg // 1_000_000
