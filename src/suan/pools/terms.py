"""What a pool offers and costs, from its ``pools.yaml`` entry and the reference facts about its
site."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from suan.facts import accelerators, power, sites
from suan.facts.frameworks import canonical as canonical_framework
from suan.model.offer import Offer, Terms
from suan.model.pool import capabilities
from suan.model.units import PoolName, SiteName
from suan.pools import quantities
from suan.pools.fields import Fields

HERE = SiteName("here")
_NO_PRICES = "prices: none declared, so a run costs nothing here (assumption)"


@dataclass(frozen=True, slots=True)
class Declared:
    """Figures that an operator may state; ``None`` where he did not."""

    site: str = HERE
    pue_milli: int | None = None
    carbon_mg_per_kwh: int | None = None
    cpu_power_mw: int | None = None
    prices: Fields | None = None


def offered(fields: Fields, kind: str, pool: type) -> Offer:
    """What every kind's entry says alike: ``name``, ``labels``, ``frameworks`` and the terms.
    ``pool`` is the kind's class, whose capabilities it has.

    Raises:
        InputError: with ``file:line``.
    """
    labels = fields.mapping("labels")
    return Offer(
        pool=PoolName(fields.text("name") or ""),
        kind=kind,
        terms=read(fields),
        frameworks=tuple(map(canonical_framework, fields.texts("frameworks"))),
        labels=tuple(sorted(labels.each(str).items())) if labels else (),
        capabilities=capabilities(pool),
    )


def read(fields: Fields) -> Terms:
    """The terms of an entry: ``site``, ``prices``, ``pue``, ``carbon_g_per_kwh``, ``cpu_power_w``.

    Raises:
        InputError: with ``file:line``.
    """
    return build(
        Declared(
            site=fields.text("site") or HERE,
            pue_milli=fields.parsed("pue", quantities.pue),
            carbon_mg_per_kwh=fields.parsed("carbon_g_per_kwh", quantities.grams),
            cpu_power_mw=fields.parsed("cpu_power_w", quantities.watts),
            prices=fields.mapping("prices"),
        )
    )


def build(declared: Declared) -> Terms:
    """Declared figures first, then the site's, then assumptions; ``notes`` tells which is which."""
    found = sites.site(declared.site)
    conditions = sites.conditions(declared.site)
    notes = []
    if declared.pue_milli is None or declared.carbon_mg_per_kwh is None:
        notes.append(conditions.basis)
    if declared.cpu_power_mw is None:
        notes.append(f"processor power: {power.CPU_THREAD_SOURCE} (assumption)")
    if declared.prices is None:
        notes.append(_NO_PRICES)
    prices = _prices(declared.prices)
    return Terms(
        site=SiteName(found.site if found else declared.site),
        currency=prices.currency,
        cpu_hour=prices.cpu_hour,
        accelerator_hour=prices.accelerator_hour,
        energy_kwh=prices.energy_kwh,
        carbon_kg=prices.carbon_kg,
        cpu_power_mw=power.CPU_THREAD_MW
        if declared.cpu_power_mw is None
        else declared.cpu_power_mw,
        pue_milli=conditions.pue_milli if declared.pue_milli is None else declared.pue_milli,
        carbon_mg_per_kwh=conditions.carbon_mg_per_kwh
        if declared.carbon_mg_per_kwh is None
        else declared.carbon_mg_per_kwh,
        notes=tuple(notes),
    )


def powered(terms: Terms, models: Iterable[str]) -> Terms:
    """The terms with the power of a pool's own models; a note for each that is not known."""
    powers, notes = [], []
    for model in sorted(set(models)):
        found = accelerators.accelerator(model)
        if found and found.power_mw:
            powers.append((model, found.power_mw))
        else:
            notes.append(f"power of {model} is not known: counted as 0 (assumption)")
    return replace(terms, accelerator_power_mw=tuple(powers), notes=(*terms.notes, *notes))


def _prices(fields: Fields | None) -> Terms:
    """The price fields alone, in an otherwise empty ``Terms``."""
    if fields is None:
        return Terms()
    of_models = fields.mapping("accelerator_hour")
    by_model = of_models.each(quantities.money) if of_models else {}
    prices = Terms(
        currency=fields.text("currency") or "CNY",
        cpu_hour=fields.parsed("cpu_hour", quantities.money) or 0,
        accelerator_hour=tuple(
            sorted((accelerators.canonical(model), price) for model, price in by_model.items())
        ),
        energy_kwh=fields.parsed("energy_kwh", quantities.money) or 0,
        carbon_kg=fields.parsed("carbon_kg", quantities.money) or 0,
    )
    fields.end()
    return prices
