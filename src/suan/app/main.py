"""The ``suan`` command: the client's commands, and those that need the whole house."""

from suan.cli.main import build
from suan.cli.table import COMMANDS, Entry

SERVER_COMMANDS = {
    "pool": COMMANDS["pool"]._replace(target="suan.app.poolcheck:pool"),  # and `check`
    "serve": Entry("suan.app.serve:serve", "Run the server in the foreground (what `up` starts)."),
    "simulate": Entry("suan.app.simulate:simulate", "Run a trace of jobs under other policies."),
    "replay": Entry("suan.app.replay:replay", "Run the journal again; every plan must come out."),
}


def main() -> None:
    """Run the command line."""
    build({**COMMANDS, **SERVER_COMMANDS})()
