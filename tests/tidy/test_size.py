"""The size budgets.

A function's length is the lines from ``def`` to its end without its docstring; a file's is every
line. Tables and migrations are exempt by name.
"""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.tree import modules, name, syntax, text

MEDIAN_FUNCTION, MAX_FUNCTION = 10, 60
MEDIAN_FILE, MAX_FILE = 200, 600
MAX_PARAMETERS, MAX_POSITIONAL = 6, 3

EXEMPT_FOLDERS = ("migrations", "tables")
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}

# name → why it may have more positional parameters than the house allows
POSITIONAL_EXEMPT = {
    "acquire": "Leases.acquire (model/store.py): who, where, when, how long; fixed by the protocol",
}
FRAMEWORKS = ("click.", "router.", ".command(", ".group(")  # these call by name, whatever the order

Function = ast.FunctionDef | ast.AsyncFunctionDef


def measured() -> list[Path]:
    return [path for path in modules() if not set(EXEMPT_FOLDERS) & set(path.parts)]


def functions() -> Iterator[tuple[Path, Function]]:
    for path in measured():
        for node in ast.walk(syntax(path)):
            if isinstance(node, Function):
                yield path, node


def length(node: Function) -> int:
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def parameters(node: Function) -> tuple[int, int]:
    """All parameters, and the positional ones, without ``self`` and ``cls``."""
    positional = [a.arg for a in node.args.posonlyargs + node.args.args]
    if positional[:1] in (["self"], ["cls"]):
        positional = positional[1:]
    return len(positional) + len(node.args.kwonlyargs), len(positional)


def called_by_name(node: Function) -> bool:
    decorators = " ".join(ast.unparse(each) for each in node.decorator_list)
    return node.name in POSITIONAL_EXEMPT or any(word in decorators for word in FRAMEWORKS)


def where(path: Path, node: Function) -> str:
    return f"{name(path)}:{node.lineno} {node.name}"


def test_functions_are_short() -> None:
    lengths = {where(path, node): length(node) for path, node in functions()}
    too_long = {each: lines for each, lines in lengths.items() if lines > MAX_FUNCTION}
    assert not too_long
    assert statistics.median(lengths.values()) <= MEDIAN_FUNCTION


def test_files_are_short() -> None:
    lengths = {name(path): len(text(path).splitlines()) for path in measured()}
    too_long = {each: lines for each, lines in lengths.items() if lines > MAX_FILE}
    assert not too_long
    assert statistics.median(lengths.values()) <= MEDIAN_FILE


def test_functions_take_few_parameters_and_name_those_past_the_third() -> None:
    too_many = [
        where(path, node)
        for path, node in functions()
        if parameters(node)[0] > MAX_PARAMETERS
        or (parameters(node)[1] > MAX_POSITIONAL and not called_by_name(node))
    ]
    assert not too_many


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(a, b): pass", (1, (2, 2))),
        ('def f(self, a, *, b):\n    """Says\n    much."""\n    return a', (2, (2, 1))),
        ("@decorated\nasync def f():\n    x = 1\n\n    return x", (4, (0, 0))),
    ],
)
def test_the_measures_count_what_they_say(source: str, expected: tuple[object, object]) -> None:
    node = ast.parse(source).body[0]
    assert isinstance(node, Function)
    assert (length(node), parameters(node)) == expected


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = [
        name(path)
        for path in modules()
        if FORBIDDEN_NAMES & {path.stem.strip("_"), path.parent.name}
    ]
    assert not vague


def test_every_package_states_its_contract() -> None:
    silent = [
        name(path)
        for path in modules()
        if path.name == "__init__.py"
        and "migrations" not in path.parts
        and not (ast.get_docstring(syntax(path)) or "").strip()
    ]
    assert not silent
