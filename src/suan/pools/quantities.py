"""Values of ``pools.yaml``: numbers from text to integer units, and racks.

Each raises ``ValueError`` in words.
"""

import re
from decimal import Decimal, InvalidOperation

from suan.model.units import Money, Thousandths

_LARGEST = Decimal(10) ** 15
_RACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,7}")
_LONGEST_RACK = 200


def _amount(text: str, scale: int) -> int:
    try:
        number = Decimal(text) * scale
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not number.is_finite() or number < 0 or number > _LARGEST:
        raise ValueError(f"{text!r} must be a number from 0 on, and not absurdly large")
    return int(number.to_integral_value())


def thousandths(text: str) -> Thousandths:
    """A count of processors or accelerators."""
    return _amount(text, 1000)


def money(text: str) -> Money:
    """A price, in units of the currency."""
    return _amount(text, 1_000_000)


def watts(text: str) -> int:
    """Power, to milliwatts."""
    return _amount(text, 1000)


def grams(text: str) -> int:
    """Grams, to milligrams: a grid factor in g/kWh."""
    return _amount(text, 1000)


def seconds(text: str) -> int:
    """Seconds, to microseconds."""
    return _amount(text, 1_000_000)


def some_seconds(text: str) -> int:
    """Seconds, to microseconds: a time-out, so from a tenth of one to a day."""
    found = seconds(text)
    if not 100_000 <= found <= 86_400_000_000:
        raise ValueError(f"{text!r} must be from 0.1 to 86400 seconds")
    return found


def days(text: str) -> int:
    """Days, to microseconds."""
    return _amount(text, 86_400_000_000)


def pue(text: str) -> int:
    """A power usage effectiveness, to thousandths: never below 1."""
    milli = _amount(text, 1000)
    if milli < 1000:
        raise ValueError(f"{text!r} is no PUE: a building cannot use less than what it houses")
    return milli


def count(text: str) -> int:
    """A whole number from 1 to 10,000."""
    number = _amount(text, 1)
    if not 1 <= number <= 10_000 or Decimal(text) != number:
        raise ValueError(f"{text!r} must be a whole number from 1 to 10000")
    return number


def flag(text: str) -> bool:
    """``true`` or ``false``."""
    if text.casefold() not in ("true", "false"):
        raise ValueError(f"{text!r} must be true or false")
    return text.casefold() == "true"


def rack(text: str) -> str:
    """Where a node stands, from the outside in: ``spine1/leaf3``."""
    if len(text) > _LONGEST_RACK or not _RACK.fullmatch(text):
        raise ValueError(
            f"{text!r} is no path to a rack: give up to 8 names of letters, digits, '.', '_', '-',"
            f" from the outside in, '/' between them, at most {_LONGEST_RACK} characters in all"
        )
    return text
