"""Slurm's trackable resources: ``cpu=64,mem=250G,node=2,gres/gpu=8,gres/gpu:a100=8``."""

from math import ceil, gcd

from suan.facts.accelerators import canonical
from suan.jobfile.quantities import parse_memory
from suan.model.demand import Demand, Option
from suan.model.resources import ANY_ACCELERATOR, Resources

_GPU = "gres/gpu"
_FIELDS = ("alloctres", "reqtres", "nnodes", "ncpus", "alloccpus", "reqcpus")


class Sizes:
    """Demands by the fields that they are read from; equal ones are one object."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[Demand | None, bool]] = {}

    def of(self, fields: dict[str, str]) -> tuple[Demand | None, bool]:
        """A demand (``None`` if it asks for nothing), and whether its tasks were rounded up.

        Raises:
            ValueError: an amount cannot be read.
        """
        key = tuple([fields.get(each, "") for each in _FIELDS])
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _demand(dict(zip(_FIELDS, key, strict=True)))
        return found


def parse(text: str) -> dict[str, str]:
    """Amounts by name.

    Raises:
        ValueError: a part is not ``name=amount``.
    """
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not equals or not amount for _, equals, amount in parts):
        raise ValueError(f"{text!r} is not name=amount,…")
    return {name.strip().casefold(): amount.strip() for name, _, amount in parts}


def accelerators(tres: dict[str, str]) -> dict[str, int]:
    """How many of each model. Where models are named, the unnamed total repeats them."""
    named = {
        canonical(name.removeprefix(f"{_GPU}:")): int(amount)
        for name, amount in tres.items()
        if name.startswith(f"{_GPU}:")
    }
    return named or ({ANY_ACCELERATOR: int(tres[_GPU])} if _GPU in tres else {})


def _demand(fields: dict[str, str]) -> tuple[Demand | None, bool]:
    tres = parse(fields["alloctres"] or fields["reqtres"])
    nodes = max(1, int(tres.get("node") or fields["nnodes"] or 1))
    counted = fields["ncpus"] or fields["alloccpus"] or fields["reqcpus"]
    cpus = int(tres.get("cpu") or counted or 0)
    memory = parse_memory(tres["mem"], unit="m") if "mem" in tres else 0
    amounts = {model: n for model, n in accelerators(tres).items() if n}
    if not cpus and not amounts:
        return None, False
    per_task = Resources(
        cpu_milli=ceil(cpus * 1000 / nodes),
        memory_mib=ceil(memory / nodes),
        accelerators=tuple(sorted((m, ceil(n / nodes) * 1000) for m, n in amounts.items())),
    )
    uneven = any(gcd(n, nodes) != nodes for n in amounts.values())
    return Demand(nodes, (Option(per_task),)), uneven
