"""Moments on the command line: ``now``, ``+2h``, ``2026-12-01T22:00``, ``22:00``."""

from datetime import datetime, timedelta
from typing import Any

import click

from suan.model.units import SECOND


class When(click.ParamType[datetime]):
    """A moment, in the reader's own time zone where it names none."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        text, now = str(value).strip(), datetime.now().astimezone()
        try:
            if text == "now":
                return now
            if text.startswith("+"):
                return now + timedelta(seconds=_seconds(text[1:]))
            if len(text) <= len("22:00") and ":" in text:
                return _next(text, now)
            return datetime.fromisoformat(text).astimezone()
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r} is no moment; write now, +2h, 22:00 or 2026-12-01T22:00", param, ctx
            )


def _seconds(text: str) -> int:
    from suan.jobfile.quantities import parse_duration

    return parse_duration(text) // SECOND


def _next(text: str, now: datetime) -> datetime:
    """The next time that a clock shows this."""
    at = datetime.strptime(text, "%H:%M")  # noqa: DTZ007 # its date and zone are now's
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today >= now else today + timedelta(days=1)


WHEN = When()
