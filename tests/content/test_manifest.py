"""Manifests: the same for the same content, and nothing in them leads outside."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.content import manifest
from suan.content.manifest import FOLDER, LINK, Entry

DIGEST = manifest.digest_of(b"x")
names = st.text(min_size=1, max_size=8).filter(
    lambda text: "/" not in text and "\0" not in text and text not in (".", "..")
)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
surrogates = st.binary(min_size=1, max_size=8).map(os.fsdecode)


@given(st.dictionaries(paths, st.integers(0, 9), max_size=8), st.randoms())
def test_the_order_of_entries_does_not_matter(sizes: dict[str, int], random) -> None:
    entries = [Entry(path, digest=DIGEST, size=size) for path, size in sizes.items()]
    try:
        first = manifest.encode(entries)
    except ValueError:
        return  # one path is below another, which is a file
    random.shuffle(entries)
    assert manifest.encode(entries) == first
    assert manifest.decode(first) == sorted(entries)


@given(surrogates)
def test_names_of_any_bytes_come_back(name: str) -> None:
    if "/" in name or "\0" in name or name in (".", ".."):
        return
    entry = Entry(name, digest=DIGEST, size=1, executable=True)
    assert manifest.decode(manifest.encode([entry])) == [entry]
    assert os.fsencode(manifest.decode(manifest.encode([entry]))[0].path) == os.fsencode(name)


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("/etc/passwd", digest=DIGEST)],
        [Entry("../up", digest=DIGEST)],
        [Entry("a/../../up", digest=DIGEST)],
        [Entry("a//b", digest=DIGEST)],
        [Entry("./a", digest=DIGEST)],
        [Entry("a\0", digest=DIGEST)],
        [Entry("a", digest=DIGEST), Entry("a", digest=DIGEST)],
        [Entry("a", digest=DIGEST), Entry("a/b", digest=DIGEST)],
        [Entry("a", LINK, target="b"), Entry("a/c", digest=DIGEST)],
        [Entry("a", LINK, target="/etc")],
        [Entry("a", LINK, target="..")],
        [Entry("a/b", LINK, target="../../x")],
        [Entry("a", LINK, target="b/..")],
        [Entry("a", LINK, target="")],
        [Entry("", FOLDER)],
        [Entry("", digest=DIGEST), Entry("a", digest=DIGEST)],
    ],
)
def test_what_leads_elsewhere_is_refused_both_ways(entries: list[Entry]) -> None:
    with pytest.raises(ValueError, match=r"."):
        manifest.encode(entries)
    plain = manifest.encode([])
    listed = b",".join(_plain(entry) for entry in entries)
    with pytest.raises(ValueError, match=r"."):
        manifest.decode(plain.replace(b"[]", b"[%s]" % listed))


def _plain(entry: Entry) -> bytes:
    import json

    told = {"path": entry.path}
    if entry.kind == LINK:
        told["link"] = entry.target
    elif entry.kind != FOLDER:
        told |= {"file": entry.digest, "size": entry.size}
    return json.dumps(told).encode()


@given(st.binary(max_size=60))
def test_any_other_bytes_are_no_manifest(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        manifest.decode(data)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"version":2,"entries":[]}',
        '{"version":1,"entries":[{"path":1,"file":"x","size":1}]}',
        '{"version":1,"entries":[{"path":"a","file":"x","size":1}]}',
        '{"version":1,"entries":[{"path":"a","file":"D","size":-1}]}'.replace("D", DIGEST),
        '{"version":1,"entries":[{"path":"a","file":"D","size":true}]}'.replace("D", DIGEST),
        '{"version":1,"entries":[["a"]]}',
        "[" * 100_000,
    ],
)
def test_json_that_is_none_either(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        manifest.decode(text.encode())


def test_links_within_are_kept(tmp_path: Path) -> None:
    entries = [Entry("a/b", LINK, target="../c"), Entry("c", digest=DIGEST, size=1)]
    assert manifest.decode(manifest.encode(entries)) == entries
