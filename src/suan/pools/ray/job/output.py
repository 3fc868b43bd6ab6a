"""A task's output, in pieces of one size, so that Ray's log service can give any part of it.

That service sends whole files. So byte N of a stream stands in the file ``RANK.STREAM.K`` with K =
N // PIECE, and a piece that is full never changes.
"""

# A program that travels stays plain and quick to start.
# ruff: noqa: PTH118, PTH123

from __future__ import annotations

import os
from typing import IO

PIECE = 1 << 18


def piece_name(rank: int, stream: str, number: int) -> str:
    """The file of one piece."""
    return f"{rank}.{stream}.{number:06d}"


class Output:
    """One stream of one task: kept in pieces, and in the file that the job names, if any."""

    def __init__(self, directory: str, rank: int, stream: str, *, copy_to: str | None) -> None:
        self._directory = directory
        self._rank = rank
        self._stream = stream
        self._size = 0
        self._copy: IO[bytes] | None = open(copy_to, "ab", buffering=0) if copy_to else None  # noqa: SIM115 - closed with the stream
        self._piece = self._open(0)

    def write(self, data: bytes) -> None:
        """Keep what the task wrote."""
        if self._copy is not None:
            self._copy.write(data)
        while data:
            room = PIECE - self._size % PIECE
            self._piece.write(data[:room])
            self._size += len(data[:room])
            data = data[room:]
            if self._size % PIECE == 0:
                self._piece.close()
                self._piece = self._open(self._size // PIECE)

    def close(self) -> None:
        """Nothing more will come."""
        self._piece.close()
        if self._copy is not None:
            self._copy.close()

    def _open(self, number: int) -> IO[bytes]:
        name = piece_name(self._rank, self._stream, number)
        return open(os.path.join(self._directory, name), "wb", buffering=0)
