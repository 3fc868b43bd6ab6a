"""One log of Kubernetes, by lines with a time each, parted into a task's two streams.

Lines of standard error carry a mark that the task's keeper put there, and each stream ends with
another mark of its keeper: what comes with both is the whole log. What follows that mark in a line
is of no account.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

STREAMS = ("stdout", "stderr")
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$")
_SECONDS = len("2026-11-29T02:00:00")
_BACK = timedelta(seconds=5)  # a stream's lines may stand so far behind the other's later ones


@dataclass(slots=True)
class Kept:
    """How much of one task's log is kept: of each stream the bytes, the last line's time, how many
    lines have that time, and whether its end was seen."""

    stdout: int = 0
    stderr: int = 0
    at: str = ""
    lines: int = 0
    err_at: str = ""
    err_lines: int = 0
    out_ended: bool = False
    err_ended: bool = False

    @property
    def whole(self) -> bool:
        return self.out_ended and self.err_ended

    @property
    def since(self) -> str:
        """The time from which on the log must be read again; empty for all of it."""
        latest = max(self.at, self.err_at)
        if not latest:
            return ""
        zone = latest[-6:] if latest[-6] in "+-" else "+00:00"
        return (datetime.fromisoformat(latest[:_SECONDS] + zone) - _BACK).isoformat()


class Parting:
    """Parts a log into its streams, less what ``kept`` has of it. Bytes in, each stream's bytes
    out."""

    def __init__(self, kept: Kept, mark: bytes) -> None:
        self._kept = kept
        self._mark = mark
        self._end = mark[:-1] + b";end" + mark[-1:] if mark else b""
        self._skip = {False: (kept.at, kept.lines), True: (kept.err_at, kept.err_lines)}
        self._rest = b""

    @property
    def whole(self) -> bool:
        """Whether the ends of both streams have been seen."""
        return self._kept.whole

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What whole lines there are now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return self._part(lines, b"\n")

    def finish(self) -> tuple[bytes, bytes]:
        """The last line, if nothing ended it and nothing will."""
        rest, self._rest = self._rest, b""
        return self._part([rest], b"") if rest else (b"", b"")

    def _part(self, lines: list[bytes], end: bytes) -> tuple[bytes, bytes]:
        out, err = [], []
        for line in lines:
            stamp, _, content = line.partition(b" ")
            if not _STAMP.match(stamp):
                continue  # of a log that is gone, a kubelet says so in its place
            marked = bool(self._mark) and self._mark in content
            if self._known(stamp.decode(), err=marked):
                continue
            close = end
            if self._end and self._end in content:
                content, close = content.partition(self._end)[0], b""
                self._ended(err=marked)
            if marked:
                before, *after = content.split(self._mark)
                out.append(before)
                err.append(b"".join(after) + close)
            else:
                out.append(content + close)
        return b"".join(out), b"".join(err)

    def _ended(self, *, err: bool) -> None:
        if err:
            self._kept.err_ended = True
        else:
            self._kept.out_ended = True

    def _known(self, stamp: str, *, err: bool) -> bool:
        """Whether a line was kept before; it is counted if not."""
        at, lines = self._skip[err]
        if stamp < at:
            return True
        if stamp == at and lines > 0:
            self._skip[err] = (at, lines - 1)
            return True
        kept = self._kept
        if err:
            kept.err_lines = kept.err_lines + 1 if stamp == kept.err_at else 1
            kept.err_at = stamp
        else:
            kept.lines = kept.lines + 1 if stamp == kept.at else 1
            kept.at = stamp
        return False
