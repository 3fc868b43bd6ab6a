"""Readers of single values and of the small collections that job files hold.

Each takes the reading's context and a node and returns a plain value, or raises ``FieldError``
(or, from ``quantities``, ``ValueError``). Scalars are read from their text, never from YAML's
guess at a type: ``NO``, ``010`` and ``1:30`` stay what the user wrote.
"""

import re
from collections.abc import Callable
from typing import Any

from suan.jobfile import quantities
from suan.jobfile.document import At, fields_of
from suan.jobfile.fields import Reading, read_item
from suan.jobfile.problems import FieldError

MAX_NAME = 128
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_IDENTIFIER = re.compile(r"\w[\w.-]{0,62}")


def text(_reading: Reading, at: At) -> str:
    """A scalar's text as written."""
    if at.is_mapping or at.is_list:
        raise FieldError(
            f"must be text, not {at.kind}", mend="write it after the colon, or as |", spot=at.spot
        )
    value: str = at.node.value
    if "\0" in value:
        raise FieldError("holds a NUL character", mend="remove it")
    return value


def name(reading: Reading, at: At) -> str:
    """A job's name: one printable line."""
    value = text(reading, at).strip()
    if not value or len(value) > MAX_NAME or not value.isprintable():
        raise FieldError(f"must be one printable line of 1 to {MAX_NAME} characters")
    return value


def identifier(reading: Reading, at: At) -> str:
    """A queue's or framework's name."""
    value = text(reading, at).strip()
    if not _IDENTIFIER.fullmatch(value):
        raise FieldError(
            f"{value!r} is not a name",
            mend="use up to 63 letters, digits, '.', '_' and '-', starting with a letter or digit",
        )
    return value


def tenant(reading: Reading, at: At) -> str:
    """A tenant's name: names joined by slashes."""
    value = text(reading, at).strip()
    if len(value) > MAX_NAME or not all(map(_IDENTIFIER.fullmatch, value.split("/"))):
        raise FieldError(
            f"{value!r} is not a tenant's name",
            mend="use names joined by /, as lab/vision: each up to 63 letters, digits, '.', '_' and"
            f" '-', starting with a letter or digit; at most {MAX_NAME} together",
        )
    return value


def whole(low: int, high: int) -> Callable[[Reading, At], int]:
    """A reader of a whole number in a range."""

    def read(reading: Reading, at: At) -> int:
        written = text(reading, at).strip()
        if not _INTEGER.fullmatch(written):
            raise FieldError(f"must be a whole number, not {at.kind}", mend=f"write {max(low, 1)}")
        if not low <= int(written) <= high:
            raise FieldError(f"must be from {low} to {high}, got {written}")
        return int(written)

    return read


def truth(reading: Reading, at: At) -> bool:
    """``true`` or ``false``."""
    written = text(reading, at).strip().lower()
    if written not in _TRUE + _FALSE:
        raise FieldError(f"must be true or false, not {at.kind}")
    return written in _TRUE


def of(parse: Callable[[str], Any]) -> Callable[[Reading, At], Any]:
    """A reader that gives a scalar's text to ``parse``."""
    return lambda reading, at: parse(text(reading, at))


def instant(reading: Reading, at: At) -> int:
    """An instant, relative ones from the reading's ``now``."""
    moment = quantities.parse_instant(text(reading, at), now=reading.now)
    if reading.now is not None and moment <= reading.now:
        raise FieldError(f"{text(reading, at)} has passed", mend="write a time to come, or +6h")
    return moment


def texts(reading: Reading, at: At) -> tuple[str, ...]:
    """A list of texts; one text stands for a list of one, a mapping for its keys."""
    if at.is_mapping:
        return tuple(fields_of(at, reading.problems))
    items = at.items() if at.is_list else [at]
    return tuple(read_item(reading, item, text) for item in items)


def mapping(reading: Reading, at: At) -> dict[str, At]:
    """The values of a mapping, by key, in file order."""
    if not at.is_mapping:
        raise FieldError(
            f"must be a mapping, not {at.kind}", mend="write indented name: value lines"
        )
    return {key: value for key, (value, _) in fields_of(at, reading.problems).items()}


def labels(reading: Reading, at: At) -> dict[str, str]:
    """Texts by name."""
    return {key: read_item(reading, value, text) for key, value in mapping(reading, at).items()}


def variables(reading: Reading, at: At) -> dict[str, str]:
    """Environment variables: a mapping, or a list of mappings or of ``NAME=value`` texts.

    A null value, or a bare name in a list, is taken from the submitter's environment. No value is
    ever part of an error.
    """
    if at.is_list:
        parts = [read_item(reading, item, _listed) for item in at.items()]
        return {key: value for part in parts for key, value in part.items()}
    if not at.is_mapping:
        raise FieldError("must be a mapping", mend="write indented NAME: value lines")
    found: dict[str, str] = {}
    for key, value in mapping(reading, at).items():
        found[env_name(key, value)] = read_item(reading, value, _variable(key))
    return found


def _listed(reading: Reading, at: At) -> dict[str, str]:
    if at.is_mapping:
        return variables(reading, at)
    key, equals, value = text(reading, at).partition("=")
    return {env_name(key, at): value if equals else _from_environ(reading, key)}


def _variable(key: str) -> Callable[[Reading, At], str]:
    return lambda reading, at: _from_environ(reading, key) if at.is_null else text(reading, at)


def _from_environ(reading: Reading, key: str) -> str:
    value = (reading.environ or {}).get(key)
    if value is None:
        raise FieldError(
            f"{key} has no value here and none in the environment",
            mend=f"set it where you submit ({key}=… suan submit …), or write a value",
        )
    return value


def env_name(written: str, at: At) -> str:
    """A name that a shell can use."""
    if not _ENV_NAME.fullmatch(written):
        raise FieldError(
            f"{written[:40]!r} cannot name an environment variable",
            mend="use letters, digits and _, not starting with a digit",
            spot=at.spot,
        )
    return written
