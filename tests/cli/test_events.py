"""How an event is shown."""

from datetime import UTC, datetime

from suan.cli import format as form
from suan.cli.commands.events import _line
from suan.model.views import EventView


def test_a_moment_among_the_data_is_shown_as_a_time() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    data = {"detail": "again", "not_before": str(int(at.timestamp()) * 1_000_000)}
    shown = _line(EventView(id=7, at=at, kind="job.requeued", job="j", run=None, data=data))
    assert shown.endswith(f"detail=again not_before={form.moment(at)}")
