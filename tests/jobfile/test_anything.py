"""No text whatsoever makes the parser raise anything but ``InputError``."""

import string

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from suan.jobfile import Parsed, parse
from suan.jobfile.resources import RESOURCE_FIELDS
from suan.jobfile.slurm.options import OPTIONS
from suan.jobfile.task import TASK_FIELDS
from suan.model.errors import InputError

_NAMES = st.sampled_from([*TASK_FIELDS, *RESOURCE_FIELDS, "job", "condition", "<<"])
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(max_size=20),
    st.sampled_from(["A100:2", "0-9%3", "1h", "16GB", "../x", "+6h", "~nobody/x", "s3://b"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)
_YAML_LIKE = st.text(
    alphabet=string.ascii_lowercase[:4] + ":-[]{}&*!|>'\"#%@`, \n\t0?<=", max_size=60
)


def attempt(text: str | bytes) -> None:
    try:
        parsed = parse(text, base_dir="/tmp", environ={}, now=0)
    except InputError as error:
        if not (error.message and error.where):
            raise AssertionError("an error must say what and where") from error
    else:
        assert isinstance(parsed, Parsed)
        assert parsed.specs


@given(st.text())
@example("\ud800")
@example("%YAML 9.9\n---\nrun: x")
@example("run: x\n...\n...")
@example("!!python/object:os.system {}")
@example("run: !!binary aGk=")
@example("!!set {a, b}")
@example("? ? ? x")
@example("run: &a x\nname: *a\nlabels: {*a : 1}")
def test_any_text(text: str) -> None:
    attempt(text)


@given(_YAML_LIKE)
def test_any_yaml_like_text(text: str) -> None:
    attempt(text)


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    attempt(data)


@given(st.dictionaries(_NAMES, _VALUES, max_size=8))
def test_any_values_in_known_fields(document: dict[str, object]) -> None:
    attempt(yaml.safe_dump({"run": "x", **document}, allow_unicode=True))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([o.long for o in OPTIONS] + [o.short for o in OPTIONS if o.short]),
            st.sampled_from(["=", " ", ""]),
            st.text(max_size=15) | st.sampled_from(["1", "2-4", "gpu:a100:2", "999999", "4T"]),
        )
    )
)
def test_any_batch_script(options: list[tuple[str, str, str]]) -> None:
    lines = [f"#SBATCH {'--' if len(n) > 1 else '-'}{n}{sign}{value}" for n, sign, value in options]
    attempt("\n".join(["#!/bin/bash", *lines, "true"]))
