"""Grid emission factors: how much CO2 a kilowatt-hour stands for.

Annual averages of China's provinces and grids for 2023. They are location-based: contracts for
green power change no figure here (the SCI standard, ISO/IEC 21031:2024, excludes them too).
"""

from dataclasses import dataclass
from functools import cache

from suan.facts.reading import read

MG_PER_KG = 1_000_000
NATION = "China"


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor in milligrams of CO2 per kilowatt-hour. ``basis`` says what it is the average of."""

    mg_per_kwh: int
    basis: str


@cache
def _table() -> dict[tuple[str, str], Factor]:
    return {
        (row["level"], row["region"]): Factor(
            mg_per_kwh=round(float(row["kg_co2_per_kwh"]) * MG_PER_KG),
            basis=f"{row['region']} {row['level']} average: {row['source']}",
        )
        for row in read("grid_factors_cn_2023")
    }


def factor(province: str | None = None, grid: str | None = None) -> Factor:
    """The nearest factor that is known: the province's, else the grid's, else the nation's."""
    table = _table()
    for key in (("province", province or ""), ("grid", grid or "")):
        if key in table:
            return table[key]
    return table["national", NATION]


def factor_mg_per_kwh(province: str | None = None, grid: str | None = None) -> int:
    """``factor(...)`` as a bare number, in milligrams of CO2 per kilowatt-hour."""
    return factor(province, grid).mg_per_kwh
