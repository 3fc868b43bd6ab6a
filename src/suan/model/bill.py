"""The bill: what a run used, and what that comes to."""

from dataclasses import dataclass

from suan.model.units import Money


@dataclass(frozen=True, slots=True)
class Bill:
    """What one run (or the sum of a job's runs) used.

    Amounts are integers: milliseconds of a device, micro-units of the currency, milliwatt-hours,
    milligrams of CO2. ``energy_method`` says how the energy was found ("counter:rapl", "model:…")
    and ``notes`` each assumption in words.
    """

    cpu_ms: int = 0  # processor-milliseconds reserved
    accelerator_ms: int = 0  # accelerator-milliseconds reserved
    money: Money = 0
    currency: str = "CNY"
    energy_mwh: int = 0
    carbon_mg: int = 0
    energy_method: str = ""
    notes: tuple[str, ...] = ()

    @property
    def device_ms(self) -> int:
        """Milliseconds of its accelerators, or of its processors if it has none."""
        return self.accelerator_ms or self.cpu_ms

    def plus(self, other: "Bill") -> "Bill":
        """The sum of two bills in one currency.

        Raises:
            ValueError: the currencies differ.
        """
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        methods = dict.fromkeys(m for m in (self.energy_method, other.energy_method) if m)
        return Bill(
            cpu_ms=self.cpu_ms + other.cpu_ms,
            accelerator_ms=self.accelerator_ms + other.accelerator_ms,
            money=self.money + other.money,
            currency=self.currency,
            energy_mwh=self.energy_mwh + other.energy_mwh,
            carbon_mg=self.carbon_mg + other.carbon_mg,
            energy_method=", ".join(methods),
            notes=tuple(dict.fromkeys(self.notes + other.notes)),
        )
