"""The bill of one run."""

from suan.accounting.energy import energy
from suan.accounting.rounding import divided
from suan.model.bill import Bill
from suan.model.offer import Terms
from suan.model.pool import Usage
from suan.model.resources import Resources
from suan.model.units import HOUR, Duration, Money

CPU_MILLI_US_PER_MS = 1_000_000  # thousandths of a device times microseconds, in a millisecond
MWH_PER_KWH = 1_000_000


def bill(
    *, per_task: Resources, tasks: int, duration: Duration, usage: Usage | None, terms: Terms
) -> Bill:
    """What a run of ``tasks`` tasks, each reserving ``per_task`` for ``duration``, comes to.

    ``docs/explanation/the-bill.md`` has the formulas, their sources and a worked example. A run
    that never started (a duration of zero, or less where a clock was set back) costs nothing.
    """
    if duration <= 0:
        return Bill(currency=terms.currency)
    reserved = Resources().plus(per_task, times=tasks)
    drawn = energy(reserved=reserved, duration=duration, usage=usage or Usage(), terms=terms)
    money, unpriced = _money(reserved, duration, energy_mwh=drawn.mwh, terms=terms)
    ungrid = () if terms.carbon_mg_per_kwh else ("no grid factor is set: carbon is counted as 0",)
    return Bill(
        cpu_ms=divided(reserved.cpu_milli * duration, CPU_MILLI_US_PER_MS),
        accelerator_ms=divided(reserved.accelerators_total * duration, CPU_MILLI_US_PER_MS),
        money=money,
        currency=terms.currency,
        energy_mwh=drawn.mwh,
        carbon_mg=divided(drawn.mwh * terms.carbon_mg_per_kwh, MWH_PER_KWH),
        energy_method=drawn.method,
        notes=terms.notes + drawn.notes + unpriced + ungrid,
    )


def _money(
    reserved: Resources, duration: Duration, *, energy_mwh: int, terms: Terms
) -> tuple[Money, tuple[str, ...]]:
    """Device-hours and energy at the pool's prices, and what has none among what has.

    That a pool sets no price at all is for its terms to say.
    """
    prices = dict(terms.accelerator_hour)
    if not (terms.cpu_hour or prices or terms.energy_kwh):
        return 0, ()
    hourly = reserved.cpu_milli * terms.cpu_hour + sum(
        amount * prices.get(model, 0) for model, amount in reserved.accelerators
    )
    money = divided(hourly * duration, 1000 * HOUR)
    money += divided(energy_mwh * terms.energy_kwh, MWH_PER_KWH)
    unpriced = (model for model, _ in reserved.accelerators if model not in prices)
    return money, tuple(f"the pool's terms set no price for {model}" for model in unpriced)
