"""``suan events``: what happened."""

import click

from suan.cli import format as form
from suan.cli.connect import connect, json_option
from suan.cli.output import print_json, print_json_line, say
from suan.model.views import EventView


@click.command
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on.")
@click.option("--after", type=int, default=0, show_default=True, help="Only events after this id.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="At most so many.")
@json_option
def events(follow: bool, after: int, limit: int | None, as_json: bool) -> None:
    """Show what happened, oldest first. With --follow each is shown as it happens.

    With --json and --follow, one JSON object a line.
    """
    with connect() as client:
        if as_json and not follow:
            print_json({"events": list(client.events(after=after, limit=limit))})
            return
        for count, event in enumerate(client.events(after=after, limit=limit, follow=follow), 1):
            print_json_line(event) if as_json else say(_line(event))
            if count == limit:
                return


def _line(event: EventView) -> str:
    about = event.run or event.job or ""
    data = " ".join(f"{name}={value}" for name, value in event.data.items())
    return f"{event.id:>6}  {form.moment(event.at)}  {event.kind:<16}  {about:<18}  {data}".rstrip()
