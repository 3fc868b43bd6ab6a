"""Packing: the same folder gives the same manifest, and nothing outside it is in it."""

import os
import random
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.content import manifest, packing
from suan.content.cache import Cache
from suan.content.packing import Packed, pack
from suan.model.errors import InputError

part = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1,
               max_size=6).filter(lambda text: text not in (".", "..", ".git", ".gitignore",
               ".skyignore") and len(text.encode()) < 100)  # fmt: skip
trees = st.recursive(
    st.binary(max_size=40), lambda inner: st.dictionaries(part, inner, max_size=4), max_leaves=12
).filter(lambda tree: isinstance(tree, dict))


def grow(folder: Path, tree: dict, *, shuffled: random.Random | None = None) -> None:
    folder.mkdir()
    items = list(tree.items())
    if shuffled:
        shuffled.shuffle(items)
    for name, what in items:
        if isinstance(what, dict):
            grow(folder / name, what, shuffled=shuffled)
        else:
            (folder / name).write_bytes(what)


def shape(folder: Path) -> dict:
    return {
        each.name: shape(each) if each.is_dir() else each.read_bytes() for each in folder.iterdir()
    }


def laid_out(packed: Packed, target: Path, store: Path) -> Path:
    cache = Cache(str(store))
    for digest, (file, size) in packed.files.items():
        cache.put(digest, 0, file.read_bytes(), size=size)
    cache.put(packed.digest, 0, packed.manifest, size=len(packed.manifest))
    cache.lay_out(packed.digest, str(target))
    return target


def listed(packed: Packed) -> list[str]:
    return [entry.path for entry in manifest.decode(packed.manifest)]


@given(trees, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_a_folder_comes_out_as_it_went_in(tree: dict, order: random.Random) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        grow(place / "one", tree)
        grow(place / "two", tree, shuffled=order)  # other times, other order, another place
        first = pack(place / "one")
        assert pack(place / "two").manifest == first.manifest
        assert shape(laid_out(first, place / "out", place / "store")) == tree
        assert pack(place / "out").digest == first.digest
        assert first.left_out == ()


def test_what_is_edited_alone_is_new(tmp_path: Path) -> None:
    grow(tmp_path / "w", {f"{i}.py": b"%d" % i for i in range(20)})
    before = pack(tmp_path / "w")
    (tmp_path / "w" / "7.py").write_bytes(b"seven")
    after = pack(tmp_path / "w")
    assert set(after.files) - set(before.files) == {manifest.digest_of(b"seven")}
    assert after.digest != before.digest


def test_times_and_modes_but_for_executing_do_not_count(tmp_path: Path) -> None:
    grow(tmp_path / "w", {"a": b"x"})
    before = pack(tmp_path / "w").digest
    os.utime(tmp_path / "w/a", (1, 1))
    (tmp_path / "w/a").chmod(0o600)
    assert pack(tmp_path / "w").digest == before
    (tmp_path / "w/a").chmod(0o700)
    assert pack(tmp_path / "w").digest != before


def test_links_within_stay_links_and_others_are_told(tmp_path: Path) -> None:
    grow(tmp_path / "w", {"a": {"b": b"x"}})
    (tmp_path / "secret").write_text("outside")
    for name, target in {
        "a/in": "b", "up": "a/b", "out": "../secret", "far": "/etc/passwd", "a/out": "../../secret",
    }.items():  # fmt: skip
        (tmp_path / "w" / name).symlink_to(target)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "w/socket"))
        os.mkfifo(tmp_path / "w/pipe")
        packed = pack(tmp_path / "w")
    assert listed(packed) == ["a/b", "a/in", "up"]
    assert b"outside" not in [file.read_bytes() for file, _ in packed.files.values()]
    assert sorted(each.partition(" ")[0] for each in packed.left_out) == [
        "a/out", "far", "out", "pipe", "socket",
    ]  # fmt: skip
    out = laid_out(packed, tmp_path / "out", tmp_path / "store")
    assert (out / "up").readlink() == Path("a/b")
    assert (out / "a/in").read_bytes() == b"x"


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    os.close(os.open(os.fsencode(tmp_path / "w") + b"/\xff\xfe", os.O_CREAT))
    out = laid_out(pack(tmp_path / "w"), tmp_path / "out", tmp_path / "store")
    assert [os.fsencode(each.name) for each in out.iterdir()] == [b"\xff\xfe"]


def test_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert listed(pack(tmp_path / "model.bin")) == [""]


IGNORED = {
    ".gitignore": b"*.log\n/build/\n!keep.log\n# a comment\n\ndata/**/big\n",
    "train.py": b"",
    "a.log": b"",
    "keep.log": b"",
    "build": {"x": b""},
    "src": {"build": {"y": b""}, "b.log": b"", ".gitignore": b"!b.log\nlocal\n", "local": b""},
    "data": {"1": {"2": {"big": b"", "small": b""}}},
}


def test_gitignore_as_git_has_it(tmp_path: Path) -> None:
    grow(tmp_path / "w", IGNORED)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "w", check=True)
    (tmp_path / "w/.git/info/exclude").write_text("train.py\n")
    told = subprocess.run(
        ["git", "ls-files", "-o", "--exclude-standard", "-z"],
        cwd=tmp_path / "w", check=True, capture_output=True, text=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
    ).stdout  # fmt: skip
    kept = listed(pack(tmp_path / "w"))
    assert kept == sorted(told.rstrip("\0").split("\0"))
    assert "src/build/y" in kept
    assert "train.py" not in kept


def test_skyignore_stands_in_for_gitignore(tmp_path: Path) -> None:
    grow(tmp_path / "w", IGNORED | {".skyignore": b"data\nsrc/local\n", ".git": {"HEAD": b""}})
    assert listed(pack(tmp_path / "w")) == [
        ".gitignore", ".skyignore", "a.log", "build/x", "keep.log", "src/.gitignore", "src/b.log",
        "src/build/y", "train.py",
    ]  # fmt: skip


def test_more_than_anybody_means_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(tmp_path / "home", {"film": b"x" * 2000, "notes": b""})
    monkeypatch.setattr(packing, "MOST_BYTES", 1000)
    monkeypatch.setattr(packing, "_hash", lambda file: pytest.fail(f"{file} was read"))
    with pytest.raises(InputError, match="has more than") as refused:
        pack(tmp_path / "home")
    assert ".skyignore" in refused.value.mend


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing cannot be read: No such file"):
        pack(tmp_path / "nothing")
    grow(tmp_path / "w", {"a": b""})
    (tmp_path / "w/loop").symlink_to("loop")
    assert listed(pack(tmp_path / "w")) == ["a", "loop"]
    shutil.rmtree(tmp_path / "w")
