"""The Gantt is whole up to where it ends."""

from hypothesis import given
from hypothesis import strategies as st

from suan.sim.results import Recorder
from suan.sim.results.spans import Span, Spans

runs = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), max_size=40)


@given(runs, st.integers(1, 10))
def test_every_run_that_began_before_the_end_of_the_picture_is_in_it(
    told: list[tuple[int, int]], limit: int
) -> None:
    spans = Spans(limit)
    made = [
        Span(f"j{at}", "p", "n", began, began + ran, "t") for at, (began, ran) in enumerate(told)
    ]
    made.sort(key=lambda span: span.until)
    for each in made:
        spans.add(each)
    gantt = spans.gantt()
    inside = {span.job for span in made if span.began < gantt.until}
    kept = {span.job for span in gantt.spans}
    assert kept <= inside
    assert len(kept) <= 2 * limit
    assert gantt.cut or kept == inside


def test_a_recorder_keeps_the_first_runs() -> None:
    recorder = Recorder("x")
    for at in range(3000):
        recorder.ran(f"j{at}", "p", f"n{at % 3}", began=at, until=at + 2, tenant="t")
    gantt = recorder.result().gantt
    assert (gantt.start, gantt.until, gantt.cut) == (0, 2001, False)
    assert len(gantt.spans) == 2001
    assert [span.node for span in gantt.spans] == sorted(span.node for span in gantt.spans)
