"""Moments as people write them."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from suan.cli.when import WHEN


def when(text: str) -> datetime:
    return WHEN.convert(text, None, None)


def test_relative_and_absolute_moments() -> None:
    now = datetime.now(UTC)
    assert abs(when("now") - now) < timedelta(minutes=1)
    assert abs(when("+2h") - now - timedelta(hours=2)) < timedelta(minutes=1)
    assert abs(when("+1d") - now - timedelta(days=1)) < timedelta(minutes=1)
    assert when("2026-12-01T22:00+08:00") == datetime(2026, 12, 1, 14, tzinfo=UTC)
    assert when("2026-12-01T22:00").astimezone().hour == 22
    assert when("2026-12-01 22:00") == when("2026-12-01T22:00")
    assert WHEN.convert(now, None, None) is now


def test_the_next_time_a_clock_shows_it() -> None:
    now = datetime.now().astimezone()
    ago, soon = now - timedelta(minutes=2), now + timedelta(minutes=2)
    for at in (ago, soon):
        found = when(at.strftime("%H:%M"))
        assert timedelta(minutes=-1) < found - now < timedelta(days=1)
        assert (found.hour, found.minute) == (at.hour, at.minute)


@pytest.mark.parametrize("text", ["", "+", "+2", "+two hours", "25:00", "tomorrow", "+-2h", "12-1"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no moment"):
        when(text)
