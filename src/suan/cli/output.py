"""What is printed, and in which colour."""

import os
import sys
from typing import Any

import click

_STATES = {
    "pending": "33",
    "running": "36",
    "succeeded": "32",
    "failed": "31",
    "cancelled": "90",
    "skipped": "90",
    "ok": "32",
    "warn": "33",
    "fail": "31",
}


def coloured() -> bool:
    """Colour is for terminals, and not where NO_COLOR is set (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, state: str) -> str:
    """``text`` in the colour of a state."""
    code = _STATES.get(state)
    return f"\x1b[{code}m{text}\x1b[0m" if code and coloured() else text


def state(name: str) -> str:
    """A state in its colour."""
    return paint(name, name)


def heading(text: str) -> str:
    """A heading, bold on a terminal."""
    return f"\x1b[1m{text}\x1b[0m" if coloured() else text


def say(text: str) -> None:
    """A line for whoever reads the answer."""
    click.echo(text)


def note(text: str) -> None:
    """A line for the person at the terminal, beside the answer."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """The answer as JSON: the API's own field names, times in RFC 3339."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_line(value: Any) -> None:
    """One item of a stream, on one line."""
    import msgspec

    click.echo(msgspec.json.encode(value).decode())
