"""``suan token``: access tokens."""

import click

from suan.cli import format as form
from suan.cli.connect import connect, json_option
from suan.cli.duration import DURATION_S
from suan.cli.grid import grid
from suan.cli.output import note, print_json, say
from suan.model.views import TokenView

SCOPES = ("viewer", "submitter", "operator", "admin")


@click.group
def token() -> None:
    """Create, list and revoke access tokens."""


@token.command("create")
@click.argument("name", metavar="NAME")
@click.option(
    "--scope", type=click.Choice(SCOPES), default="submitter", show_default=True, help="Its power."
)
@click.option("--user", metavar="USER", help="Whose jobs it submits; by default NAME.")
@click.option(
    "--expires", type=DURATION_S, help="Its life, such as 12h or 30d; by default endless."
)
@json_option
def create_token(
    name: str, scope: str, user: str | None, expires: int | None, as_json: bool
) -> None:
    """Make a token called NAME and show its secret, once."""
    with connect() as client:
        made = client.tokens.create(name, scope, user=user, expires_in_s=expires)
    if as_json:
        print_json(made)
        return
    note(f"token {made.id} ({made.scope}, user {made.user}); its secret is shown only now:")
    say(made.secret or "")


@token.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List tokens, without their secrets."""
    with connect() as client:
        tokens = client.tokens.list()
    if as_json:
        print_json({"tokens": tokens})
        return
    headings = ("ID", "NAME", "SCOPE", "USER", "CREATED", "EXPIRES", "REVOKED")
    say(grid(headings, [_row(token) for token in tokens]) if tokens else "no tokens")


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@json_option
def revoke_token(token_id: str, as_json: bool) -> None:
    """End the token ID at once."""
    with connect() as client:
        client.tokens.revoke(token_id)
    if as_json:
        print_json({"revoked": token_id})
    else:
        say(f"revoked {token_id}")


def _row(token: TokenView) -> tuple[str, ...]:
    dates = (token.created_at, token.expires_at, token.revoked_at)
    return (token.id, token.name, token.scope, token.user, *map(form.moment, dates))
