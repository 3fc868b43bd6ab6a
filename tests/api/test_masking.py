"""The masker against a naive reference, wherever the chunks end."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from suan.api.masking import Masker

letters = st.sampled_from([b"a", b"b", b"\n", b"\xff", b"\x00"])
texts = st.lists(letters, max_size=40).map(b"".join)
secrets = st.lists(st.lists(letters, min_size=1, max_size=6).map(b"".join), max_size=4)
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=40)


def naive(text: bytes, hidden: list[bytes]) -> bytes:
    if not hidden:
        return text
    return re.sub(b"|".join(map(re.escape, sorted(hidden, key=len, reverse=True))), b"***", text)


def cut(text: bytes, lengths: list[int]) -> list[bytes]:
    pieces = []
    for length in lengths:
        pieces.append(text[:length])
        text = text[length:]
    return [*pieces, text]


@settings(deadline=None, max_examples=400)
@given(texts, secrets, sizes)
def test_masks_as_if_the_stream_were_one_piece(
    text: bytes, hidden: list[bytes], lengths: list[int]
) -> None:
    masker = Masker(hidden)
    shown = b"".join(map(masker.feed, cut(text, lengths))) + masker.finish()
    assert shown == naive(text, hidden)


@settings(deadline=None, max_examples=200)
@given(texts, secrets, st.integers(0, 40), st.integers(0, 40))
def test_no_range_shows_a_part_of_a_secret(
    text: bytes, hidden: list[bytes], one: int, other: int
) -> None:
    """Whoever reads byte by byte learns nothing that the whole would not show."""
    first, last = sorted((min(one, len(text)), min(other, len(text))))
    position = max(0, first - Masker(hidden).overlap)
    masker = Masker(hidden, position=position, first=first, last=last)
    shown = masker.feed(text[position : last + masker.overlap]) + masker.finish()
    assert not any(secret in shown for secret in hidden if b"*" not in secret)
    for match in re.finditer(b"|".join(map(re.escape, hidden)) or b"(?!)", text):
        if match.start() < first < match.end() or match.start() < last < match.end():
            assert b"***" in shown or first == last


def test_keeps_nothing_back_that_begins_no_secret() -> None:
    assert Masker([b"hunter2"]).feed(b"password? ") == b"password? "


def test_keeps_back_only_what_may_begin_a_secret() -> None:
    masker = Masker([b"hunter2"])
    assert masker.feed(b"it is hunt") == b"it is "
    assert masker.feed(b"er2!") == b"***!"


def test_an_empty_secret_hides_nothing() -> None:
    masker = Masker([b""])
    assert masker.feed(b"plain") + masker.finish() == b"plain"
