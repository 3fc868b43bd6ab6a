"""``suan events``: what happened."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import click

from suan.cli import format as form
from suan.cli.connect import connect, json_option
from suan.cli.grid import plain_lines
from suan.cli.output import print_json, print_json_line, say
from suan.client.sync import Client
from suan.model.views import EventView

NEWEST = -1  # as ``after``: the page ends with the newest event
PAGE = 1000  # the most that the API gives at once
SHOWN = 50
SHOWN_BEFORE_FOLLOWING = 10
INSTANTS = frozenset({"not_before", "until"})  # data in microseconds since 1970


@click.command
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on.")
@click.option(
    "--after", type=click.IntRange(min=0), help="All events after this id, 0 for all there are."
)
@click.option("-n", "--limit", type=click.IntRange(min=1), help="At most so many; 50 by default.")
@json_option
def events(follow: bool, after: int | None, limit: int | None, as_json: bool) -> None:
    """Show what happened lately, oldest first. With --follow each is shown as it happens.

    With --json and --follow, one JSON object a line.
    """
    with connect() as client:
        found = _followed(client, after) if follow else _kept(client, after, limit)
        if as_json and not follow:
            print_json({"events": list(islice(found, limit))})
            return
        for count, event in enumerate(found, 1):
            print_json_line(event) if as_json else say(_line(event))
            if count == limit:
                return


def _kept(client: Client, after: int | None, limit: int | None) -> Iterator[EventView]:
    if after is None:
        return client.events(after=NEWEST, limit=min(limit or SHOWN, PAGE))
    return _pages(client, after)


def _pages(client: Client, after: int) -> Iterator[EventView]:
    """Everything after an id, in as many pages as that takes."""
    while page := list(client.events(after=after, limit=PAGE)):
        yield from page
        after = page[-1].id


def _followed(client: Client, after: int | None) -> Iterator[EventView]:
    if after is None:
        after = 0
        for event in client.events(after=NEWEST, limit=SHOWN_BEFORE_FOLLOWING):
            after = event.id
            yield event
    yield from client.events(after=after, follow=True)


def _line(event: EventView) -> str:
    about = event.run or event.job or ""
    data = " ".join(f"{name}={_shown(name, value)}" for name, value in event.data.items())
    return plain_lines(
        f"{event.id:>6}  {form.moment(event.at)}  {event.kind:<16}  {about:<18}  {data}".rstrip()
    )


def _shown(name: str, value: str) -> str:
    if name not in INSTANTS or not value.isdecimal():
        return value
    return form.moment(datetime.fromtimestamp(int(value) / 1_000_000, UTC))
