"""From whatever a caller holds — a spec, a file, a text — to job specifications."""

import uuid
from os import PathLike, fspath
from typing import TypeAlias

from suan.model.spec import JobSpec

JobSource: TypeAlias = JobSpec | str | PathLike[str]


def key() -> str:
    """A new idempotency key."""
    return uuid.uuid4().hex
