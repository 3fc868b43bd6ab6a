"""The cache: whole or not at all, on from where it broke off, and never something else."""

import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.content import manifest
from suan.content.cache import Broken, Cache, Full, Missing, long_ago
from suan.content.manifest import FOLDER, LINK, Entry

DATA = bytes(range(256)) * 40
DIGEST = manifest.digest_of(DATA)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "content"))


def keep(cache: Cache, data: bytes) -> str:
    digest = manifest.digest_of(data)
    cache.put(digest, 0, data, size=len(data))
    return digest


def test_pieces_become_whole_and_go_on_where_they_broke_off(cache: Cache) -> None:
    assert cache.missing([DIGEST]) == {DIGEST: 0}
    cache.put(DIGEST, 0, DATA[:1000], size=len(DATA))
    again = Cache(cache.directory)  # the process died
    assert again.missing([DIGEST]) == {DIGEST: 1000}
    with pytest.raises(Missing):
        again.read(DIGEST, 0, 10)
    again.put(DIGEST, 500, DATA[500:2000], size=len(DATA))  # some of it once more
    again.put(DIGEST, 2000, DATA[2000:], size=len(DATA))
    assert again.missing([DIGEST]) == {}
    assert again.read(DIGEST, 0, 1 << 20) == DATA
    assert again.read(DIGEST, 300, 5) == DATA[300:305]
    assert again.read(DIGEST, len(DATA), 5) == b""
    again.put(DIGEST, 0, b"whatever", size=len(DATA))  # it is there: no harm
    assert again.read(DIGEST, 0, 1 << 20) == DATA


def test_a_last_piece_that_was_written_and_not_recognised(cache: Cache) -> None:
    """Killed between the last byte and its check."""
    path = Path(cache.path(DIGEST))
    path.parent.mkdir(parents=True)
    path.with_name(path.name + ".part").write_bytes(DATA)
    assert cache.missing([DIGEST]) == {DIGEST: len(DATA)}
    cache.put(DIGEST, len(DATA), b"", size=len(DATA))
    assert cache.read(DIGEST, 0, 1 << 20) == DATA


@pytest.mark.parametrize("split", [len(DATA), 4000])
def test_what_is_something_else_is_refused_and_not_kept(cache: Cache, split: int) -> None:
    wrong = DATA[:-1] + b"?"
    *first, last = range(0, len(wrong), split)
    for at in first:
        cache.put(DIGEST, at, wrong[at : at + split], size=len(wrong))
    with pytest.raises(Broken, match="something else"):
        cache.put(DIGEST, last, wrong[last:], size=len(wrong))
    assert cache.missing([DIGEST]) == {DIGEST: 0}


@pytest.mark.parametrize(("offset", "size"), [(1, len(DATA)), (-1, len(DATA)), (0, 3)])
def test_pieces_that_do_not_fit(cache: Cache, offset: int, size: int) -> None:
    with pytest.raises(Broken):
        cache.put(DIGEST, offset, DATA[:100], size=size)
    assert cache.missing([DIGEST]) == {DIGEST: 0}


@pytest.mark.parametrize("name", ["", "../../etc", "A" * 64, DIGEST + "/", "0" * 63])
def test_only_digests_name_anything(cache: Cache, name: str) -> None:
    for ask in (cache.path, cache.size, lambda each: cache.missing([each])):
        with pytest.raises(Broken):
            ask(name)


def test_two_at_once_write_the_same(cache: Cache) -> None:
    other = Cache(cache.directory)
    cache.put(DIGEST, 0, DATA[:6000], size=len(DATA))
    other.put(DIGEST, 0, DATA[:3000], size=len(DATA))
    cache.put(DIGEST, 6000, DATA[6000:], size=len(DATA))
    other.put(DIGEST, 3000, DATA[3000:], size=len(DATA))
    assert other.read(DIGEST, 0, 1 << 20) == DATA


def test_its_limit_is_told_with_the_sizes(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path), limit=15_000)
    keep(cache, DATA)
    with pytest.raises(Full, match=r"holds 10,240 bytes and may hold 15,000"):
        keep(cache, DATA[::-1])
    assert cache.used() == len(DATA)


def test_a_full_disk_leaves_nothing_half_done(cache: Cache) -> None:
    """In a process that may write no file longer than 4 KiB."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            keep(cache, DATA)
        except Full as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    said = os.read(reader, 1000).decode()
    os.close(reader)
    assert "File too large" in said
    assert cache.directory in said
    assert cache.used() == 0
    assert cache.missing([DIGEST]) == {DIGEST: 0}


def test_a_folder_is_laid_out_as_its_manifest_says(cache: Cache, tmp_path: Path) -> None:
    script, text = keep(cache, b"#!/bin/sh\n"), keep(cache, "läßt".encode())
    listed = manifest.encode(
        [
            Entry("bin/run", digest=script, size=10, executable=True),
            Entry("数据/text", digest=text, size=6),
            Entry("latest", LINK, target="数据/text"),
            Entry("empty", FOLDER),
        ]
    )
    target = tmp_path / "work"
    cache.lay_out(keep(cache, listed), str(target))
    assert (target / "latest").read_text() == "läßt"
    assert os.access(target / "bin/run", os.X_OK)
    assert not os.access(target / "数据/text", os.X_OK)
    assert list((target / "empty").iterdir()) == []
    (target / "bin/run").write_text("changed")  # the run's own
    assert cache.read(script, 0, 100) == b"#!/bin/sh\n"
    cache.lay_out(manifest.digest_of(listed), str(target))  # a launch that is made again
    assert (target / "bin/run").read_text() == "#!/bin/sh\n"


def test_a_single_file_and_an_empty_folder(cache: Cache, tmp_path: Path) -> None:
    data = keep(cache, b"x")
    single = keep(cache, manifest.encode([Entry("", digest=data, size=1)]))
    empty = keep(cache, manifest.encode([]))
    cache.lay_out(single, str(tmp_path / "w"), "a/file")
    cache.lay_out(empty, str(tmp_path / "w"), "b")
    assert (tmp_path / "w/a/file").read_bytes() == b"x"
    assert list((tmp_path / "w/b").iterdir()) == []


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a/../../x", "link/x", "file/x", "file"])
def test_nothing_is_laid_out_elsewhere(cache: Cache, tmp_path: Path, name: str) -> None:
    data = keep(cache, b"x")
    tree = keep(cache, manifest.encode([Entry("evil", digest=data, size=1)]))
    work = tmp_path / "work"
    work.mkdir()
    (work / "link").symlink_to(tmp_path)
    (work / "file").write_text("")
    with pytest.raises(Broken):
        cache.lay_out(tree, str(work), name)
    assert not list(tmp_path.rglob("evil"))


def test_what_is_gone_is_told(cache: Cache, tmp_path: Path) -> None:
    listed = keep(cache, manifest.encode([Entry("a", digest=DIGEST, size=len(DATA))]))
    with pytest.raises(Missing, match=DIGEST):
        cache.lay_out(listed, str(tmp_path / "w"))
    Path(cache.path(DIGEST)).parent.mkdir()
    Path(cache.path(DIGEST)).write_bytes(b"")  # what a power failure may leave
    with pytest.raises(Missing, match="not here whole"):
        cache.lay_out(listed, str(tmp_path / "w"))


def test_what_a_job_needs_outlasts_a_sweep(cache: Cache) -> None:
    data, other = keep(cache, DATA), keep(cache, b"other")
    needed = keep(cache, manifest.encode([Entry("a", digest=data, size=len(DATA))]))
    fresh = keep(cache, b"fresh")
    for digest in (data, other, needed):
        os.utime(cache.path(digest), (1, 1))
    assert cache.sweep({needed}, long_ago(0)) == len(b"other")
    assert set(cache.missing([data, other, needed, fresh])) == {other}


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(0, 100))
def test_any_bytes_are_kept_or_missing(datas: list[bytes], cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        cache = Cache(directory)
        for data in sorted(set(datas)):
            digest, size = manifest.digest_of(data), len(data)
            at = min(cut, size)
            cache.put(digest, 0, data[:at], size=size)
            begun = cache.missing([digest]).get(digest)
            assert begun == (None if at == size else at)
            cache.put(digest, at, data[at:], size=size)
            assert cache.read(digest, 0, 100) == data
        assert cache.used() == sum(map(len, set(datas)))
