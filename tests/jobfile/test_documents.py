"""Several jobs in one file."""

import pytest

from suan.jobfile import JobFileError, Parsed, parse
from suan.model.spec import After


def read(text: str) -> Parsed:
    return parse(text, filename="p.yaml")


def test_documents_are_jobs_tied_by_name() -> None:
    parsed = read("name: a\nrun: x\n---\nname: b\nrun: y\nafter: a\n---\nrun: z\n")
    assert [spec.name for spec in parsed.specs] == ["a", "b", "p-3"]
    assert [spec.after for spec in parsed.specs] == [(), (After("a"),), ()]
    assert not parsed.warnings


def test_a_first_document_with_only_a_name_makes_a_pipeline() -> None:
    parsed = read("name: line\n---\nname: a\nrun: x\n---\nname: b\nrun: y\n---\nname: c\nrun: z\n")
    assert [spec.after for spec in parsed.specs] == [(), (After("a"),), (After("b"),)]
    assert {spec.labels["pipeline"] for spec in parsed.specs} == {"line"}


def test_a_parallel_group_waits_for_nothing() -> None:
    parsed = read("name: g\nexecution: parallel\n---\nrun: x\n---\nrun: y\n")
    assert [spec.after for spec in parsed.specs] == [(), ()]


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("name: a\nrun: x\nafter: a\n", "p.yaml:3:8", "jobs wait for each other: a -> a"),
        (
            "name: a\nrun: x\nafter: b\n---\nname: b\nrun: x\nafter: a\n",
            "p.yaml:3:8",
            "jobs wait for each other",
        ),
        (
            "name: a\nrun: x\n---\nname: a\nrun: x\n---\nname: c\nrun: x\nafter: a\n",
            "p.yaml:1:7",
            "2 jobs are named 'a'",
        ),
        ("name: g\nexecution: maybe\n---\nrun: x\n", "p.yaml:1:1", "must be serial or parallel"),
        ("run: x\n---\nrun: y\n  z: 1\n", "p.yaml:4:4", "not valid YAML"),
        ("run: x\n---\nnum_nodes: z\n", "p.yaml:3:1", "run is missing"),
    ],
)
def test_errors_over_documents(text: str, where: str, says: str) -> None:
    with pytest.raises(JobFileError) as caught:
        read(text)
    assert caught.value.where == where
    assert says in caught.value.message


def test_an_unknown_dependency_warns_with_a_near_miss() -> None:
    (warning,) = read("name: train\nrun: x\n---\nname: b\nrun: y\nafter: trian\n").warnings
    assert str(warning) == (
        "p.yaml:6:8: after: no job of this file is named 'trian' (did you mean train?)"
    )
    assert not read("run: x\nafter: 0123456789ab-7\n").warnings
