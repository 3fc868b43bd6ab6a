"""Plain tables: columns aligned by what a terminal really shows, without a library.

rich would draw them too, but takes 50 ms to load, a third of a whole command.
"""

import re
import shutil
import sys
from collections.abc import Sequence
from unicodedata import category, east_asian_width

GAP = "  "
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def width(text: str) -> int:
    """Columns that a terminal needs for ``text``: East Asian wide characters take two."""
    if text.isascii():
        return len(_ESCAPES.sub("", text)) if "\x1b" in text else len(text)
    return sum(_columns(character) for character in _ESCAPES.sub("", text))


def _columns(character: str) -> int:
    if category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(character) in ("W", "F") else 1


def clip(text: str, columns: int) -> str:
    """``text`` in at most ``columns``, with an ellipsis where something is left out."""
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for character in _ESCAPES.sub("", text):
        used += _columns(character)
        if used > columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


def grid(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
) -> str:
    """A table. Columns named in ``right`` are aligned right; on a terminal the last is clipped
    to the window, and nothing is clipped where the output is read by a program."""
    cells = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(headings, *cells, strict=True)]
    room = _room(widths)
    lines = []
    for row in [list(headings), *cells]:
        if room is not None:
            row[-1] = clip(row[-1], room)
            widths[-1] = min(widths[-1], room)
        padded = [
            _padded(cell, wide, right=heading in right)
            for cell, wide, heading in zip(row, widths, headings, strict=True)
        ]
        lines.append(GAP.join(padded).rstrip())
    return "\n".join(lines)


def _room(widths: Sequence[int]) -> int | None:
    """Columns left for the last column; ``None`` where nothing needs clipping."""
    if not sys.stdout.isatty():
        return None
    window = shutil.get_terminal_size().columns
    return max(10, window - sum(widths[:-1]) - len(GAP) * (len(widths) - 1))


def _padded(cell: str, wide: int, *, right: bool) -> str:
    space = " " * (wide - width(cell))
    return space + cell if right else cell + space


def _one_line(cell: str) -> str:
    """Control characters in a job's name must not steer the terminal."""
    if cell.isprintable() or ("\x1b" in cell and _ESCAPES.sub("", cell).isprintable()):
        return cell
    return "".join(c if c.isprintable() else " " for c in cell)


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values, one pair a line, values aligned; empty values are left out."""
    shown = [(name, value) for name, value in pairs if value]
    wide = max((width(name) for name, _ in shown), default=0)
    return "\n".join(
        f"{_padded(name, wide, right=False)}{GAP}{_one_line(value)}" for name, value in shown
    )


def plain_lines(text: str) -> str:
    """Text of several lines, with nothing in it that steers the terminal."""
    return "\n".join(map(_one_line, text.expandtabs(4).split("\n")))
