"""``suan status``: the platform at a glance."""

from datetime import UTC, datetime

import click

from suan.cli import format as form
from suan.cli.commands.pool import pools_table
from suan.cli.connect import connect, json_option
from suan.cli.grid import fields
from suan.cli.output import heading, paint, print_json, say, state
from suan.model.views import PoolView, ServerView


@click.command
@json_option
def status(as_json: bool) -> None:
    """Show jobs, pools and the server at a glance."""
    with connect() as client:
        server, pools = client.server(), client.pools()
        url = client.endpoint.url
    if as_json:
        print_json({"url": url, "server": server, "pools": pools})
    else:
        say(described(url, server, pools))


def described(url: str, server: ServerView, pools: tuple[PoolView, ...]) -> str:
    """The platform as people read it."""
    up_s = (datetime.now(UTC) - server.started_at).total_seconds()
    role = "leading" if server.leading else f"standing by; {server.leader_url or 'nobody'} leads"
    counts = [f"{count:,} {state(name)}" for name, count in server.jobs.items() if count]
    about = [
        ("server", f"{url}, suan {server.version} on {server.engine}, {role}"),
        ("up", f"{form.seconds(up_s)}, {form.counted(server.cycles, 'cycle')}"),
        ("policy", server.policy),
        ("jobs", ", ".join(counts) or "none yet"),
        ("trouble", paint(server.trouble, "fail")),
    ]
    table = pools_table(pools) if pools else "no pools"
    return "\n".join([fields(about), heading(form.counted(len(pools), "pool")), table])
