"""The group: lazy, and the one place where errors become exit codes."""

import os
import subprocess
import sys
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from suan.cli import exits
from suan.cli.exits import Exit
from suan.cli.main import build
from suan.cli.table import COMMANDS, Entry
from suan.client.errors import AccessDenied, Conflict, ServerError, ServerUnreachable, WaitTimeout
from suan.model.errors import InputError, NotFound, StoreUnavailable, SuanError

ERRORS = [
    (InputError("wrong", where="x:1", mend="mend it"), Exit.BAD_INPUT),
    (NotFound("no such job"), Exit.NOT_FOUND),
    (ServerUnreachable("nobody"), Exit.UNREACHABLE),
    (AccessDenied("no", code="unauthenticated", status=401), Exit.DENIED),
    (AccessDenied("no", code="token_expired", status=401), Exit.DENIED),
    (AccessDenied("no", code="token_revoked", status=401), Exit.DENIED),
    (AccessDenied("no", code="forbidden", status=403), Exit.DENIED),
    (Conflict("twice", code="conflict", status=409), Exit.CONFLICT),
    (ServerError("full", code="store_full", status=507), Exit.SERVER_FAULT),
    (StoreUnavailable("locked"), Exit.SERVER_FAULT),
    (WaitTimeout("late"), Exit.WAIT_TIMED_OUT),
]


def group_raising(error: BaseException) -> click.Group:
    """A group with one command, ``fails``, that raises."""

    @click.command
    def fails() -> None:
        raise error

    module = ModuleType("planted_command")
    vars(module)["fails"] = fails
    sys.modules["planted_command"] = module
    return build({"fails": Entry("planted_command:fails", "Fails.")})


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_every_error_has_its_exit_code(error: SuanError, code: Exit) -> None:
    result = CliRunner().invoke(group_raising(error), ["fails"])
    assert result.exit_code == code
    assert result.stderr.startswith(f"error: {error.message}\n")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_error_says_what_where_and_how_to_mend_it() -> None:
    text = exits.describe(InputError("two\nlines", where="job.yaml:3", mend="write 2"))
    assert text == "error: two\n    lines\n  where: job.yaml:3\n  fix: write 2"


def test_a_bug_is_one_line_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    group = group_raising(ZeroDivisionError("oops"))
    result = CliRunner().invoke(group, ["fails"])
    assert result.exit_code == Exit.UNEXPECTED
    assert "unexpected ZeroDivisionError: oops" in result.stderr
    assert "SUAN_DEBUG=1" in result.stderr
    monkeypatch.setenv("SUAN_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(group, ["fails"], catch_exceptions=False)


def test_ctrl_c_exits_as_shells_expect() -> None:
    result = CliRunner().invoke(group_raising(KeyboardInterrupt()), ["fails"])
    assert result.exit_code == Exit.INTERRUPTED


def test_an_unknown_command_is_answered_with_a_near_one() -> None:
    result = CliRunner().invoke(build(COMMANDS), ["quue"])
    assert result.exit_code == Exit.BAD_INPUT
    assert "Did you mean 'queue'?" in result.stderr


@pytest.mark.parametrize("arguments", [["queue", "--limit", "x"], ["show"], ["--nonsense"]])
def test_a_command_line_that_cannot_be_read_is_bad_input(arguments: list[str]) -> None:
    result = CliRunner().invoke(build(COMMANDS), arguments)
    assert result.exit_code == Exit.BAD_INPUT
    assert result.stderr


def test_every_entry_leads_to_its_command() -> None:
    group = build(COMMANDS)
    context = click.Context(group)
    for name, entry in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert entry.help.endswith(".")


HEAVY = {
    "pydantic",
    "sqlalchemy",
    "fastapi",
    "numpy",
    "httpx",
    "rich",
    "yaml",
    "asyncio",
    "msgspec",
}
PROBE = """
import sys
from suan.cli.main import build
from suan.cli.table import COMMANDS
try:
    build(COMMANDS)(sys.argv[1:], prog_name="suan")
except SystemExit as end:
    code = end.code
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def probed(*arguments: str, **environ: str) -> tuple[int, set[str]]:
    """The exit code of a command line in a fresh process, and the packages it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        check=True,
    )
    code, *loaded = done.stderr.splitlines()[-1].split()
    return int(code), set(loaded)


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_loads_no_command_and_nothing_heavy(argument: str) -> None:
    code, loaded = probed(argument)
    assert code == 0
    assert not loaded & HEAVY


def test_a_command_that_talks_to_a_server_loads_neither_httpx_nor_rich() -> None:
    # Nobody listens on port 1, so this is a whole command up to the connection.
    code, loaded = probed("queue", SUAN_SERVER="http://127.0.0.1:1")
    assert code == Exit.UNREACHABLE
    assert "msgspec" in loaded
    assert not loaded & {"httpx", "rich", "asyncio", "pydantic", "sqlalchemy", "fastapi", "yaml"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(shell: str) -> None:
    result = CliRunner().invoke(build(COMMANDS), ["completion", shell])
    assert result.exit_code == 0
    assert "_SUAN_COMPLETE" in result.stdout


def test_completing_a_command_reads_only_the_table() -> None:
    environ = {"_SUAN_COMPLETE": "bash_complete", "COMP_WORDS": "suan qu", "COMP_CWORD": "1"}
    result = CliRunner().invoke(build(COMMANDS), [], env=environ, prog_name="suan")
    assert result.stdout.splitlines() == ["plain,queue", "plain,queues"]
