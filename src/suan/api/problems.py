"""One table from error codes to HTTP, and the errors that only the API raises.

Every code here has a section in ``docs/reference/errors.md``; a test asserts it.
"""

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from suan.api.validation import input_error
from suan.model.errors import InputError, SuanError
from suan.model.views import Problem

MEDIA_TYPE = "application/problem+json"

# code → (status, title)
CODES: dict[str, tuple[int, str]] = {
    "invalid_input": (422, "The request is not valid"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "This address does not take that method"),
    "unsupported_media_type": (415, "This content type is not understood here"),
    "conflict": (409, "The request conflicts with what was done before"),
    "over_pending_limit": (409, "The user has as many jobs waiting as he may"),
    "too_large": (413, "The request is too large"),
    "unauthenticated": (401, "A valid token is needed"),
    "token_expired": (401, "The token has expired"),
    "token_revoked": (401, "The token was revoked"),
    "forbidden": (403, "This is not allowed"),
    "peer_version": (426, "The other platform speaks another version"),
    "way_refused": (409, "The job may not come this way"),
    "offer_closed": (409, "The offer is closed"),
    "superseded": (409, "The run was given up since"),
    "store_unavailable": (503, "The store does not answer"),
    "store_full": (507, "No space is left for the store"),
    "store_read_only": (503, "The store cannot be written"),
    "store_corrupt": (500, "The store is damaged"),
    "store_error": (500, "The store failed"),
    "content_full": (507, "No space is left for the files that jobs bring"),
    "content_missing": (422, "Files that the job brings have not been sent"),
    "lease_lost": (503, "Another server has taken the lead"),
    "pool_unavailable": (503, "The pool does not answer"),
    "pool_rejected": (502, "The pool refused"),
    "pool_outcome_unknown": (502, "The pool may or may not have done it"),
    "pool_auth": (502, "The pool does not accept our credentials"),
    "pool_error": (502, "The pool failed"),
    "not_leader": (503, "No leader can be reached"),
    "internal": (500, "A bug in suan"),
    "error": (500, "Something failed"),
}

RETRY_AFTER_S = {"store_unavailable": 1, "pool_unavailable": 5, "not_leader": 2, "lease_lost": 2}


class MalformedBody(InputError):
    """The body is not what its content type says. Same code as other input, status 400."""


class TooLarge(InputError):
    """More than the API takes in one request."""

    code = "too_large"


class ContentFull(SuanError):
    """There is no room for what a job brings."""

    code = "content_full"


class ContentMissing(InputError):
    """A job names content that the server does not have."""

    code = "content_missing"


class UnsupportedMediaType(InputError):
    """A content type that this address does not read."""

    code = "unsupported_media_type"


class Unauthenticated(SuanError):
    """No token, or one that is not known."""

    code = "unauthenticated"


class TokenExpired(Unauthenticated):
    """A token that was good once."""

    code = "token_expired"


class TokenRevoked(Unauthenticated):
    """A token that an operator took back."""

    code = "token_revoked"


class Forbidden(SuanError):
    """The caller is known and may not do this."""

    code = "forbidden"


class OtherVersion(SuanError):
    """A peer speaks another version of the protocol."""

    code = "peer_version"


class WayRefused(SuanError):
    """A forwarded job has been here before, or has come too far."""

    code = "way_refused"


class OfferClosed(SuanError):
    """Nothing may start under an offer now."""

    code = "offer_closed"


class Superseded(SuanError):
    """A launch comes too late: its run was asked for in vain since."""

    code = "superseded"


def problem_of(error: SuanError) -> Problem:
    """What the caller is told of an error."""
    code = error.code if error.code in CODES else "error"
    status, title = CODES[code]
    if isinstance(error, MalformedBody):
        status = 400
    # A bug's message tells the story of somebody's job; it belongs in the server's log.
    internal = code == "internal"
    return Problem(
        type=f"urn:suan:problem:{code}",
        title=title,
        status=status,
        code=code,
        detail="an invariant of suan does not hold" if internal else error.message,
        where=getattr(error, "where", ""),
        mend="report it with the server's log" if internal else error.mend,
    )


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """A problem as it leaves."""
    extra = dict(headers or {})
    if problem.status == 401:
        extra["WWW-Authenticate"] = 'Bearer realm="suan"'
    if problem.code in RETRY_AFTER_S:
        extra["Retry-After"] = str(RETRY_AFTER_S[problem.code])
    return Response(
        msgspec.json.encode(problem), problem.status, headers=extra, media_type=MEDIA_TYPE
    )


def internal_problem() -> Problem:
    """What is told of an error that nobody foresaw."""
    status, title = CODES["internal"]
    return Problem(
        type="urn:suan:problem:internal",
        title=title,
        status=status,
        code="internal",
        detail="the server met an error that it did not foresee; its log has the details",
        mend="try again; if it happens again, report it with the server's log",
    )


async def on_suan_error(_: Request, error: Exception) -> Response:
    """Handler of every error that suan raises on purpose."""
    assert isinstance(error, SuanError)
    return problem_response(problem_of(error))


async def on_invalid_parameter(_: Request, error: Exception) -> Response:
    """Handler of query, path and header parameters that FastAPI refuses."""
    assert isinstance(error, RequestValidationError)
    return problem_response(problem_of(input_error(error.errors())))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Handler of what the router refuses: an unknown address, or a method it does not take."""
    assert isinstance(error, HTTPException)
    allow = dict(error.headers or {})
    address = f"{request.method} {request.url.path}"
    if error.status_code == 405:
        refused = SuanError(f"{address} is not served", mend=f"use {allow.get('Allow', 'GET')}")
        refused.code = "method_not_allowed"
    else:
        refused = SuanError(f"{address} is not served", mend="see /openapi.json for what is")
        refused.code = "not_found"
    return problem_response(problem_of(refused), allow)
