"""Amounts by kind as people write them: ``A100=8,cpu=64,memory=512GB``. For quotas.

Pure, like ``quantities``: ``format_amounts`` writes what ``parse_amounts`` reads back unchanged.
"""

from suan.facts.accelerators import canonical
from suan.jobfile.quantities import (
    format_memory,
    format_thousandths,
    parse_cpus,
    parse_memory,
    parse_thousandths,
)
from suan.model.quota import Amounts
from suan.model.resources import ANY_ACCELERATOR

CPU, MEMORY, NONE = "cpu", "memory", "none"
_SPELLINGS = {"cpu": CPU, "cpus": CPU, "memory": MEMORY, "mem": MEMORY}
_MOST_NAME = 100
_NOT_IN_NAMES = frozenset(",=:")


def parse_amounts(text: str) -> Amounts:
    """Amounts from ``A100=8,cpu=64,memory=512GB``: thousandths, and MiB of memory, sorted by kind.

    ``none``, or nothing, is no amount at all. A bare number of memory is GiB.

    Raises:
        ValueError: a kind or an amount is none, or a kind stands twice.
    """
    found: dict[str, int] = {}
    pieces = [] if text.strip().casefold() in ("", NONE) else text.split(",")
    for piece in pieces:
        name, equals, amount = piece.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{piece.strip()!r} is not KIND=AMOUNT; write A100=8,cpu=64")
        kind = kind_of(name)
        if kind in found:
            raise ValueError(f"{kind} stands twice; name each kind once")
        found[kind] = _amount(kind, amount)
    return tuple(sorted(found.items()))


def _amount(kind: str, text: str) -> int:
    if kind == MEMORY:
        return parse_memory(text)
    return parse_cpus(text) if kind == CPU else parse_thousandths(text, what=kind)


def kind_of(name: str) -> str:
    """The kind that people mean by a name: ``cpu``, ``memory``, or an accelerator's model.

    Raises:
        ValueError: it names no one model.
    """
    return _SPELLINGS.get(name.strip().casefold()) or model_of(name)


def model_of(name: str) -> str:
    """An accelerator's model in its one spelling.

    Raises:
        ValueError: it is no name of one, or means any model.
    """
    kind = canonical(name) if name.strip() else ""
    if kind == ANY_ACCELERATOR:
        raise ValueError(f"{name!r} is any accelerator; a quota is of one model, such as A100")
    unusable = _NOT_IN_NAMES.intersection(kind) or not kind.isprintable() or len(kind) > _MOST_NAME
    if not kind or unusable or kind.casefold() in _SPELLINGS:
        raise ValueError(f"{name[:80]!r} is not an accelerator's name; write a model, as A100-80GB")
    return kind


def format_amounts(amounts: Amounts) -> str:
    """``A100-80GB=8,cpu=64,memory=512GiB``; ``none`` for none."""
    said = (
        f"{kind}={format_memory(n) if kind == MEMORY else format_thousandths(n)}"
        for kind, n in amounts
    )
    return ",".join(said) or NONE
