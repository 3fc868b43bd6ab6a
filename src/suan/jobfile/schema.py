"""The job file's JSON Schema, for editors that complete and check YAML as it is typed."""

from typing import Any

from suan.jobfile.checkpoint import CHECKPOINT_FIELDS
from suan.jobfile.fields import Effect, Field, Table
from suan.jobfile.resources import ALTERNATIVE_FIELDS, RESOURCE_FIELDS
from suan.jobfile.task import AFTER_FIELDS, RETRY_FIELDS, TASK_FIELDS

_SECTIONS: dict[str, Table] = {
    "resources": RESOURCE_FIELDS,
    "retry": RETRY_FIELDS,
    "checkpoint": CHECKPOINT_FIELDS,
}
_LISTS: dict[str, Table] = {
    "any_of": ALTERNATIVE_FIELDS,
    "ordered": ALTERNATIVE_FIELDS,
    "after": AFTER_FIELDS,
}


def schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of one document. It guides; ``parse`` is what decides."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "suan job file",
        **_section(TASK_FIELDS),
        "required": ["run"],
    }


def _section(known: Table) -> dict[str, Any]:
    return {"type": "object", "properties": {name: _field(row) for name, row in known.items()}}


def _field(row: Field) -> dict[str, Any]:
    described = {"description": f"{row.doc} Takes: {row.takes}."}
    if row.effect is not Effect.ACTS:
        described["description"] += f" ({row.effect.value})"
    if row.name in _SECTIONS:
        scalar = {"type": ["number", "string", "null"]}
        return {**described, "anyOf": [_section(_SECTIONS[row.name]), scalar]}
    if row.name in _LISTS:
        item = {"anyOf": [_section(_LISTS[row.name]), {"type": ["string", "number"]}]}
        return {**described, "anyOf": [{"type": "array", "items": item}, {"type": "string"}]}
    return {**described, **row.schema}
