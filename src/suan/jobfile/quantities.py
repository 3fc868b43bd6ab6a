"""Values as people write them: durations, memory, processors, accelerators, money, times, places.

Pure. Each ``parse_*`` raises ``ValueError`` with a sentence that says what was expected and shows
an example; each ``format_*`` writes what its ``parse_*`` reads back unchanged.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal

from suan.model.resources import ANY_ACCELERATOR
from suan.model.units import DAY, HOUR, MINUTE, SECOND, Duration, Instant, Money, Thousandths

_UNITS: dict[str, Duration] = {
    "us": 1,
    "ms": 1_000,
    "s": SECOND,
    "sec": SECOND,
    "m": MINUTE,
    "min": MINUTE,
    "h": HOUR,
    "d": DAY,
    "w": 7 * DAY,
}
_FORMAT_UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1_000), ("us", 1))
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PIECE = re.compile(rf"({_NUMBER})\s*([a-z]+)", re.ASCII)
_PIECES = re.compile(rf"(?:\s*{_NUMBER}\s*[a-z]+)+\s*", re.ASCII)
_CLOCK = re.compile(r"(?:([0-9]+)-)?([0-9]+)(?::([0-9]+))?(?::([0-9]+))?", re.ASCII)
_MEMORY = re.compile(rf"({_NUMBER})\s*([kmgt]?)(i?b)?\+?", re.ASCII | re.IGNORECASE)
_ACCELERATOR = re.compile(rf"((?![-+.,/_])[^:\s]+)(?:\s*:\s*({_NUMBER}))?", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)
_MEMORY_KIB = {"k": 1, "m": 1 << 10, "g": 1 << 20, "t": 1 << 30}
_KUBERNETES = ("k8s", "kubernetes")
_MAX_DIGITS = 18  # what a 64-bit store column can hold
LARGEST_MIB = 1 << 40  # an exbibyte
_LAST_INSTANT = 253_402_300_800 * SECOND  # the end of the year 9999
_DURATION_HELP = "write it with units, such as 90s, 1h30m or 2d, or as [days-]hh:mm:ss"


def _decimal(text: str) -> Decimal:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"the number is too long: at most {_MAX_DIGITS} digits")
    return Decimal(text)


def _bounded(amount: Decimal, *, what: str) -> int:
    if amount >= 10**_MAX_DIGITS:
        raise ValueError(f"{what} is too large")
    return int(amount)


def parse_duration(text: str) -> Duration:
    """Microseconds from ``90s``, ``1h30m``, ``2d``, ``mm:ss``, ``hh:mm:ss`` or ``d-hh:mm:ss``.

    A bare number is refused: Slurm would read minutes, other tools seconds.

    Raises:
        ValueError: it is none of these, or too large.
    """
    lowered = text.strip().lower()
    if _PIECES.fullmatch(lowered):
        return _sum_of_pieces(lowered)
    if (":" in lowered or "-" in lowered) and _CLOCK.fullmatch(lowered):
        return parse_slurm_time(lowered)
    if re.fullmatch(_NUMBER, lowered):
        raise ValueError(f"{text!r} has no unit; {_DURATION_HELP}")
    raise ValueError(f"{text!r} is not a duration; {_DURATION_HELP}")


def _sum_of_pieces(text: str) -> Duration:
    total = Decimal(0)
    for number, unit in _PIECE.findall(text):
        if unit not in _UNITS:
            known = "ms, s, m, h, d or w"
            raise ValueError(f"unknown unit {unit!r} in the duration {text!r}; use {known}")
        total += _decimal(number) * _UNITS[unit]
    return _bounded(total, what="the duration")


def parse_slurm_time(text: str) -> Duration:
    """Microseconds from Slurm's ``minutes``, ``mm:ss``, ``hh:mm:ss``, ``d-hh[:mm[:ss]]``.

    Source of the forms: Slurm's sbatch manual, option ``--time``.

    Raises:
        ValueError: it is none of these.
    """
    match = _CLOCK.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a time; write minutes, mm:ss, hh:mm:ss or d-hh:mm:ss")
    days, *rest = match.groups()
    numbers = [_decimal(part) for part in rest if part is not None]
    if days is not None:
        units: tuple[Duration, ...] = (HOUR, MINUTE, SECOND)
    elif len(numbers) == 3:
        units = (HOUR, MINUTE, SECOND)
    else:
        units = (MINUTE, SECOND)
    total = _decimal(days or "0") * DAY
    total += sum((n * unit for n, unit in zip(numbers, units, strict=False)), Decimal(0))
    return _bounded(total, what="the time")


def format_duration(duration: Duration) -> str:
    """``1h30m`` for 5,400 seconds; exact to the microsecond. ``0s`` for nothing."""
    pieces = []
    for unit, size in _FORMAT_UNITS:
        count, duration = divmod(duration, size)
        if count:
            pieces.append(f"{count}{unit}")
    return "".join(pieces) or "0s"


def parse_memory(text: str, *, unit: str = "g") -> int:
    """MiB from ``16``, ``16GB``, ``512MiB`` or ``16+`` (at least 16), rounded up.

    Units are binary whether or not they carry an ``i``, as in Slurm and SkyPilot. ``unit`` is what
    a bare number means: GiB in a job file, MiB in ``#SBATCH``.

    Raises:
        ValueError: it is no amount of memory.
    """
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not an amount of memory; write 16GB, 512MB or 16+")
    number, letter, _ = match.groups()
    kib = _decimal(number) * _MEMORY_KIB[(letter or unit).lower()]
    mib = _bounded(kib // 1024 + bool(kib % 1024), what="the memory")
    if mib > LARGEST_MIB:
        raise ValueError(f"{text!r} is more memory than any node has; check the unit")
    return mib


def format_memory(mib: int) -> str:
    """``16GiB`` for 16,384; ``500MiB`` for 500."""
    if mib and mib % 1024 == 0:
        return f"{mib // 1024}GiB"
    return f"{mib}MiB"


def parse_thousandths(text: str, *, what: str) -> Thousandths:
    """Thousandths from a count such as ``4`` or ``0.25``.

    Raises:
        ValueError: it is no such number, or finer than a thousandth.
    """
    stripped = text.strip()
    if not re.fullmatch(_NUMBER, stripped, re.ASCII):
        raise ValueError(f"{text!r} is not a number of {what}; write 4 or 0.5")
    amount = _decimal(stripped) * 1000
    if amount != amount.to_integral_value():
        raise ValueError(f"{text!r} is finer than a thousandth; round it to three places")
    return _bounded(amount, what=f"the number of {what}")


def parse_cpus(text: str) -> Thousandths:
    """Thousandths of a processor from ``4``, ``4+`` (at least four) or ``0.5``.

    Raises:
        ValueError: it is none of these.
    """
    return parse_thousandths(text.strip().removesuffix("+"), what="processors")


def format_thousandths(amount: Thousandths) -> str:
    """``4`` for 4000, ``0.25`` for 250."""
    whole, rest = divmod(amount, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".") if rest else str(whole)


def parse_accelerator(text: str) -> tuple[str, Thousandths]:
    """Model and thousandths from ``A100``, ``A100:2``, ``A100:0.25``; ``2`` is of any model.

    The model keeps its spelling; the scheduler knows the aliases.

    Raises:
        ValueError: it is none of these, or the count is zero.
    """
    stripped = text.strip()
    if re.fullmatch(_NUMBER, stripped, re.ASCII):
        stripped = f"{ANY_ACCELERATOR}:{stripped}"
    match = _ACCELERATOR.fullmatch(stripped)
    if not match:
        raise ValueError(f"{text!r} is not an accelerator; write A100, A100:2 or A100:0.25")
    model, count = match.groups()
    if model.lower() in ("gpu", "any"):
        model = ANY_ACCELERATOR
    amount = parse_thousandths(count or "1", what="accelerators")
    if not amount:
        raise ValueError("zero accelerators; leave the field out instead")
    return model, amount


def format_accelerator(model: str, amount: Thousandths) -> str:
    """``A100:2``; ``gpu:1`` for one of any model."""
    return f"{'gpu' if model == ANY_ACCELERATOR else model}:{format_thousandths(amount)}"


def parse_nodes(text: str, *, most: int) -> tuple[int, int | None]:
    """How many nodes: ``4`` as 4 and ``None``, ``2..8`` as the least and the most.

    Raises:
        ValueError: it is neither, or goes beyond ``most``.
    """
    low, dots, high = text.strip().partition("..")
    bounds = [low, high] if dots else [low]
    if not all(_COUNT.fullmatch(each) for each in bounds):
        raise ValueError(f"{text.strip()!r} is no number of nodes; write 4, or 2..8 for a range")
    numbers = [int(each) for each in bounds]
    for number in numbers:
        if not 1 <= number <= most:
            raise ValueError(f"must be from 1 to {most}, got {number}")
    if numbers[-1] < numbers[0]:
        raise ValueError(
            f"the range {text.strip()} ends before it begins; write {numbers[-1]}..{numbers[0]}"
        )
    return numbers[0], numbers[1] if numbers[-1] > numbers[0] else None


def parse_infra(text: str) -> str:
    """A pool's name, ``kind``, ``kind/name`` or site, with ``k8s`` written out as ``kubernetes``.

    Raises:
        ValueError: it is empty, or has what no name of these has.
    """
    written = text.strip().strip("/")
    if not written or not written.isprintable() or " " in written:
        raise ValueError("is not a place; write a pool's name, kind/name, a site, or '*'")
    kind, slash, rest = written.partition("/")
    return ("kubernetes" if kind.lower() in _KUBERNETES else kind) + slash + rest


def parse_money(text: str) -> Money:
    """Millionths from ``12.50``, in the currency the pools' prices are in.

    Raises:
        ValueError: it is no plain number.
    """
    stripped = text.strip()
    if not re.fullmatch(_NUMBER, stripped, re.ASCII):
        raise ValueError(
            f"{text!r} is not an amount; write the number alone, such as 12.50, "
            "in the currency of the pools' prices"
        )
    return _bounded((_decimal(stripped) * 1_000_000).to_integral_value(), what="the amount")


def parse_instant(text: str, *, now: Instant | None) -> Instant:
    """Microseconds since 1970 from ``2026-12-01T08:00+08:00``, or ``+6h`` after ``now``.

    Raises:
        ValueError: it is neither, has no time zone, or is relative and ``now`` is ``None``.
    """
    stripped = text.strip()
    if stripped.startswith("+"):
        if now is None:
            raise ValueError("a time such as +6h needs a clock; write 2026-12-01T08:00+08:00")
        instant = now + parse_duration(stripped[1:])
        if instant >= _LAST_INSTANT:
            raise ValueError(f"{text!r} is beyond the year 9999; write an earlier time")
        return instant
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time; write 2026-12-01T08:00+08:00, or +6h for six hours from now"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; add one, such as Z or +08:00")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def format_instant(instant: Instant) -> str:
    """RFC 3339 in UTC, exact to the microsecond."""
    seconds, micros = divmod(instant, SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros).isoformat()
