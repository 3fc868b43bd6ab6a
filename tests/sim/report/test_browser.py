"""The page in a real browser: its pictures are there, and its script runs without an error."""

import re
from pathlib import Path

import pytest

from suan.sim.report import html
from suan.sim.report.comparison import compared
from suan.sim.results import Result
from tests.browser import opened

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
USER = """
const outcome = {};
const at = (element, x, y) => element.dispatchEvent(
  new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
const tip = document.getElementById("tip");
const middle = (element) => {
  element.scrollIntoView();
  const box = element.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
};
for (const kind of ["time", "cdf"]) {
  const svg = document.querySelector("svg." + kind);
  at(svg, ...middle(svg));
  outcome[kind] = tip.hidden ? "" : tip.innerText;
  svg.dispatchEvent(new PointerEvent("pointerleave"));
  outcome[kind + "After"] = String(tip.hidden);
}
for (const [kind, part] of [["dots", ".row text"], ["gantt", "rect"]]) {
  const shape = document.querySelector("svg." + kind + " " + part);
  at(shape, ...middle(shape));
  outcome[kind] = tip.hidden ? "" : tip.innerText;
}
const line = document.querySelector(".line.s1");
document.querySelector('.key[data-policy="1"]').click();
outcome.off = getComputedStyle(line).display;
document.querySelector('.key[data-policy="1"]').click();
outcome.on = getComputedStyle(line).display;
const select = document.getElementById("group");
select.value = "tenants-0";
select.dispatchEvent(new Event("change"));
outcome.curves = [...document.querySelectorAll("svg.cdf .curves")]
  .filter((each) => getComputedStyle(each).display !== "none")
  .map((each) => each.dataset.group).join();
outcome.chosen = document.querySelector("svg.cdf").closest("figure").querySelector("p").textContent;
outcome.lit = String(document.querySelectorAll("svg.gantt rect.on.t0").length);
outcome.litOthers = String(document.querySelectorAll("svg.gantt rect.on:not(.t0)").length);
document.documentElement.dataset.outcome = JSON.stringify(outcome);
"""


def attribute(document: str, name: str) -> str | None:
    found = re.search(rf'<html[^>]* data-{name}="([^"]*)"', document)
    return found.group(1) if found else None


@pytest.fixture(scope="session")
def written(results: tuple[Result, ...]) -> str:
    return html(results, title="三种策略 <b>&</b>", notes=["注：<img src=x onerror=alert(1)>"])


def test_the_page_opens_without_an_error_and_shows_its_charts(
    chromium: str, written: str, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_text(written, encoding="utf-8")
    document, complaints = opened(chromium, page)
    assert not complaints
    assert attribute(document, "ready") == "1"
    assert attribute(document, "errors") == "0"
    assert len(re.findall(r"<svg [^>]*class=\"chart time\"", document)) == 2
    assert len(re.findall(r"<svg [^>]*class=\"chart cdf\"", document)) == 1
    assert len(re.findall(r"<svg [^>]*class=\"chart gantt", document)) == 3
    assert len(re.findall(r"<svg [^>]*class=\"chart dots\"", document)) == 4
    assert "三种策略 &lt;b&gt;&amp;&lt;/b&gt;" in document


def test_a_script_that_is_not_the_pages_own_does_not_run_and_is_counted(
    chromium: str, written: str, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    strange = "<script>document.documentElement.dataset.strange = '1'</script></body>"
    page.write_text(written.replace("</body>", strange), encoding="utf-8")
    document, complaints = opened(chromium, page)
    assert attribute(document, "strange") is None
    assert attribute(document, "errors") != "0"
    assert "Content Security Policy" in complaints


def test_choosing_and_hovering(
    chromium: str, written: str, results: tuple[Result, ...], tmp_path: Path
) -> None:
    import html as entities
    import json

    page = tmp_path / "report.html"
    driven = POLICY.sub("", written).replace("</body>", f"<script>{USER}</script></body>")
    page.write_text(driven, encoding="utf-8")
    document, complaints = opened(chromium, page)
    assert not complaints
    assert attribute(document, "errors") == "0"
    outcome = json.loads(entities.unescape(attribute(document, "outcome") or "{}"))
    for kind in ("time", "cdf", "dots"):
        assert all(policy in outcome[kind] for policy in ("fifo", "sjf", "sjf × size"))
    assert outcome["gantt"].startswith("job-")
    assert outcome["timeAfter"] == outcome["cdfAfter"] == "true"
    assert (outcome["off"], outcome["on"]) == ("none", "inline")
    assert outcome["curves"] == "tenants-0"
    assert outcome["chosen"].endswith(f": jobs of {compared(results, 'tenants')[0].name}")
    assert int(outcome["lit"]) > 0
    assert outcome["litOthers"] == "0"
