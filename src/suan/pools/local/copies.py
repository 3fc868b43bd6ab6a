"""The copies of a run's output that a job asked for by name, as ``#SBATCH --output`` does.

What counts is kept in the run's own directory, a file for each task; a copy follows it, so that
neither another job that names the same file nor whoever deletes it takes a run's output away.
"""

# Plain paths, not pathlib: a runner must start in a millisecond and stay small.

import os
import sys
from collections.abc import Sequence

EVERY_S = 0.25  # how far a copy may be behind while its run goes on
_PIECE = 1 << 20
_MOST_PIECES = 64  # at one go, so that the runner hears of cancels and clocks meanwhile


class Copy:
    """One named file, to which the output of several tasks is appended as it comes.

    While the tasks run, whole lines only, so that theirs do not mix in one.
    """

    def __init__(self, path: str, sources: Sequence[str]) -> None:
        """Raises ``OSError``: the file cannot be written."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._path = path
        self._target = os.open(path, flags, 0o666)
        self._done = dict.fromkeys(sources, 0)
        self._broken = False

    def follow(self, *, to_the_end: bool = False) -> None:
        """Append what has come since. A copy that fails is given up; the run is not."""
        if self._broken:
            return
        try:
            for source in self._done:
                self._follow(source, to_the_end=to_the_end)
        except OSError as error:
            self._broken = True
            print(f"the copy {self._path} is given up: {error}", file=sys.stderr)  # noqa: T201 - stderr is the runner's log

    def _follow(self, source: str, *, to_the_end: bool) -> None:
        try:
            descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # its task has not started
        try:
            pieces = 0
            while to_the_end or pieces < _MOST_PIECES:
                data = os.pread(descriptor, _PIECE, self._done[source])
                whole = len(data) if to_the_end or len(data) == _PIECE else data.rfind(b"\n") + 1
                if not whole:
                    return
                self._append(data[:whole])
                self._done[source] += whole
                pieces += 1
        finally:
            os.close(descriptor)

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._target, rest) :]
