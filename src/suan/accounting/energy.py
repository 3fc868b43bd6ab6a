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

_PROCESSORS, _ACCELERATORS = "processors", "accelerators"
_EVERYTHING = frozenset({_PROCESSORS, _ACCELERATORS})
_COUNTERS = {"rapl": frozenset({_PROCESSORS}), "nvml": frozenset({_ACCELERATORS})}


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy at the wall of the building, in milliwatt-hours, and how it was found."""

    mwh: int
    method: str
    notes: tuple[str, ...] = ()


def energy(*, reserved: Resources, duration: Duration, usage: Usage, terms: Terms) -> Energy:
    """The energy of a run whose tasks reserved ``reserved`` together, times the site's PUE.

    A counter that saw only processors, or only accelerators, is completed by the model.
    """
    counters, unseen = _seen(usage)
    measured = usage.energy_mwh or 0
    work, methods, notes = 0, list(counters), list[str]()
    if _PROCESSORS in unseen:
        work, assumed = _cpu_work(
            reserved.cpu_milli * duration, cpu_us=usage.cpu_us, busy_mw=terms.cpu_power_mw
        )
        notes += assumed
        methods.append("model:processors")
    if _ACCELERATORS in unseen and reserved.accelerators:
        drawn, assumed = _accelerator_work(reserved, duration, usage=usage, terms=terms)
        work += drawn
        notes += assumed
        methods.append("model:accelerators")
    together = work + measured * 1000 * HOUR
    mwh = divided(together * terms.pue_milli, 1000 * 1000 * HOUR)
    return Energy(mwh, ", ".join(methods), tuple(notes))


def _seen(usage: Usage) -> tuple[tuple[str, ...], frozenset[str]]:
    """The counters that measured the run, and what none of them saw."""
    if usage.energy_mwh is None:
        return (), _EVERYTHING
    names = usage.energy_method.removeprefix("counter:").split("+")
    seen = frozenset().union(*(_COUNTERS.get(name, _EVERYTHING) for name in names))
    return (f"counter:{'+'.join(names)}",), _EVERYTHING - seen


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


def _accelerator_work(
    reserved: Resources, duration: Duration, *, usage: Usage, terms: Terms
) -> tuple[int, tuple[str, ...]]:
    """The same unit as ``_cpu_work``, over every accelerator."""
    work, notes = 0, list[str]()
    for model, amount in reserved.accelerators:
        power, assumed = accelerator_power_mw(
            model, utilisation_milli=usage.accelerator_utilisation_milli, terms=terms
        )
        work += power * amount * duration
        notes += assumed
    return work, tuple(notes)
