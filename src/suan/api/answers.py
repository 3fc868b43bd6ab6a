"""How answers are written and documented.

Views are encoded by msgspec straight from their dataclasses: checking our own output again would
cost more than everything else a read does.
"""

from typing import Any

import msgspec
from fastapi import Response

from suan.api.problems import CODES, MEDIA_TYPE
from suan.model.views import Problem

_encoder = msgspec.json.Encoder()
encode = _encoder.encode


def answer(view: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A view as a JSON response."""
    return Response(encode(view), status, headers, media_type="application/json")


def documented(
    status: int, model: Any, example: Any, *codes: str, also: dict[int, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: its success with an example, and its problems by code.

    ``also`` names further success statuses with the same body.
    """
    content = {"application/json": {"example": msgspec.to_builtins(example)}}
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": model, "content": content, "description": "Done"}
    }
    for other, description in (also or {}).items():
        found[other] = {"model": model, "content": content, "description": description}
    return found | problems(*codes)


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, beside those that every route may."""
    always = ("unauthenticated", "forbidden", "invalid_input", "store_unavailable", "internal")
    by_status: dict[int, list[str]] = {}
    for code in (*always, *codes):
        by_status.setdefault(CODES[code][0], []).append(code)
    return {
        status: {
            "description": ", ".join(dict.fromkeys(same)),
            "model": Problem,
            "content": {MEDIA_TYPE: {"example": problem_example(same[0])}},
        }
        for status, same in by_status.items()
    }


def problem_example(code: str, status: int | None = None) -> dict[str, Any]:
    """An example of a problem; ``status`` where it differs from its code's."""
    usual, title = CODES[code]
    return {
        "type": f"urn:suan:problem:{code}",
        "title": title,
        "status": status or usual,
        "code": code,
        "detail": "what is wrong",
        "where": "",
        "mend": "what to do about it",
    }
