"""What is shown of what was decided: nothing is lost on the way."""

from suan.api.views import explanation_view, time_of
from suan.model.plan import Explanation
from suan.model.refusal import Refusal, RefusalCode
from suan.model.units import JobId, PoolName


def test_a_refusal_is_shown_with_all_that_it_says() -> None:
    refusal = Refusal(
        RefusalCode.BEHIND_EARLIER_JOB,
        PoolName("lab"),
        "n1 is kept for job a",
        "that job has started",
        preemption_helps=True,
        behind=JobId("a"),
        until=1_700_000_000_000_000,
    )
    explained = Explanation(JobId("b"), "pending", "It waits.", (refusal,))
    (shown,) = explanation_view(explained, {}).refusals
    assert {name: getattr(shown, name) for name in Refusal.__slots__} == {
        name: getattr(refusal, name) for name in Refusal.__slots__
    } | {"until": time_of(1_700_000_000_000_000)}
