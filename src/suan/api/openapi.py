"""The OpenAPI document: FastAPI's, with the request bodies that routes read themselves.

Routes read their bodies on their own (a job may be JSON, YAML or a script), so what FastAPI
cannot see is added here. It is built when first asked for, and kept.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from suan.api import examples
from suan.api.answers import problem_example
from suan.api.problems import MEDIA_TYPE
from suan.api.requests import (
    ContentAsked,
    FetchRequest,
    LimitsRequest,
    OfferRequest,
    QueueRequest,
    ReservationRequest,
    TenantRequest,
    TokenRequest,
)
from suan.model.spec import JobSpec
from suan.peering.protocol import EndRun, Forward

REF = "#/components/schemas/"
TAGS = [
    {"name": "jobs", "description": "Submit, list, show, cancel, explain; logs"},
    {"name": "content", "description": "What jobs bring, by its SHA-256"},
    {"name": "plans", "description": "Dry runs"},
    {"name": "pools", "description": "What there is to run on"},
    {
        "name": "queues",
        "description": "Where jobs stand in line; what queues, tenants and users may have at once",
    },
    {"name": "peers", "description": "What is offered to other owners' platforms"},
    {"name": "peer", "description": "What such a platform asks, in signed requests"},
    {"name": "events", "description": "What happens"},
    {"name": "server", "description": "The server, its health and metrics, reference facts"},
    {"name": "tokens", "description": "Who may do what"},
]
DESCRIPTION = (
    "One queue over all your compute. Errors are application/problem+json with a stable `code`"
    " (docs/reference/errors.md). A token is sent as `Authorization: Bearer suan_…`; a server that"
    " only its own machine can reach needs none."
)
_BEARER = {"type": "http", "scheme": "bearer", "description": "A token: suan_ and 43 characters"}


def json_body(schema: str, example: object, scope: str) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads a JSON body of its own."""
    content = {"schema": {"$ref": REF + schema}, "example": example}
    return {
        "requestBody": {"required": True, "content": {"application/json": content}},
        "x-suan-scope": scope,
    }


def _job_body(scope: str) -> dict[str, Any]:
    body = json_body("JobSpec", examples.JOB, scope)
    text = {"schema": {"type": "string"}}
    body["requestBody"]["content"]["application/yaml"] = {**text, "example": examples.YAML}
    body["requestBody"]["content"]["text/x-shellscript"] = {**text, "example": examples.SCRIPT}
    return body


JOB_BODY = _job_body("submitter")
PLAN_BODY = _job_body("viewer")
BATCH_BODY = json_body("JobBatch", examples.BATCH, "submitter")
_BATCH = {
    "type": "object",
    "title": "JobBatch",
    "required": ["jobs"],
    "additionalProperties": False,
    "properties": {
        "jobs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100_000,
            "items": {"$ref": REF + "JobSpec"},
        }
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document, as a plain dictionary."""
    if app.openapi_schema is None:
        app.openapi_schema = _build(app)
    return app.openapi_schema


def _build(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    components = found.setdefault("components", {})
    components["securitySchemes"] = {"token": _BEARER}
    found["security"] = [{"token": []}, {}]
    components["schemas"] |= _request_schemas()
    for operations in found["paths"].values():
        for operation in operations.values():
            _tidy(operation)
    return found


def _request_schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = {"JobBatch": _BATCH}
    for cls in (
        JobSpec,
        ContentAsked,
        FetchRequest,
        QueueRequest,
        TenantRequest,
        LimitsRequest,
        ReservationRequest,
        OfferRequest,
        TokenRequest,
        Forward,
        EndRun,
    ):
        schema = TypeAdapter(cls).json_schema(ref_template=REF + "{model}")
        schemas |= schema.pop("$defs", {})
        schemas[cls.__name__] = schema
    return schemas


_BODY_PROBLEMS = {400: "invalid_input", 413: "too_large", 415: "unsupported_media_type"}


def _tidy(operation: dict[str, Any]) -> None:
    """Add what every body may be refused for, and take out what FastAPI says of problems twice."""
    if "requestBody" in operation:
        for status, code in _BODY_PROBLEMS.items():
            content = {
                "schema": {"$ref": f"{REF}Problem"},
                "example": problem_example(code, status),
            }
            said = {"description": code, "content": {MEDIA_TYPE: content}}
            operation["responses"].setdefault(str(status), said)
    for answer in operation["responses"].values():
        content = answer.get("content", {})
        if MEDIA_TYPE in content and "application/json" in content:
            content[MEDIA_TYPE] |= content.pop("application/json")
