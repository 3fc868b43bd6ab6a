"""From an answer's bytes to a view, or to the exception that it tells of."""

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from suan.client.errors import AccessDenied, BadReply, Conflict, ServerError
from suan.client.wire import Reply
from suan.model.errors import InputError, NotFound, SuanError
from suan.model.views import Problem

T = TypeVar("T")

_INPUT = frozenset({"invalid_input", "too_large", "content_missing"})
_BY_STATUS: dict[int, type[ServerError]] = {401: AccessDenied, 403: AccessDenied, 409: Conflict}
_NOT_SUAN = "check that the URL is that of a suan server of this version (`suan doctor`)"


@cache
def _decoder(view: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(view)


def view(wanted: type[T]) -> Callable[[Reply], T]:
    """A reader of answers that are one ``wanted``."""

    def read(reply: Reply) -> T:
        check(reply)
        return parse(reply.body, wanted, reply.status)

    return read


def member(name: str, wanted: Any) -> Callable[[Reply], Any]:
    """A reader of answers of the form ``{name: wanted}``."""

    def read(reply: Reply) -> Any:
        check(reply)
        found = parse(reply.body, dict[str, msgspec.Raw], reply.status)
        if name not in found:
            raise _bad(reply.status, f"the answer has no {name!r}")
        return parse(bytes(found[name]), wanted, reply.status)

    return read


def nothing(reply: Reply) -> None:
    """A reader of answers that say no more than that it was done."""
    check(reply)


def body_of(reply: Reply) -> bytes:
    """A reader of answers that are bytes."""
    check(reply)
    return reply.body


def health_of(reply: Reply) -> dict[str, Any]:
    """A reader of health reports, which an ill server gives with status 503."""
    if reply.status != 503:
        check(reply)
    found = parse(reply.body, dict[str, Any], reply.status)
    if "checks" not in found:
        raise failure(reply.status, reply.headers, reply.body)
    return found


def parse(body: bytes, wanted: type[T], status: int = 200) -> T:
    """The ``wanted`` that ``body`` is.

    Raises:
        BadReply: it is not one.
    """
    try:
        return _decoder(wanted).decode(body)  # type: ignore[no-any-return, arg-type] # a Decoder of T
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _bad(status, f"the answer cannot be read: {error}") from error


def check(reply: Reply) -> None:
    """Raise what an answer tells of, if it is not a success."""
    if not 200 <= reply.status < 300:
        raise failure(reply.status, reply.headers, reply.body)


def failure(status: int, headers: Mapping[str, str], body: bytes) -> SuanError:
    """The exception that an answer tells of."""
    try:
        problem = _decoder(Problem).decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _bad(status, f"the server answered {status} without saying why")
    if problem.code in _INPUT:
        wrong = InputError(problem.detail, where=problem.where, mend=problem.mend)
        wrong.code = problem.code
        return wrong
    if problem.code == "not_found":
        return NotFound(problem.detail, where=problem.where, mend=problem.mend)
    error = _BY_STATUS.get(status, ServerError)(
        problem.detail,
        code=problem.code,
        status=status,
        where=problem.where,
        mend=problem.mend,
    )
    error.retry_after_s = _seconds(headers.get("retry-after"))
    return error


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def _bad(status: int, message: str) -> BadReply:
    return BadReply(message, code="bad_reply", status=status, mend=_NOT_SUAN)
