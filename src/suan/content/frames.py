"""Pieces of several contents in one body: for each a line, ``DIGEST OFFSET LENGTH SIZE``, then as
many bytes as its length says. Small files travel together, large ones in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST_LINE = 140


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a content from an offset; ``size`` is that of the whole."""

    digest: str
    offset: int
    data: bytes
    size: int


def encode(piece: Piece) -> bytes:
    """A piece as it travels."""
    head = f"{piece.digest} {piece.offset} {len(piece.data)} {piece.size}\n"
    return head.encode("ascii") + piece.data


def decode(body: bytes) -> Iterator[Piece]:
    """The pieces of a body.

    Raises:
        ValueError: it is no sequence of pieces; says where.
    """
    at = 0
    while at < len(body):
        end = body.find(b"\n", at, at + _LONGEST_LINE)
        words = body[at:end].split(b" ") if end >= 0 else []
        if len(words) != 4 or not all(word.isdigit() for word in words[1:]):
            raise ValueError(f"no line of a piece at byte {at}")
        offset, length, size = (int(word) for word in words[1:])
        data = body[end + 1 : end + 1 + length]
        if len(data) != length:
            raise ValueError(f"the piece at byte {at} is cut short")
        yield Piece(words[0].decode("ascii", "replace"), offset, data, size)
        at = end + 1 + length
