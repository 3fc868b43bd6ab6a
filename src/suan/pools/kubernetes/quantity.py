"""Quantities as Kubernetes writes them: ``250m``, ``1536Mi``, ``2e3``, ``8``."""

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

_FORM = re.compile(r"([+-]?[0-9.]+)([EPTGMk]i?|Ki|[num]|[eE][+-]?[0-9]+)?")
_SUFFIXES: dict[str, Decimal] = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"), "T": Decimal("1e12"),
    "P": Decimal("1e15"), "E": Decimal("1e18"),
    "Ki": Decimal(1 << 10), "Mi": Decimal(1 << 20), "Gi": Decimal(1 << 30),
    "Ti": Decimal(1 << 40), "Pi": Decimal(1 << 50), "Ei": Decimal(1 << 60),
}  # fmt: skip


@lru_cache(maxsize=4096)
def milli(text: str) -> int:
    """Thousandths, rounded up: of processors, or of devices. What cannot be read counts as 0."""
    return _scaled(text, Decimal(1000))


@lru_cache(maxsize=4096)
def whole(text: str) -> int:
    """Units, rounded up: bytes, or pods. What cannot be read counts as 0."""
    return _scaled(text, Decimal(1))


def _scaled(text: str, factor: Decimal) -> int:
    match = _FORM.fullmatch(text.strip())
    if match is None:
        return 0
    number, suffix = match.group(1), match.group(2) or ""
    if suffix[:1] in ("e", "E") and suffix not in _SUFFIXES:
        number, suffix = number + suffix, ""
    value = Decimal(number) * _SUFFIXES[suffix] * factor
    return int(value.to_integral_value(ROUND_CEILING))
