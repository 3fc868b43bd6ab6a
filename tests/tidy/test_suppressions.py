"""A suppression names the rule it suppresses and says why."""

import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.tidy.tree import name, repository_files, text

SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|mypy:|pragma:|ruff:|pylint:)")
NAMES_A_RULE = re.compile(
    r"#\s*(?:(?:ruff:\s*)?noqa:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*"
    r"|type:\s*ignore\[[a-z, -]+\]|(?:mypy|pragma|pylint):\s*\S+)"
    r"(?:[\s:,;#–—(-]+(?P<reason>.*\w.*))?"
)
LEAST_REASON = 8


def comments(source: str) -> Iterator[tuple[int, str, bool]]:
    """Each comment with its line, and whether a comment stands on the line before."""
    before = -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string, before == token.start[0] - 1
            before = token.start[0]


def ill_said(comment: str, *, explained: bool = False) -> bool:
    """Whether it suppresses without naming a rule, or without a reason there or just above."""
    if not SUPPRESSION.search(comment):
        return False
    match = NAMES_A_RULE.search(comment)
    if match is None:
        return True
    return not explained and len((match["reason"] or "").strip()) < LEAST_REASON


def test_every_suppression_names_its_rule_and_its_reason() -> None:
    """In tests, which hand wrong types over on purpose, the rule alone is enough."""
    bad = [
        f"{name(path)}:{line}: {comment}"
        for path in repository_files()
        if path.suffix == ".py"
        for line, comment, explained in comments(text(path))
        if ill_said(comment, explained=explained or "tests" in path.parts)
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(
    ("comment", "bad"),
    [
        ("# noqa" + ": BLE001 - the loop's one boundary", False),
        ("# type: " + "ignore[misc]  # psycopg has no stubs for it", False),
        ("# noqa" + ": E501, S608 the table's name is ours", False),
        ("# noqa", True),
        ("# noqa" + ": BLE001", True),
        ("# type: " + "ignore", True),
        ("# type: " + "ignore[misc]", True),
        ("# an ordinary remark", False),
    ],
)
def test_the_pattern_knows_good_from_bad(comment: str, bad: bool) -> None:
    assert ill_said(comment) == bad


def test_a_reason_may_stand_on_the_line_above() -> None:
    source = "# Plain paths start faster.\n# ruff: " + "noqa: PTH118\n"
    assert [ill_said(text, explained=above) for _, text, above in comments(source)] == [False] * 2
    assert ill_said("# type: " + "ignore", explained=True)
