"""The page: well formed, harmless whatever its names are, and the same each time."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.sim.report import html, markup
from suan.sim.results import Recorder, Result
from tests.sim.report.generated import simulate
from tests.sim.results.drawing import ended

VOID = {"meta"}


class Reader(HTMLParser):
    """Keeps what elements there are, and that each is closed where it must be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def named(word: str) -> Result:
    """A result in which everything a user may name is called ``word``."""
    recorder = Recorder(word)
    recorder.changed(0, pending=1, running=0, cpu_milli=0, accelerators_milli=0)
    recorder.changed(10**9, pending=0, running=0, cpu_milli=0, accelerators_milli=0)
    recorder.ran(word, word, word, began=0, until=10**9, tenant=word)
    recorder.ended(ended(served=10**9, tenant=word, pool=word)._replace(job=word, name=word))
    recorder.ended(ended(served=10**9, tenant="other", pool="other"))
    return recorder.result()


@pytest.fixture(scope="module")
def page(results: tuple[Result, ...]) -> str:
    return html(results, title="三种策略", notes=["600 jobs", "seed 7"])


def test_a_page_is_well_formed_and_asks_for_nothing(page: str) -> None:
    reader = read(page)
    assert reader.seen.count("script") == 2
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(reader.seen)
    assert not {"src", "href", "srcset"} & {name for name, _ in reader.attributes}
    assert "http" not in re.sub(r'http-equiv="Content', "", page)
    assert "url(" not in page
    assert "@import" not in page


def test_every_picture_says_what_it_is_and_has_its_numbers(page: str) -> None:
    reader = read(page)
    pictures = reader.seen.count("svg")
    assert pictures > 10
    assert page.count('role="img"') == pictures
    assert len(re.findall(r"<svg[^>]*><title>[^<]+</title><desc>[^<]+</desc>", page)) == pictures
    assert reader.seen.count("details") == pictures - page.count("chart small")


def test_the_figures_stand_in_the_page(page: str, results: tuple[Result, ...]) -> None:
    words = " ".join(read(page).words)
    for result in results:
        assert f"{result.overall.mean_wait / 10**6:,.2f}" in words
        assert f"{100 * result.utilisation:.1f} %" in words


def test_a_tenant_called_script_is_only_a_name(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@settings(deadline=None, max_examples=60)
@given(
    st.one_of(
        st.text(min_size=1, max_size=30),
        st.sampled_from(
            [
                "</script><script>alert(1)</script>",
                '"><svg onload=alert(1)>',
                "<!--",
                "]]>",
                "' onmouseover='alert(1)",
                "\x00\x1b[31m\ud800",
                "a\tb\nc",
                "算力\u202egnp",
            ]
        ),
    )
)
def test_no_name_changes_what_a_page_is_made_of(word: str) -> None:
    plain, strange = (
        read(html([named(each)] * 2, title=each, notes=[each])) for each in ("zzz", word)
    )
    assert sorted(strange.seen) == sorted(plain.seen)
    assert {name for name, _ in strange.attributes} <= {name for name, _ in plain.attributes} | {
        "lang"
    }


@given(st.text(max_size=50))
def test_data_for_the_script_is_read_back_and_cannot_end_its_block(word: str) -> None:
    written = markup.data({"word": word})
    assert not set("<>&") & set(written)
    assert json.loads(written) == {"word": word}


def test_chinese_text_is_marked_as_such() -> None:
    assert markup.name("视觉组") == '<bdi lang="zh">视觉组</bdi>'
    assert markup.name("vision") == "<bdi>vision</bdi>"


def test_nothing_simulated_is_still_a_page() -> None:
    reader = read(html([Recorder("fifo").result()], title="empty"))
    assert "svg" in reader.seen


def test_many_policies_and_tenants_fit() -> None:
    result = simulate("fifo", many=200, nodes=4, tenants=60)
    page = html([result] * 10, title="ten policies")
    assert "40 others" in page or "others" in page
    assert "s9" in page
    read(page)


def test_the_same_results_give_the_same_bytes_whatever_the_hash_seed() -> None:
    program = """
import hashlib
from suan.sim.report import html, table
from tests.sim.report.generated import POLICIES, simulate
results = [simulate(policy, many=150, nodes=4) for policy in POLICIES]
written = html(results, title="t", notes=["n"]) + table(results)
print(hashlib.sha256(written.encode()).hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(digests) == 1
