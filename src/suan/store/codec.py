"""Values as bytes and text: events for the journal, nested values for columns.

An entry's events are a version byte and the compressed MessagePack of ``[type name, fields]``
pairs. Fields go by name, so that one may be added with a default and old journals still read.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from suan.model.errors import InputError, StoreCorrupt
from suan.model.events import EVENT_TYPES, Event

T = TypeVar("T")

_VERSION = b"\x01"
_LEVEL = 1  # most of the gain for a tenth of the time of level 9
_NAMES = {kind: kind.__name__ for kind in EVENT_TYPES}
_encoder = msgspec.msgpack.Encoder()
_pairs = msgspec.msgpack.Decoder(list[tuple[str, msgspec.Raw]])
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    kind.__name__: msgspec.msgpack.Decoder(kind) for kind in EVENT_TYPES
}
_json = msgspec.json.Encoder()


@contextmanager
def storable(what: str) -> Iterator[None]:
    """Turn what cannot be encoded inside into an ``InputError`` that names ``what``."""
    try:
        yield
    except (OverflowError, UnicodeEncodeError, TypeError) as error:
        raise InputError(
            f"{what} cannot be stored: {error}",
            where=what,
            mend="use text without lone surrogates, and numbers of at most 64 bits",
        ) from error


def encode_events(events: Iterable[Event]) -> bytes:
    """Events as a journal entry keeps them."""
    pairs = [(_NAMES[type(event)], event) for event in events]
    return _VERSION + zlib.compress(_encoder.encode(pairs), _LEVEL)


def decode_events(data: bytes, *, where: str) -> tuple[Event, ...]:
    """The events of ``encode_events``, equal to the ones given there.

    Raises:
        StoreCorrupt: they cannot be read; ``where`` names the entry.
    """
    if data[:1] != _VERSION:
        raise _unreadable(where, f"unknown format {data[:1].hex() or 'empty'}")
    try:
        pairs = _pairs.decode(zlib.decompress(data[1:]))
        return tuple(_decoders[name].decode(fields) for name, fields in pairs)
    except KeyError as error:
        raise _unreadable(where, f"unknown event type {error.args[0]!r}") from error
    except (zlib.error, msgspec.DecodeError) as error:
        raise _unreadable(where, str(error)) from error


def _unreadable(where: str, why: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"{where} cannot be read: {why}",
        mend="was it written by a newer suan? upgrade this one, or restore the store from a backup",
    )


def check_size(value: object) -> None:
    """Raise ``OverflowError`` for a number that JSON can hold and the journal cannot."""
    _encoder.encode(value)


def to_json(value: object) -> str:
    """Any model value as JSON text."""
    return _json.encode(value).decode()


def json_reader(kind: type[T]) -> Callable[[str], T]:
    """A function that reads ``to_json``'s text back as ``kind``; StoreCorrupt if it cannot."""
    decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)

    def read(text: str) -> T:
        try:
            return decoder.decode(text)
        except msgspec.DecodeError as error:
            name = getattr(kind, "__name__", str(kind))
            raise _unreadable(f"a stored {name}", str(error)) from error

    return read
