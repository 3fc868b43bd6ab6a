"""Reads request bodies: JSON checked against the specification, or a job file's text.

What takes long (a batch of a hundred thousand jobs) is checked job by job in a thread, so that
other requests go on meanwhile.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
from fastapi import Request
from pydantic import TypeAdapter, ValidationError

from suan.api.problems import MalformedBody, TooLarge, UnsupportedMediaType
from suan.api.validation import input_error
from suan.model.errors import InputError
from suan.model.spec import JobSpec
from suan.model.units import Instant

MAX_JOBS = 100_000
JSON, YAML, SCRIPT = "application/json", "application/yaml", "text/x-shellscript"
_YAMLS = (YAML, "application/x-yaml", "text/yaml", "text/x-yaml")
_SCRIPTS = (SCRIPT, "application/x-sh", "application/x-shellscript")
_LONG = 64 << 10  # bytes above which a body is read in a thread
T = TypeVar("T")
_adapters: dict[type, TypeAdapter[Any]] = {}


@dataclass(frozen=True, slots=True)
class Given:
    """The jobs of one request. ``fingerprint`` tells a repeated request from another one."""

    specs: tuple[JobSpec, ...]
    fingerprint: str
    single: bool = False  # one specification, not a list that happens to have one
    warnings: tuple[str, ...] = ()


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    jobs: list[msgspec.Raw]


def _adapter(cls: type) -> TypeAdapter[Any]:
    if cls not in _adapters:
        _adapters[cls] = TypeAdapter(cls)  # costly to build, so once
    return _adapters[cls]


async def read_jobs(request: Request, now: Instant) -> Given:
    """One job as JSON, or a job file or batch script as text.

    Raises:
        InputError: and its kinds; nothing has been changed.
    """
    kind = content_type(request, JSON, *_YAMLS, *_SCRIPTS)
    body = await request.body()
    print_ = fingerprint(kind, body)
    if kind == JSON:
        spec = await _off_loop(body, lambda: checked(JobSpec, body))
        return Given((spec,), print_, single=True)
    return await asyncio.to_thread(_parse_text, body, print_, script=kind in _SCRIPTS, now=now)


async def read_batch(request: Request) -> Given:
    """``{"jobs": […]}``.

    Raises:
        InputError: where names the first job that is wrong, as ``jobs[17].num_nodes``.
    """
    content_type(request, JSON)
    body = await request.body()
    specs = await _off_loop(body, lambda: _batch(body))
    return Given(specs, fingerprint(JSON, body))


async def read_json(request: Request, cls: type[T]) -> T:
    """A small JSON body as ``cls``."""
    content_type(request, JSON)
    return checked(cls, await request.body())


def content_type(request: Request, *accepted: str) -> str:
    """The request's content type, one of ``accepted``.

    Raises:
        UnsupportedMediaType: it is another, or there is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind not in accepted:
        raise UnsupportedMediaType(
            f"the content type {kind[:80]!r} is not read here" if kind else "no content type",
            where="Content-Type",
            mend=f"send {accepted[0]}"
            if len(accepted) == 1
            else f"send {JSON}, {YAML} or {SCRIPT}",
        )
    return kind


def checked(cls: type[T], body: bytes | memoryview, prefix: str = "") -> T:
    """JSON text as a dataclass, strictly: no number is taken from a string.

    Raises:
        MalformedBody: it is not JSON.
        InputError: it does not fit the class.
    """
    try:
        return cast("T", _adapter(cls).validate_json(bytes(body), strict=True))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            raise _malformed(found[0]["msg"].removeprefix("Invalid JSON: ")) from None
        raise input_error(found, prefix) from None


def fingerprint(kind: str, body: bytes) -> str:
    """A hash of what was asked for."""
    return hashlib.sha256(kind.encode() + b"\0" + body).hexdigest()


def too_many(count: int, where: str) -> TooLarge:
    """The error for more jobs than one call takes."""
    return TooLarge(
        f"{count:,} jobs in one call; the limit is {MAX_JOBS:,}",
        where=where,
        mend="split them over several calls",
    )


async def _off_loop(body: bytes, work: Any) -> Any:
    return await asyncio.to_thread(work) if len(body) > _LONG else work()


def _batch(body: bytes) -> tuple[JobSpec, ...]:
    try:
        raw = msgspec.json.decode(body, type=_Batch).jobs
    except msgspec.ValidationError as error:
        raise InputError(str(error), where="jobs", mend='send {"jobs": [{…}, …]}') from None
    except RecursionError:
        raise _malformed("it is nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(str(error)) from None
    if not raw:
        raise InputError("no jobs", where="jobs", mend="give at least one")
    if len(raw) > MAX_JOBS:
        raise too_many(len(raw), "jobs")
    return tuple(checked(JobSpec, each, f"jobs[{i}]") for i, each in enumerate(raw))


def _malformed(detail: str) -> MalformedBody:
    return MalformedBody(f"the body is not JSON: {detail}", where="body", mend="send valid JSON")


def _parse_text(body: bytes, print_: str, *, script: bool, now: Instant) -> Given:
    from suan import jobfile  # a server that is sent JSON never needs a YAML reader

    if script:
        parsed = jobfile.parse_sbatch(body, filename="job.sh")
    else:
        parsed = jobfile.parse_yaml(body, filename="job.yaml", now=now)
    warnings = tuple(str(each) for each in parsed.warnings)
    return Given(tuple(parsed.specs), print_, warnings=warnings)
