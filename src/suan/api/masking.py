"""Masks secret values in a stream of bytes, wherever a chunk ends.

What comes out is what ``re.sub`` with all the secrets (the longest first) would make of the whole
stream, but no byte is kept back unless it may be the beginning of a secret: a prompt or a last line
without a line break is shown at once.
"""

import re
from collections.abc import Iterable

MASK = b"***"


class Masker:
    """Feed it chunks; it gives what may be shown. Keeps at most the longest secret's length.

    With ``first`` and ``last`` only what stands at those positions of the stream is shown (the
    stream begins at ``position``). A reader who asks for a range gives some bytes around it as
    well, so that half a secret at its edge is masked too.
    """

    def __init__(
        self,
        secrets: Iterable[bytes],
        *,
        position: int = 0,
        first: int = 0,
        last: int | None = None,
    ) -> None:
        self._secrets = sorted({each for each in secrets if each}, key=lambda s: (-len(s), s))
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets)) or b"(?!)")
        self._starts = frozenset(each[0] for each in self._secrets)
        self._buffer = b""
        self._position = position  # of the buffer's first byte
        self._first = first
        self._last = last

    @property
    def overlap(self) -> int:
        """How many bytes around a range must be seen to mask its edges."""
        return len(self._secrets[0]) - 1 if self._secrets else 0

    def feed(self, chunk: bytes) -> bytes:
        """What may be shown after one more chunk."""
        if not self._secrets:
            return self._plain(chunk)
        self._buffer += chunk
        return self._advance(final=False)

    def finish(self) -> bytes:
        """What was kept back, now that nothing follows."""
        return self._advance(final=True)

    def _plain(self, chunk: bytes) -> bytes:
        start = self._position
        self._position += len(chunk)
        return self._clipped(chunk, start)

    def _advance(self, *, final: bool) -> bytes:
        buffer, done = self._buffer, 0
        shown: list[bytes] = []
        while True:
            held = len(buffer) if final else self._held_from(done)
            match = self._pattern.search(buffer, done)
            if match is None or match.start() >= held:
                break
            shown.append(self._clipped(buffer[done : match.start()], self._position + done))
            if self._visible(self._position + match.start(), self._position + match.end()):
                shown.append(MASK)
            done = match.end()
        shown.append(self._clipped(buffer[done:held], self._position + done))
        self._buffer = buffer[held:]
        self._position += held
        return b"".join(shown)

    def _held_from(self, done: int) -> int:
        """Where the first secret begins that more bytes could complete (or lengthen)."""
        buffer = self._buffer
        for i in range(max(done, len(buffer) - self.overlap), len(buffer)):
            if buffer[i] in self._starts:
                rest = buffer[i:]
                if any(len(s) > len(rest) and s.startswith(rest) for s in self._secrets):
                    return i
        return max(done, len(buffer))

    def _visible(self, start: int, end: int) -> bool:
        return end > self._first and (self._last is None or start < self._last)

    def _clipped(self, piece: bytes, start: int) -> bytes:
        low = max(0, self._first - start)
        high = len(piece) if self._last is None else max(0, self._last - start)
        return piece if low == 0 and high >= len(piece) else piece[low:high]
