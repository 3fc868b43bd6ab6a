"""What was wrong with a trace, counted by cause, with the lines of the first few."""

from collections.abc import Mapping
from dataclasses import dataclass, field

KEPT = 5  # line numbers told of each cause

LEFT_OUT: Mapping[str, str] = {
    "columns": "the row does not have the format's columns",
    "not_a_number": "a field that should be a number or a time is neither",
    "no_submit": "the submission time is missing or negative",
    "zero_length": "the run time is missing, zero or negative",
    "never_ran": "the job never ran",
    "unfinished": "no run of it came to an end of its own",
    "no_size": "it asks for nothing: no processors, no accelerators",
    "too_large": "no pool of this simulation could ever hold it",
    "cut_short": "the file ends in the middle; what came before the cut is used",
}
"""Causes for which a row is left out. Documented in docs/reference/traces.md."""

CHANGED: Mapping[str, str] = {
    "unordered": "earlier than the row before it: the trace was read whole and sorted",
    "over_limit": "ran longer than it asked for: its run time was cut to that",
    "split": "does not divide into nodes of 8: became a gang of equal smaller tasks",
    "rounded": "does not divide evenly over its nodes: each task was rounded up",
    "priority": "a priority outside -1000 to 1000: taken as 0",
    "step": "a step of a job, counted with its job",
    "no_dependency": "it waits for a job that the trace does not have: the dependency was dropped",
}
"""Causes for which a row is used, but not as it stands."""


@dataclass(slots=True)
class Tally:
    """Counts by cause. ``lines`` holds the first few line numbers of each."""

    counts: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)

    def note(self, cause: str, line: int) -> None:
        """Count one row."""
        self.counts[cause] = self.counts.get(cause, 0) + 1
        known = self.lines.setdefault(cause, [])
        if len(known) < KEPT:
            known.append(line)

    @property
    def left_out(self) -> int:
        """Rows that became no job."""
        return sum(n for cause, n in self.counts.items() if cause in LEFT_OUT)

    def told(self) -> tuple[str, ...]:
        """A sentence for each cause: those left out first, then those changed."""
        return tuple(
            self._sentence(cause, said)
            for table in (LEFT_OUT, CHANGED)
            for cause, said in table.items()
            if cause in self.counts
        )

    def _sentence(self, cause: str, said: str) -> str:
        count, lines = self.counts[cause], self.lines[cause]
        where = f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}"
        more = ", …" if count > len(lines) else ""
        verb = "left out" if cause in LEFT_OUT else "changed"
        return f"{count:,} {verb}, {cause}: {said} ({where}{more})"
