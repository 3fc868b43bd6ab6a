"""Prints docs/reference/cli.md, made from the commands themselves: run it when one changes.

python scripts/cli_reference.py > docs/reference/cli.md
"""

import re
from collections.abc import Iterator
from inspect import cleandoc

import click

from suan.app.main import SERVER_COMMANDS
from suan.cli.main import build
from suan.cli.table import COMMANDS

INTRO = """# Command line

Made from the commands by `python scripts/cli_reference.py`; `suan COMMAND --help` shows the same.

- Every command that shows something takes `--json`: the API's own field names, times in RFC 3339,
  amounts as integers in the units of the [API](api.md). Tables are for people and may change;
  the JSON only grows. With `events --follow` it is one object a line.
- Tables are aligned for East Asian characters, clipped to the window only on a terminal, and
  coloured only there; `NO_COLOR` turns colour off.
- What answers goes to standard output; what accompanies it (ids, warnings, progress, bills) to
  standard error. Errors are one to three lines: `error:` what, `where:`, `fix:`.
- [Exit codes](exit-codes.md) and [settings](settings.md) have pages of their own.
- `suan run`: Ctrl-C on a terminal asks whether to cancel the job or to detach from it and let it
  go on; where nobody can be asked it cancels the job and exits with 130.

`suan --server URL COMMAND` talks to that server; otherwise `SUAN_SERVER` names it, else it is the
one that `suan up` started here. `suan --version` shows the version.
"""


def pages() -> Iterator[str]:
    """The page, section by section."""
    group = build({**COMMANDS, **SERVER_COMMANDS})
    yield INTRO
    context = click.Context(group, info_name="suan")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield from section(command, click.Context(command, info_name=name, parent=context))


def section(command: click.Command, context: click.Context) -> Iterator[str]:
    """One command, and the commands below it."""
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## `{context.command_path}`\n\n`{context.command_path} {usage}`\n\n{prose(command)}\n"
    options = [p for p in command.params if isinstance(p, click.Option)]
    rows = [record for p in options if (record := p.get_help_record(context))]
    if rows:
        lines = [f"| `{cell(name)}` | {cell(text)} |" for name, text in rows]
        yield "| Option | What it does |\n|---|---|\n" + "\n".join(lines) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, name
            yield from section(below, click.Context(below, info_name=name, parent=context))


def prose(command: click.Command) -> str:
    """A command's help; examples that must keep their lines become code."""
    text = cleandoc(command.help or "")
    return re.sub(r"\x08\n((?: .*\n?)+)", r"```\n\1```\n", text).rstrip()


def cell(text: str) -> str:
    """Text in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print("\n".join(pages()).rstrip())
