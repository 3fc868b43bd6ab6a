"""Sites: the eight national compute hubs and ten clusters of East Data West Compute (东数西算)."""

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from suan.facts import grid
from suan.facts.reading import read
from suan.model.views import SiteView

Site: TypeAlias = SiteView

UNKNOWN_PUE_MILLI = 1000
UNKNOWN_PUE_BASIS = "PUE 1.000 (assumption: the overhead of the building is not known)"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a place does to the energy of a run, and on what ground that is said."""

    pue_milli: int
    carbon_mg_per_kwh: int
    basis: str


@cache
def sites() -> tuple[Site, ...]:
    """Every site of the reference map, in the order of the table."""
    return tuple(_site(row) for row in read("sites"))


def site(name: str) -> Site | None:
    """The site called ``name`` (its id, or its English or Chinese name, in any case)."""
    return _by_name().get(name.casefold())


def conditions(name: str) -> Conditions:
    """The PUE and grid factor at a site.

    A place that is not on the map (``here``, say) gets China's national average and a PUE of 1,
    and ``basis`` calls both an assumption.
    """
    found = site(name)
    if found is not None:
        return Conditions(found.pue_milli, found.carbon_mg_per_kwh, found.basis)
    average = grid.factor()
    return Conditions(
        UNKNOWN_PUE_MILLI,
        average.mg_per_kwh,
        f"{UNKNOWN_PUE_BASIS}; grid factor {average.basis} (assumption: the place is not known)",
    )


@cache
def _by_name() -> dict[str, Site]:
    return {
        name.casefold(): each
        for each in sites()
        for name in (each.name_en, each.name_zh, each.site)
    }


def _site(row: dict[str, str]) -> Site:
    factor = grid.factor(row["province"], row["grid"])
    return SiteView(
        site=row["site"],
        kind=row["kind"],
        parent=row["parent"],
        name_en=row["name_en"],
        name_zh=row["name_zh"],
        province=row["province"],
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
        pue_milli=round(float(row["pue_ceiling"]) * 1000),
        carbon_mg_per_kwh=factor.mg_per_kwh,
        basis=f"PUE ceiling: {row['pue_basis']}; grid factor: {factor.basis}",
    )
