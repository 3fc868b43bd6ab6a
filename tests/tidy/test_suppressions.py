"""A suppression names the rule it suppresses and says why."""

import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.tidy.tree import name, repository_files, text

SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|mypy:|pragma:|ruff:|fmt:|pylint:)")
WELL_SAID = re.compile(
    r"#\s*(?:(?:noqa:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*|type:\s*ignore\[[a-z, -]+\])"
    r"|(?:mypy|pragma|ruff|fmt|pylint):\s*\S+)"
    r"[\s:,;#–—(-]+(?P<reason>.*\w.*)"
)
LEAST_REASON = 8


def comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def ill_said(comment: str) -> bool:
    if not SUPPRESSION.search(comment):
        return False
    match = WELL_SAID.search(comment)
    return match is None or len(match["reason"].strip()) < LEAST_REASON


def test_every_suppression_names_its_rule_and_its_reason() -> None:
    bad = [
        f"{name(path)}:{line}: {comment}"
        for path in repository_files()
        if path.suffix == ".py"
        for line, comment in comments(text(path))
        if ill_said(comment)
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
