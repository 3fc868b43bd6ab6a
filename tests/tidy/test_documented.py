"""The documentation is complete: each list in the code is a list in a page, and names nothing else.

A thing counts as documented when its exact name stands in backquotes in the page that owns it.
"""

import ast
import dataclasses
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from suan import killpoints
from suan.model import errors
from suan.model.refusal import RefusalCode
from suan.model.spec import Checkpoint, JobSpec, ResourceOption, RetryPolicy
from tests.tidy.tree import CODE, DOCS, FENCE, PACKAGE, constants, modules, name, syntax, text

REFERENCE = DOCS / "reference"
SETTING = re.compile(r"(?<![A-Z_])SUAN_[A-Z][A-Z0-9_]*")
NOUNS = [
    "Job",
    "Run",
    "Task",
    "Gang",
    "Queue",
    "Tenant",
    "Quota",
    "PriorityClass",
    "Pool",
    "Site",
    "Node",
    "Flavor",
    "Accelerator",
    "Snapshot",
    "Plan",
    "Decision",
    "Refusal",
    "Explanation",
    "Reservation",
    "Lease",
]
VERBS = [
    "submit",
    "admit",
    "place",
    "launch",
    "hold",
    "preempt",
    "requeue",
    "backfill",
    "cordon",
    "drain",
    "cancel",
]


def quoted(page: Path) -> set[str]:
    """What stands in backquotes, and the first word of each."""
    spans = [" ".join(span.split()) for span in CODE.findall(FENCE.sub("", text(page)))]
    return {*spans, *(span.split()[0] for span in spans if span)}


def missing(wanted: set[str], page: Path) -> list[str]:
    assert page.exists(), f"{page} is not written"
    return sorted(wanted - quoted(page))


def test_every_refusal_code_is_documented() -> None:
    assert not missing({code.value for code in RefusalCode}, REFERENCE / "refusals.md")


def tree_of(kind: type[errors.SuanError]) -> Iterator[type[errors.SuanError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from tree_of(each)


def test_every_error_code_is_documented() -> None:
    codes = {each.code for each in tree_of(errors.SuanError)} - {"error"}
    assert not missing(codes, REFERENCE / "errors.md")


def test_every_problem_code_of_the_api_is_documented() -> None:
    from suan.api import problems

    codes = {
        code
        for variable, table in vars(problems).items()
        if isinstance(table, dict) and not variable.startswith("__")
        for code in table
        if isinstance(code, str) and re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    }
    assert "invalid_input" in codes
    assert not missing(codes, REFERENCE / "errors.md")


def passed_points() -> set[str]:
    """Kill points whose names stand in a module that passes some."""
    return {
        constant
        for path in modules()
        if "from suan.killpoints import" in text(path)
        or "from suan import killpoints" in text(path)
        for constant in constants(path)
        if re.fullmatch(r"[a-z]+\.[a-z_]+", constant) and constant in killpoints.NAMES
    }


def test_every_kill_point_is_passed() -> None:
    assert not set(killpoints.NAMES) - passed_points()
    assert len(killpoints.NAMES) >= 15


def test_every_environment_variable_is_documented() -> None:
    used = {
        match
        for path in modules()
        for constant in constants(path)
        for match in SETTING.findall(constant)
        if not match.endswith("_")
    }
    owners = (
        REFERENCE / "settings.md",
        REFERENCE / "job-file.md",  # what a job finds in its environment
        DOCS / "explanation" / "local-pool.md",
    )
    told = {word for page in owners for span in quoted(page) for word in SETTING.findall(span)}
    assert "SUAN_HOME" in used
    assert not sorted(used - told)


def commands(group: click.Group, prefix: str = "") -> Iterator[str]:
    context = click.Context(group, info_name="suan")
    for each in group.list_commands(context):
        found = group.get_command(context, each)
        assert found is not None, f"{prefix}{each} is listed and cannot be loaded"
        yield f"{prefix}{each}"
        if isinstance(found, click.Group):
            yield from commands(found, f"{prefix}{each} ")


SHOWN_COMMAND = re.compile(r"^(?:\$ )?(suan [a-z][a-z-]*(?: [a-z][a-z-]*)?)(?![\w<])")


@cache
def every_command() -> frozenset[str]:
    from suan.app.main import SERVER_COMMANDS
    from suan.cli.main import build
    from suan.cli.table import COMMANDS

    return frozenset(f"suan {each}" for each in commands(build({**COMMANDS, **SERVER_COMMANDS})))


def test_every_command_is_documented() -> None:
    assert "suan run" in every_command()
    page = text(REFERENCE / "cli.md")
    assert not sorted(each for each in every_command() if not re.search(rf"{each}\b", page))


def shown_commands(page: Path) -> Iterator[str]:
    """What a page shows as a command: a span of code, or a line of a code block."""
    blocks = [block.group() for block in FENCE.finditer(text(page))]
    for line in (*quoted(page), *"\n".join(blocks).splitlines()):
        yield from SHOWN_COMMAND.findall(line)


def test_no_page_shows_a_command_that_is_not_there() -> None:
    groups = {each.rpartition(" ")[0] for each in every_command()} - {"suan"}
    unknown = {
        f"{name(page)}: {shown}"
        for page in (*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md"))
        for shown in shown_commands(page)
        for first in [" ".join(shown.split()[:2])]
        if (shown if first in groups else first) not in every_command() | groups
    }
    assert not unknown


def test_every_exit_code_is_documented() -> None:
    from suan.cli import exits

    page = text(REFERENCE / "exit-codes.md")
    assert len(exits.Exit) >= 9
    assert not [code for code in exits.Exit if not re.search(rf"\|\s*`?{code.value}\b", page)]


def feed_kinds() -> set[str]:
    """What the live loop tells the feed: constants like ``job.submitted``."""
    kind = re.compile(r"(job|run|pool|queue|leader|term|token|server)\.[a-z_]+")
    return {
        constant
        for path in (PACKAGE / "control").rglob("*.py")
        for constant in constants(path)
        if kind.fullmatch(constant)
    }


def test_every_event_is_documented() -> None:
    kinds = feed_kinds()
    assert "job.submitted" in kinds
    assert not missing(kinds, REFERENCE / "events.md")


def test_every_metric_is_documented() -> None:
    metric = re.compile(r"suan_[a-z]+(_[a-z]+)+")
    used = {
        constant
        for path in (PACKAGE / "api").rglob("*.py")
        for constant in constants(path)
        if metric.fullmatch(constant)
    }
    assert used
    page = text(REFERENCE / "metrics.md")
    assert not sorted(each for each in used if each not in page)


def test_every_endpoint_is_documented() -> None:
    paths = {
        f"/v1{constant}" if not constant.startswith("/v1") else constant
        for path in (PACKAGE / "api").rglob("*.py")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "post", "put", "delete")
        and "router" in ast.unparse(node.func.value)
        for constant in [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
        if isinstance(constant, str)
    }
    assert paths
    page = re.sub(r"\{[^}]*\}", "{}", text(REFERENCE / "api.md"))
    assert not sorted(each for each in paths if re.sub(r"\{[^}]*\}", "{}", each) not in page)


@pytest.mark.parametrize("kind", [JobSpec, RetryPolicy, Checkpoint])
def test_every_field_of_a_job_is_documented(kind: type) -> None:
    # written as options or as #SBATCH lines, or set by suan
    ours = {"array", "origin", "forwarded", "stdout", "stderr"} if kind is JobSpec else set()
    wanted = {field.name for field in dataclasses.fields(kind)} - ours
    page = text(REFERENCE / "job-file.md")
    assert not sorted(each for each in wanted if not re.search(rf"\b{each}\b", page))


def test_every_field_of_resources_is_documented() -> None:
    written_as = {"cpu_milli": "cpus", "memory_mib": "memory"}
    wanted = {
        written_as.get(field.name, field.name) for field in dataclasses.fields(ResourceOption)
    }
    assert not sorted(
        each for each in wanted if not re.search(rf"\b{each}\b", text(REFERENCE / "job-file.md"))
    )


def test_the_glossary_has_every_noun_and_verb() -> None:
    page = text(DOCS / "glossary.md")
    words = {word.lower() for word in re.findall(r"^\| \*\*([^*]+)\*\*", page, re.MULTILINE)}
    assert not sorted(each for each in (*NOUNS, *VERBS) if each.lower() not in words)


def test_every_decision_is_numbered_without_a_gap() -> None:
    numbers = [
        int(path.name[:4])
        for path in sorted((DOCS / "decisions").glob("*.md"))
        if path.name != "README.md"
    ]
    assert numbers == list(range(1, len(numbers) + 1))
