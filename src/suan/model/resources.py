"""Resource vectors."""

from dataclasses import dataclass

from suan.model.units import Thousandths

ANY_ACCELERATOR = "*"  # in a request: one accelerator of whatever model the node has


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of processors, memory and accelerators.

    ``accelerators`` holds ``(model, thousandths)`` pairs sorted by model, each positive; models
    are in the canonical spelling of ``suan.facts.accelerators``.
    """

    cpu_milli: Thousandths = 0
    memory_mib: int = 0
    accelerators: tuple[tuple[str, Thousandths], ...] = ()

    def accelerator(self, model: str) -> Thousandths:
        """How much of one accelerator model is in this vector."""
        for name, amount in self.accelerators:
            if name == model:
                return amount
        return 0

    @property
    def accelerators_total(self) -> Thousandths:
        """Accelerators of every model together."""
        total = 0
        for _, amount in self.accelerators:  # asked too often for a generator
            total += amount
        return total

    def plus(self, other: "Resources", *, times: int = 1) -> "Resources":
        """``self + times * other``; a component may become negative, a zero accelerator goes."""
        amounts = dict(self.accelerators)
        for model, amount in other.accelerators:
            amounts[model] = amounts.get(model, 0) + times * amount
        return Resources(
            cpu_milli=self.cpu_milli + times * other.cpu_milli,
            memory_mib=self.memory_mib + times * other.memory_mib,
            accelerators=tuple(sorted((m, a) for m, a in amounts.items() if a)),
        )

    def fits_in(self, free: "Resources") -> bool:
        """Whether ``free`` covers every component. ``*`` is covered by any one model."""
        if self.cpu_milli > free.cpu_milli or self.memory_mib > free.memory_mib:
            return False
        for model, amount in self.accelerators:
            if model == ANY_ACCELERATOR:
                if not any(have >= amount for _, have in free.accelerators):
                    return False
            elif free.accelerator(model) < amount:
                return False
        return True
