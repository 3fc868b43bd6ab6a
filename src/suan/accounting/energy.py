"""The energy of a run: read from a counter where there is one, else modelled by device.

Model, in milliwatts, before the overhead of the building:

- a processor: ``terms.cpu_power_mw`` for each busy thread, busy at least 10 % of the time that it
  is reserved (codecarbon: 4 W a thread, floor of 10 %);
- an accelerator: ``idle + utilisation x (peak - idle)`` (Cloud Carbon Footprint).

What is not known is taken as busy, so that a modelled figure errs upwards.
"""

from dataclasses import dataclass

from suan.accounting.rounding import divided
from suan.facts.accelerators import accelerator
from suan.facts.power import CPU_FLOOR_PERCENT
from suan.model.offer import Terms
from suan.model.pool import Usage
from suan.model.resources import Resources
from suan.model.units import HOUR, Duration

FULL_MILLI = 1000
MODEL = "model:threads and devices"


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy at the wall of the building, in milliwatt-hours, and how it was found."""

    mwh: int
    method: str
    notes: tuple[str, ...] = ()


def energy(*, reserved: Resources, duration: Duration, usage: Usage, terms: Terms) -> Energy:
    """The energy of a run whose tasks reserved ``reserved`` together, times the site's PUE."""
    if usage.energy_mwh is not None:
        method = "counter:" + usage.energy_method.removeprefix("counter:")
        return Energy(divided(usage.energy_mwh * terms.pue_milli, 1000), method)
    cpu, cpu_notes = _cpu_work(
        reserved.cpu_milli * duration, cpu_us=usage.cpu_us, busy_mw=terms.cpu_power_mw
    )
    work, notes = cpu, list(cpu_notes)
    for model, amount in reserved.accelerators:
        power, found = accelerator_power_mw(
            model, utilisation_milli=usage.accelerator_utilisation_milli, terms=terms
        )
        work += power * amount * duration
        notes.extend(found)
    return Energy(divided(work * terms.pue_milli, 1000 * 1000 * HOUR), MODEL, tuple(notes))


def accelerator_power_mw(
    model: str, *, utilisation_milli: int | None, terms: Terms
) -> tuple[int, tuple[str, ...]]:
    """The mean power of one accelerator in milliwatts, and what had to be assumed.

    The pool's own figure for a busy device goes before the reference table's.
    """
    known = accelerator(model)
    peak = dict(terms.accelerator_power_mw).get(model)
    if peak is None and known is not None:
        peak = known.peak_mw or known.power_mw
    if peak is None:
        return 0, (f"power of {model} is not known: its energy is counted as 0",)
    if utilisation_milli is None:
        return peak, (f"utilisation of {model} is not measured: taken as 100 %",)
    idle = known.idle_mw if known is not None else None
    notes = () if idle is not None else (f"idle power of {model} is not known: taken as 0",)
    idle = min(idle or 0, peak)
    return idle + divided(utilisation_milli * (peak - idle), FULL_MILLI), notes


def _cpu_work(reserved: int, *, cpu_us: int | None, busy_mw: int) -> tuple[int, tuple[str, ...]]:
    """Milliwatts x thousandths of a processor x microseconds; ``reserved`` without milliwatts."""
    if cpu_us is None:
        notes = ("processor time is not measured: every reserved processor taken as busy",)
        return busy_mw * reserved, notes if reserved else ()
    return busy_mw * max(cpu_us * 1000, divided(reserved * CPU_FLOOR_PERCENT, 100)), ()
