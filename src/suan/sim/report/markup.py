"""Markup for HTML and SVG. What is text becomes markup only by being escaped: types see to it."""

import json
import re
from html import escape
from typing import NewType

Markup = NewType("Markup", str)
EMPTY = Markup("")

_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def text(words: str) -> Markup:
    """Any text, made harmless. Characters that no document may hold become U+FFFD."""
    return Markup(escape(_FORBIDDEN.sub("\ufffd", words), quote=True))


def name(words: str) -> Markup:
    """A user's own word, in HTML: set apart, so that its direction and script stay its own."""
    return tag("bdi", text(words), lang="zh" if _CHINESE.search(words) else None)


def tag(kind: str, *content: Markup, **attributes: str | float | None) -> Markup:
    """An element. ``class_`` gives ``class``, ``data_x`` gives ``data-x``; ``None`` leaves out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{kind}{written}>{''.join(content)}</{kind}>")


def join(*parts: Markup) -> Markup:
    """Parts one after another."""
    return Markup("".join(parts))


def number(value: float) -> str:
    """A coordinate to a hundredth, in as few characters as it takes."""
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def label(words: str, x: float, y: float, **attributes: str | float | None) -> Markup:
    """Text in a picture."""
    lang = "zh" if _CHINESE.search(words) else None
    return tag("text", text(words), x=x, y=y, lang=lang, **attributes)


def line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    """A straight line in a picture."""
    return tag("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=kind)


def picture(
    content: Markup,
    *,
    size: tuple[float, float],
    title: str,
    description: str,
    **attributes: str | float | None,
) -> Markup:
    """An SVG that a screen reader announces by its title and description."""
    width, height = size
    said = join(tag("title", text(title)), tag("desc", text(description)))
    return tag(
        "svg",
        said,
        content,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_label=f"{title}. {description}",
        **attributes,
    )


def table(headings: list[Markup], rows: list[list[Markup]], *, caption: str) -> Markup:
    """A table whose first column names its rows."""
    head = tag("tr", *(tag("th", each, scope="col") for each in headings))
    body = (
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    )
    return tag("table", tag("caption", text(caption)), tag("thead", head), tag("tbody", *body))


def fallback(contents: Markup) -> Markup:
    """The numbers behind a picture, folded away."""
    return tag("details", tag("summary", text("numbers")), tag("div", contents, class_="scroll"))


def data(value: object) -> Markup:
    """JSON for a script block: no sign in it can end the block, and none is markup."""
    written = json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    for sign in "<>&":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(written)


def _value(value: str | float) -> str:
    return text(value) if isinstance(value, str) else number(value)
