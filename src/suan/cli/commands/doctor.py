"""``suan doctor``: check this machine and the server."""

import sys

import click

from suan.cli.checks import CHECKS, Finding
from suan.cli.connect import json_option
from suan.cli.exits import Exit
from suan.cli.grid import width
from suan.cli.output import paint, print_json, say


@click.command
@json_option
def doctor(as_json: bool) -> None:
    """Check this machine and the server: each line ok, warn or fail, and what to do.

    Exits with 1 if a check fails.
    """
    findings = [finding for check in CHECKS for finding in check()]
    if as_json:
        print_json({"findings": findings})
    else:
        wide = max(width(finding.check) for finding in findings)
        say("\n".join(_line(finding, wide) for finding in findings))
    if any(finding.level == "fail" for finding in findings):
        sys.exit(Exit.UNEXPECTED)


def _line(finding: Finding, wide: int) -> str:
    space = " " * (wide - width(finding.check))
    line = f"{paint(f'{finding.level:<4}', finding.level)}  {finding.check}{space}  {finding.said}"
    return f"{line}\n{' ' * (wide + 8)}fix: {finding.mend}" if finding.mend else line
