"""The reference says everything that the tables say, and the schema follows them."""

import re
from pathlib import Path

import pytest

from suan.jobfile import schema
from suan.jobfile.checkpoint import CHECKPOINT_FIELDS
from suan.jobfile.fields import Effect, Field, Table
from suan.jobfile.resources import ALTERNATIVE_FIELDS, RECOVERY_FIELDS, RESOURCE_FIELDS
from suan.jobfile.slurm.options import OPTIONS, SbatchOption
from suan.jobfile.task import AFTER_FIELDS, RETRY_FIELDS, TASK_FIELDS
from suan.jobfile.yaml_file import HEADER_FIELDS

REFERENCE = Path(__file__).parents[2] / "docs/reference/job-file.md"
TABLES: dict[str, Table] = {
    "The job": TASK_FIELDS,
    "resources": RESOURCE_FIELDS,
    "job_recovery": RECOVERY_FIELDS,
    "retry": RETRY_FIELDS,
    "checkpoint": CHECKPOINT_FIELDS,
    "after": AFTER_FIELDS,
    "Several jobs in one file": HEADER_FIELDS,
}


def row(field: Field) -> str:
    note = f" {field.note[:1].upper()}{field.note[1:]}." if field.note else ""
    takes = field.takes.replace("|", "\\|")
    return f"| `{field.name}` | {takes} | {field.doc}{note} | {field.effect.value} |"


def option_row(option: SbatchOption) -> str:
    short = f", `-{option.short}`" if option.short else ""
    return f"| `--{option.long}`{short} | {option.doc} |"


def section(title: str) -> str:
    found = re.search(rf"(?ms)^## `?{title}`?\n(.*?)(?=^## |\Z)", REFERENCE.read_text())
    assert found, f"docs/reference/job-file.md has no section {title}"
    return found.group(1)


@pytest.mark.parametrize("title", TABLES)
def test_every_field_stands_in_the_reference(title: str) -> None:
    written = section(title)
    missing = [row(field) for field in TABLES[title].values() if row(field) not in written]
    assert not missing, "add to docs/reference/job-file.md:\n" + "\n".join(missing)


def test_every_sbatch_option_stands_in_the_reference() -> None:
    written = section("#SBATCH options")
    missing = [option_row(o) for o in OPTIONS if o.doc and option_row(o) not in written]
    assert not missing, "add to docs/reference/job-file.md:\n" + "\n".join(missing)
    silent = [
        o.long for o in OPTIONS if o.effect is Effect.IGNORED and f"`--{o.long}`" not in written
    ]
    assert not silent


def test_the_schema_has_every_field() -> None:
    properties = schema()["properties"]
    assert list(properties) == list(TASK_FIELDS)
    resources = properties["resources"]["anyOf"][0]["properties"]
    assert list(resources) == list(RESOURCE_FIELDS)
    alternative = resources["any_of"]["anyOf"][0]["items"]["anyOf"][0]["properties"]
    assert list(alternative) == list(ALTERNATIVE_FIELDS)
