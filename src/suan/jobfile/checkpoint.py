"""How a job saves its work: the ``checkpoint`` field, and Slurm's ``--signal``."""

import re
from typing import Any

from suan.jobfile import quantities, readers
from suan.jobfile.document import At
from suan.jobfile.fields import Field, Reading, Table, read_section, table
from suan.jobfile.problems import FieldError
from suan.model.spec import CHECKPOINT_SIGNALS, Checkpoint
from suan.model.units import SECOND, Duration

# As `kill -l` has them on Linux, on every architecture that suan runs on.
_NUMBERS = {"1": "SIGHUP", "2": "SIGINT", "10": "SIGUSR1", "12": "SIGUSR2", "15": "SIGTERM"}
_NUMBERS["18"] = "SIGCONT"
_SLURMS_LEAD: Duration = 60 * SECOND  # what --signal means where it gives no time
_SLURM = re.compile(r"(?:([RB]+):)?([A-Za-z]+[0-9]?|[0-9]{1,2})(?:@([0-9]{1,5}))?", re.ASCII)


def signal_name(written: str) -> str:
    """``USR1``, ``sigusr1`` or ``10`` as ``SIGUSR1``.

    Raises:
        ValueError: it is none that a job can save its work on.
    """
    name = _NUMBERS.get(written.strip(), written.strip().upper())
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name not in CHECKPOINT_SIGNALS:
        known = ", ".join(CHECKPOINT_SIGNALS)
        raise ValueError(f"{written[:20]!r} is not a signal to save on; use one of {known}")
    return name


def slurm_signal(text: str) -> tuple[str, str, Duration]:
    """``[R|B:]SIGNAL[@SECONDS]`` as the letters before it, the signal as written, the lead."""
    found = _SLURM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:40]!r} is no signal; write USR1 or B:USR1@120")
    letters, name, seconds = found.groups()
    return letters or "", name, int(seconds) * SECOND if seconds else _SLURMS_LEAD


def checkpoint(reading: Reading, at: At) -> Checkpoint:
    """``{signal, grace, interval}``; a bare duration is the interval."""
    if not at.is_mapping:
        return Checkpoint(interval=_positive(reading, at))
    values: dict[str, Any] = read_section(reading, at, CHECKPOINT_FIELDS)
    return Checkpoint(**values)


def _positive(reading: Reading, at: At) -> Duration:
    amount = quantities.parse_duration(readers.text(reading, at))
    if not amount:
        raise FieldError("must be longer than nothing", mend="write 10m")
    return amount


CHECKPOINT_FIELDS: Table = table(
    Field(
        "signal",
        readers.of(signal_name),
        ", ".join(f"`{name}`" for name in CHECKPOINT_SIGNALS),
        "What its processes get when it is preempted, to save and end; `SIGTERM`.",
        schema={"enum": list(CHECKPOINT_SIGNALS)},
    ),
    Field(
        "grace",
        readers.of(quantities.parse_duration),
        "duration",
        "How long they have for it before they are killed, at most 1 h; 10 s.",
    ),
    Field(
        "interval",
        _positive,
        "duration",
        "How often it saves by itself, so that little is lost; only when asked if left out.",
    ),
)
