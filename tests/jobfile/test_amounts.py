"""Amounts by kind: what people write for quotas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suan.jobfile.amounts import format_amounts, model_of, parse_amounts


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("A100=8,cpu=64,memory=512GB", (("A100-80GB", 8000), ("cpu", 64_000), ("memory", 524_288))),
        (" cpus = 0.5 , mem=100MiB", (("cpu", 500), ("memory", 100))),
        ("nvidia h100-80gb=0", (("H100", 0),)),
        ("toy card=2", (("TOY-CARD", 2000),)),
        ("none", ()),
        ("", ()),
    ],
)
def test_amounts_are_read(text: str, amounts: tuple) -> None:
    assert parse_amounts(text) == amounts
    assert parse_amounts(format_amounts(amounts)) == amounts


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("cpu", "KIND=AMOUNT"),
        ("=4", "KIND=AMOUNT"),
        ("cpu=4,", "KIND=AMOUNT"),
        ("cpu=4,cpus=5", "twice"),
        ("A100=1,A100-80GB=1", "twice"),
        ("cpu=many", "many"),
        ("memory=8 apples", "memory"),
        ("A100=1.0001", "thousandth"),
        ("A100=-1", "number of A100-80GB"),
        ("gpu=4", "any accelerator"),
        ("*=4", "any accelerator"),
        ("a:b=4", "accelerator's name"),
    ],
)
def test_what_is_no_amount_is_said(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word.replace("*", r"\*")):
        parse_amounts(text)


def model(name: str) -> str | None:
    try:
        return model_of(name)
    except ValueError:
        return None


MODELS = st.text(max_size=12).map(model).filter(lambda name: name is not None)
KINDS = st.one_of(st.sampled_from(("cpu", "memory")), MODELS)


@given(st.dictionaries(KINDS, st.integers(0, 2**40)))
def test_what_is_written_reads_the_same(amounts: dict[str, int]) -> None:
    pairs = tuple(sorted(amounts.items()))
    assert parse_amounts(format_amounts(pairs)) == pairs
