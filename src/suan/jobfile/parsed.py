"""What parsing gives."""

from dataclasses import dataclass

from suan.jobfile.problems import Problem
from suan.model.spec import JobSpec


@dataclass(frozen=True, slots=True)
class Parsed:
    """The jobs of a file in file order, and what their author should know."""

    specs: tuple[JobSpec, ...]
    warnings: tuple[Problem, ...] = ()
