"""``suan completion``: the shell's completion script."""

import click
from click.shell_completion import get_completion_class

from suan.cli.output import say


@click.command
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL; source it where the shell starts."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    script = kind(ctx.find_root().command, {}, "suan", "_SUAN_COMPLETE")
    say(script.source())
