"""Hours of each day on the command line: ``18:00-08:00``, in the reader's own time zone.

They are kept in UTC: where summer time comes and goes, they move with it.
"""

import re
from datetime import datetime, timedelta
from typing import Any

import click

_HOURS = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_DAY = 24 * 60


class HoursOfDay(click.ParamType[tuple[int, int]]):
    """Two minutes after midnight UTC."""

    name = "hours"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = _HOURS.fullmatch(str(value).strip())
        hours = [int(each) for each in found.groups()] if found else [_DAY]
        minutes = [60 * hours[at] + hours[at + 1] for at in range(0, len(hours) - 1, 2)]
        if len(minutes) != 2 or max(minutes) > _DAY or max(hours[1::2]) > 59:
            self.fail(f"{value!r} is no span of a day; write 18:00-08:00", param, ctx)
        off = _offset()
        return (minutes[0] - off) % _DAY, (minutes[1] - off) % _DAY


def of_day(first: int, last: int) -> str:
    """``18:00-08:00`` again."""
    off = _offset()
    times = [(minute + off) % _DAY for minute in (first, last)]
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in times)


def _offset() -> int:
    """How many minutes the reader's clock is ahead of UTC now."""
    return (datetime.now().astimezone().utcoffset() or timedelta()) // timedelta(minutes=1)


HOURS = HoursOfDay()
