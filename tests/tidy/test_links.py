"""Every link in a Markdown file leads somewhere: to a file, and to a heading in it."""

import re
from pathlib import Path

import pytest

from tests.tidy.tree import CODE, FENCE, name, repository_files, text

LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def pages() -> list[Path]:
    return [path for path in repository_files() if path.suffix == ".md"]


def targets(markdown: str) -> list[str]:
    """The links outside code."""
    return LINK.findall(CODE.sub("", FENCE.sub("", markdown)))


def anchors(markdown: str) -> set[str]:
    """The ids that GitHub gives to the headings."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", markdown)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        repeat = sum(1 for each in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", each))
        found.add(f"{slug}-{repeat}" if repeat else slug)
    return found


def dead(page: Path) -> list[str]:
    bad = []
    for target in targets(text(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists() or (
            anchor and path.suffix == ".md" and anchor not in anchors(text(path))
        ):
            bad.append(target)
    return bad


def test_every_link_resolves() -> None:
    assert not {name(page): bad for page in pages() if (bad := dead(page))}


def test_every_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    docs = {page.resolve() for page in pages() if "docs" in page.parts}
    index = next(page for page in docs if page.name == "README.md" and page.parent.name == "docs")
    seen, waiting = {index}, [index]
    while waiting:
        page = waiting.pop()
        for target in targets(text(page)):
            reached = (page.parent / target.partition("#")[0]).resolve()
            if reached in docs and reached not in seen:
                seen.add(reached)
                waiting.append(reached)
    assert not sorted(name(page) for page in docs - seen)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("[a](b.md) and [c](d.md#e)", ["b.md", "d.md#e"]),
        ("`[a](b.md)`", []),
        ("```\n[a](b.md)\n```\n[c](d)", ["d"]),
        ("[![badge](x.svg)](y.md)", ["y.md"]),
    ],
)
def test_links_are_found_outside_code_alone(markdown: str, expected: list[str]) -> None:
    assert targets(markdown) == expected


def test_anchors_are_those_of_the_headings() -> None:
    assert anchors("# One `two`\n## The bill: a\n### A-b\n## One two\n") == {
        "one-two",
        "the-bill-a",
        "a-b",
        "one-two-1",
    }
