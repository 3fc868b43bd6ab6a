"""What a pool offers: its terms, and its nodes as last observed."""

from dataclasses import dataclass

from suan.model.resources import Resources
from suan.model.units import Money, NodeName, PoolName, SiteName


@dataclass(frozen=True, slots=True)
class Terms:
    """What it costs to run in a pool, in every unit a decision or a bill needs.

    Prices are per processor-hour and per accelerator-hour of each model; power is in milliwatts
    of one busy processor or accelerator; ``carbon_mg_per_kwh`` is the site's grid factor. A model
    that is missing from a table costs nothing there, and ``notes`` says which figures are assumed.
    """

    site: SiteName = SiteName("here")
    currency: str = "CNY"
    cpu_hour: Money = 0
    accelerator_hour: tuple[tuple[str, Money], ...] = ()
    energy_kwh: Money = 0
    carbon_kg: Money = 0  # the carbon price: what a kilogram of CO2 weighs in a decision
    cpu_power_mw: int = 4000
    accelerator_power_mw: tuple[tuple[str, int], ...] = ()
    pue_milli: int = 1000
    carbon_mg_per_kwh: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """What is true of a pool as a whole. ``frameworks`` empty means any. ``withheld`` says why it
    takes nothing new, where its owner told so; empty where he did not."""

    pool: PoolName
    kind: str
    terms: Terms = Terms()
    frameworks: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    capabilities: tuple[str, ...] = ()
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node as observed. ``others_use`` is what is taken by anything but suan's own runs;
    ``rack`` is where it stands, as a path from the outside in (``spine1/leaf3``), empty if that is
    not known."""

    name: NodeName
    total: Resources
    others_use: Resources = Resources()
    schedulable: bool = True
    rack: str = ""
