"""Figures in words: durations, counts, shares, and how one compares with another."""

from unicodedata import category, east_asian_width

from suan.model.units import HOUR, MINUTE, SECOND

MILLI = 1000
SAME = 0.005  # ratios nearer to 1 than this are called equal


def duration(us: float) -> str:
    """Microseconds: ``0``, ``12 ms``, ``2.1 s``, ``3m20s``, ``2h05m``, ``4d03h``, ``412d``."""
    if us < SECOND:
        return f"{max(1, round(us / 1000))} ms" if us else "0"
    if round(us / SECOND, 1) < 60:
        return f"{us / SECOND:.1f} s"
    seconds, minutes = round(us / SECOND), round(us / MINUTE)
    if seconds < 60 * 60:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if minutes < 24 * 60:
        return f"{minutes // 60}h{minutes % 60:02}m"
    hours = round(us / HOUR)
    return f"{hours // 24}d{hours % 24:02}h" if hours < 100 * 24 else f"{hours / 24:,.0f}d"


def seconds(us: float) -> str:
    """Microseconds as seconds with two decimals, to hold against others' figures."""
    return f"{us / SECOND:,.2f}"


def count(number: float) -> str:
    """A number of things."""
    return f"{number:,.0f}"


def amount(number: float) -> str:
    """A quantity, to about three digits: ``0.042``, ``3.14``, ``31.4``, ``3,142``."""
    if not number:
        return "0"
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def percent(share: float) -> str:
    """A share of one."""
    return f"{100 * share:.1f} %"


def device_hours(time: int) -> float:
    """Thousandths of a device x microseconds, as device-hours."""
    return time / (MILLI * HOUR)


def change(value: float, reference: float) -> str:
    """``×0.31`` of a reference; ``=`` if as good as equal; ``new`` where there was nothing."""
    if not reference:
        return "=" if not value else "new"
    ratio = value / reference
    if abs(ratio - 1) < SAME:
        return "="
    if ratio >= 9.95:
        return f"×{ratio:,.0f}"
    return f"×{ratio:.2f}" if ratio >= 0.0095 or not value else f"×{ratio:.1g}"


def columns(text: str) -> int:
    """Columns that a terminal needs: East Asian wide characters take two."""
    return len(text) if text.isascii() else sum(map(_wide, text))


def clip(text: str, room: int) -> str:
    """``text`` on one line in at most ``room`` columns, with an ellipsis for what is left out."""
    text = "".join(each if each.isprintable() else " " for each in text)
    if columns(text) <= room:
        return text
    kept, used = "", 1
    for each in text:
        used += _wide(each)
        if used > room:
            break
        kept += each
    return kept + "…"


def left(text: str, room: int) -> str:
    """Clipped and padded to ``room`` columns."""
    text = clip(text, room)
    return text + " " * (room - columns(text))


def right(text: str, room: int) -> str:
    """Clipped and padded at the left."""
    text = clip(text, room)
    return " " * (room - columns(text)) + text


def _wide(character: str) -> int:
    if category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(character) in ("W", "F") else 1
