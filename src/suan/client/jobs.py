"""From whatever a caller holds — a spec, a file, a text — to job specifications."""

import os
import time
import uuid
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from suan.model.errors import InputError
from suan.model.spec import JobSpec

JobSource: TypeAlias = JobSpec | str | PathLike[str]


def new_key() -> str:
    """An idempotency key that was never used."""
    return uuid.uuid4().hex


def several(sources: Sequence[JobSource]) -> tuple[JobSpec, ...]:
    """All the jobs of all the sources, in order. A job file may hold several.

    Raises:
        InputError: there are none, or one is wrong; it names file, line and field.
    """
    specs = tuple(spec for source in sources for spec in of(source))
    if not specs:
        raise InputError("there are no jobs to submit", where="jobs", mend="give at least one")
    return specs


def of(source: JobSource) -> tuple[JobSpec, ...]:
    """The jobs of one source: a spec, a file's path, or (a ``str`` of several lines) its text."""
    if isinstance(source, JobSpec):
        return (source,)
    from suan import jobfile

    here = str(Path.cwd())
    now = time.time_ns() // 1000
    if isinstance(source, str) and "\n" in source:
        return jobfile.parse(source, base_dir=here, environ=os.environ, now=now).specs
    path = fspath(source)
    return jobfile.load(path, submit_dir=here, environ=os.environ, now=now).specs
