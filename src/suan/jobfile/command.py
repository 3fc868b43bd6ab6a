"""A job from a command: ``suan run -- python train.py``."""

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from suan.model.errors import InputError
from suan.model.spec import JobSpec


def command_spec(argv: Sequence[str], *, workdir: str | None = None) -> JobSpec:
    """The job that runs ``argv``, in ``workdir``, with the default resources.

    Several words run as they stand, quoted for the shell; one word that is not plain is a command
    line, which the shell reads, as with ssh: ``suan run -- 'make && ./train'``.

    Raises:
        InputError: there is no command.
    """
    if not argv:
        raise InputError("no command is given", where="command", mend="write -- python train.py")
    run = argv[0] if len(argv) == 1 else shlex.join(argv)
    return JobSpec(run=run, name=_name_of(argv), workdir=workdir, origin="command")


def _name_of(argv: Sequence[str]) -> str:
    """The program's name, or of a script that an interpreter is given."""
    if len(argv) == 1:  # a command line: its first word
        argv = argv[0].split() or [""]
    first = PurePath(argv[0]).name
    if first.startswith(("python", "bash", "sh")) and len(argv) > 1 and argv[1][:1] != "-":
        first = PurePath(argv[1]).stem
    printable = "".join(c for c in first if c.isprintable())[:64]
    return printable or "job"
