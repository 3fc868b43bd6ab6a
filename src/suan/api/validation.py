"""Turns what pydantic found into one clear error: where, what, how to mend it."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from suan.model.errors import InputError
from suan.model.spec import After, JobSpec, ResourceOption, RetryPolicy

_KNOWN = sorted(
    {each.name for cls in (JobSpec, ResourceOption, RetryPolicy, After) for each in fields(cls)}
)
_MOST_DETAIL = 300  # characters: a number of many digits is not told whole
_EXTRA = ("extra_forbidden", "unexpected_keyword_argument")
_MENDS = {
    "missing": "give it",
    "int_type": "write a whole number without quotes",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "string_type": "write a string in quotes",
    "bool_type": "write true or false",
    "dict_type": "write an object: {…}",
    "tuple_type": "write a list: […]",
    "dataclass_type": "write an object: {…}",
    "bool_parsing": "write true or false",
    "greater_than_equal": "use a value in the range",
    "less_than_equal": "use a value in the range",
    "enum": "use one of those",
    "literal_error": "use one of those",
    "string_too_long": "shorten it",
}


def input_error(found: Sequence[Mapping[str, Any]], prefix: str = "") -> InputError:
    """The first of pydantic's errors as one ``InputError``; the others are counted.

    Args:
        found: what ``ValidationError.errors()`` gives; never empty.
        prefix: the path of the value that was checked, as ``jobs[3]``.
    """
    first = found[0]
    detail = str(first["msg"]).removeprefix("Value error, ")
    loc = first["loc"] or _named(detail)
    where = path((prefix, *loc) if prefix else loc)
    if len(detail) > _MOST_DETAIL:
        detail = f"{detail[:_MOST_DETAIL]}…"
    if first["type"] in _EXTRA:
        detail = f"there is no field {first['loc'][-1]!r}"
    if len(found) > 1:
        detail += f" (and {len(found) - 1} more)"
    return InputError(detail, where=where, mend=_mend(first))


def _named(detail: str) -> tuple[str, ...]:
    """The field that a dataclass's own check names first, as in ``run: the command is empty``."""
    name, colon, _ = detail.partition(": ")
    return (name,) if colon and name in _KNOWN else ()


def path(parts: Sequence[str | int]) -> str:
    """``("resources", 0, "cpu_milli")`` as ``resources[0].cpu_milli``."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _mend(error: Mapping[str, Any]) -> str:
    if error["type"] in _EXTRA:
        near = difflib.get_close_matches(str(error["loc"][-1]), _KNOWN, n=1)
        return f"did you mean {near[0]!r}?" if near else "remove it"
    return _MENDS.get(error["type"], "")
