"""docs/reference/cli.md is made from the commands, so it is complete and true."""

import subprocess
import sys
from pathlib import Path

import click

from suan.cli.exits import Exit
from suan.cli.main import build
from suan.cli.table import COMMANDS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_the_page_is_what_the_commands_say() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "cli_reference.py")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (REFERENCE / "cli.md").read_text() == made, "run scripts/cli_reference.py again"


def test_every_option_of_every_command_has_help() -> None:
    missing = []

    def walk(command: click.Command, path: str) -> None:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                walk(below, f"{path} {name}")
        if not command.help:
            missing.append(path)
        options = [p for p in command.params if isinstance(p, click.Option)]
        missing.extend(f"{path} {p.opts[0]}" for p in options if not p.help)

    walk(build(COMMANDS), "suan")
    assert not missing


def test_every_exit_code_has_a_row() -> None:
    page = (REFERENCE / "exit-codes.md").read_text()
    assert not [code.value for code in Exit if f"| `{code.value}` |" not in page]
