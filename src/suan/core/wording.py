"""Amounts in words, for refusals and explanations."""

from suan.model.resources import ANY_ACCELERATOR, Resources
from suan.model.units import DAY, HOUR, MINUTE, SECOND, Duration, Money, Thousandths

_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))


def number(thousandths: Thousandths) -> str:
    """``1500`` as ``1.5``, ``2000`` as ``2``."""
    whole, rest = divmod(thousandths, 1000)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def memory(mib: int) -> str:
    """MiB below ten GiB, above it GiB to the tenth, rounded down; GiB where that is whole."""
    if mib and mib % 1024 == 0:
        return f"{mib // 1024:,} GiB"
    whole, tenths = divmod(mib * 10 // 1024, 10)
    return f"{mib:,} MiB" if mib < 10 * 1024 else f"{whole:,}.{tenths} GiB"


def amount_of(amount: Resources) -> str:
    """A resource vector in words: ``4 cpus, 16 GiB memory, 8 × A100-80GB``."""
    parts = []
    if amount.cpu_milli:
        parts.append(f"{number(amount.cpu_milli)} cpu{'' if amount.cpu_milli == 1000 else 's'}")
    if amount.memory_mib:
        parts.append(f"{memory(amount.memory_mib)} memory")
    for model, thousandths in amount.accelerators:
        name = "any accelerator" if model == ANY_ACCELERATOR else model
        parts.append(f"{number(thousandths)} × {name}")
    return ", ".join(parts) or "nothing"


def shortfall(need: Resources, have: Resources) -> str:
    """What ``have`` lacks of ``need``, in words."""
    lacks = tuple(
        (model, amount - have.accelerator(model))
        for model, amount in need.accelerators
        if amount > have.accelerator(model)
    )
    missing = Resources(
        max(need.cpu_milli - have.cpu_milli, 0), max(need.memory_mib - have.memory_mib, 0), lacks
    )
    if missing == Resources():  # the sums suffice, but a share of a device does not span two
        return "a device: a share of an accelerator cannot span two"
    return amount_of(missing)


def money(amount: Money, currency: str) -> str:
    """Micro-units as units, to the thousandth: ``12.500 CNY``."""
    sign, whole = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{whole // 1_000_000}.{whole % 1_000_000 // 1000:03d} {currency}"


def span(duration: Duration) -> str:
    """A duration by its two largest units, rounded down: ``2 h``, ``40 min 12 s``, ``1 d 3 h``."""
    for at, (unit, name) in enumerate(_UNITS):
        if duration < unit:
            continue
        whole, rest = divmod(duration, unit)
        below = _UNITS[at + 1 : at + 2]
        more = [f"{rest // size} {part}" for size, part in below if rest >= size]
        return " ".join([f"{whole:,} {name}", *more])
    return "less than 1 s"


def counted(number_of: int, noun: str) -> str:
    """``1 run``, ``12 runs``, ``3,000 jobs``."""
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


def listed(names: list[str]) -> str:
    """``a, b and c``; long lists are cut: ``a, b, c and 7 more``."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1] if names else ""]))
