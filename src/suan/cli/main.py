"""The group of commands: loads each on first use, and turns every error into an exit code."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from suan import __version__
from suan.cli.exits import Exit, Failure, Misuse
from suan.cli.table import Entry
from suan.model.errors import SuanError

_HELP = """One queue over all your compute.

\b
  suan up                          start the platform on this machine
  suan run -- echo hello           run a command as a job
  suan submit train.yaml           put a job file in line
  suan queue                       see what waits and runs
"""


class LazyGroup(click.Group):
    """A group whose commands are named in a table and loaded when they are called."""

    def __init__(self, commands: Mapping[str, Entry], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.table = commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 # click's signature
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), entry.target
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.table and not args[0].startswith("-"):
            ctx.fail(_unknown(args[0], self.table))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 # click's signature
        for section in dict.fromkeys(entry.section for entry in self.table.values()):
            with formatter.section(section):
                rows = [(n, e.help) for n, e in self.table.items() if e.section == section]
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:  # noqa: ARG002 # click's signature
        """Names from the table alone, so that a TAB loads nothing."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=entry.help)
            for name, entry in self.table.items()
            if name.startswith(incomplete)
        ]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except SuanError as error:
            if _debugging():
                raise
            raise Failure(error) from error
        except click.UsageError as error:
            raise Misuse(error) from error
        except BrokenPipeError:
            return _reader_gone()
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(Exit.INTERRUPTED)
        except Exception as error:  # noqa: BLE001 # the boundary: a bug is told, not dumped
            _bug(error)
        return result


def _bug(error: Exception) -> None:
    """Pass on what click handles itself; of anything else show one line."""
    expected = (click.ClickException, click.exceptions.Exit, click.Abort)
    if isinstance(error, expected) or _debugging():
        raise error
    click.echo(
        f"error: unexpected {type(error).__name__}: {error}\n"
        "  fix: this is a bug; run it again with SUAN_DEBUG=1 and report what it prints",
        err=True,
    )
    sys.exit(Exit.UNEXPECTED)


def _reader_gone() -> None:
    """Leave quietly; the interpreter's own last flush must not complain either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(Exit.BROKEN_PIPE)


def _unknown(name: str, table: Mapping[str, Entry]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " `suan --help` lists them."
    return f"there is no command {name!r}.{hint}"


def _debugging() -> bool:
    return os.environ.get("SUAN_DEBUG", "") not in ("", "0")


def build(commands: Mapping[str, Entry]) -> click.Group:
    """The ``suan`` command over these commands."""
    return LazyGroup(
        commands,
        name="suan",
        help=_HELP,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        params=[
            click.Option(
                ["--server"],
                metavar="URL",
                help="The server to talk to; otherwise $SUAN_SERVER, else the one started here.",
            ),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_version,
                help="Show the version and exit.",
            ),
        ],
        callback=_remember,
        no_args_is_help=True,
    )


def _remember(server: str | None) -> None:
    click.get_current_context().obj = server


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"suan {__version__}")
        ctx.exit()
