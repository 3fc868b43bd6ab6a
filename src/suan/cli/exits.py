"""Exit codes, and how an error is shown. Documented in docs/reference/exit-codes.md."""

import sys
from enum import IntEnum
from typing import IO, Any

import click

from suan.client.errors import AccessDenied, Conflict, ServerUnreachable, WaitTimeout
from suan.model.errors import InputError, NotFound, SuanError


class Exit(IntEnum):
    """What the command line exits with, besides a job's own code in ``suan run``."""

    OK = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    DENIED = 5
    CONFLICT = 6
    SERVER_FAULT = 7
    WAIT_TIMED_OUT = 8
    NO_EXIT_CODE = 125  # a job ended otherwise than by exiting: lost, rejected, skipped
    INTERRUPTED = 130  # Ctrl-C
    BROKEN_PIPE = 141  # whoever read our output went away


# The first that an error is an instance of; anything else is the server's fault.
_BY_CLASS: tuple[tuple[type[SuanError], Exit], ...] = (
    (NotFound, Exit.NOT_FOUND),
    (InputError, Exit.BAD_INPUT),
    (ServerUnreachable, Exit.UNREACHABLE),
    (AccessDenied, Exit.DENIED),
    (Conflict, Exit.CONFLICT),
    (WaitTimeout, Exit.WAIT_TIMED_OUT),
)


def exit_code(error: SuanError) -> Exit:
    """The exit code of an error."""
    found = (code for kind, code in _BY_CLASS if isinstance(error, kind))
    return next(found, Exit.SERVER_FAULT)


class Failure(click.ClickException):
    """An error on its way to the terminal."""

    def __init__(self, error: SuanError) -> None:
        super().__init__(error.message)
        self.error = error

    @property
    def exit_code(self) -> int:  # type: ignore[override] # click has a variable, we a rule
        """What to exit with."""
        return exit_code(self.error)

    def show(self, file: IO[Any] | None = None) -> None:
        """What is wrong, where, and how to mend it."""
        click.echo(describe(self.error), file=file or sys.stderr)


class Misuse(click.ClickException):
    """A command line that cannot be read, on its way to the terminal."""

    exit_code = Exit.BAD_INPUT

    def __init__(self, error: click.UsageError) -> None:
        super().__init__(error.format_message())
        context = error.ctx
        self.bare = isinstance(error, click.exceptions.NoArgsIsHelpError)
        self.help = f"{context.command_path} --help" if context else "suan --help"

    def show(self, file: IO[Any] | None = None) -> None:
        """What is wrong, and where help is."""
        if self.bare:  # a group without a command: its help says all there is to say
            click.echo(self.message, file=file or sys.stderr)
            return
        message = _indented(self.message)
        click.echo(f"error: {message}\n  fix: see `{self.help}`", file=file or sys.stderr)


def describe(error: SuanError) -> str:
    """An error in two or three lines."""
    lines = [f"error: {_indented(error.message)}"]
    if where := getattr(error, "where", ""):
        lines.append(f"  where: {_indented(where)}")
    if error.mend:
        lines.append(f"  fix: {_indented(error.mend)}")
    return "\n".join(lines)


def _indented(text: str) -> str:
    return text.strip().replace("\n", "\n    ")
