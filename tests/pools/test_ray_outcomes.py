"""How a run ended in Ray where its own words are gone, with its node."""

import pytest

from suan.model.job import Cause
from suan.pools.ray import outcomes

END = {"code": 3, "cause": "", "at": 7.0, "rank": 1}


@pytest.mark.parametrize(
    ("status", "cause", "code"),
    [
        ("SUCCEEDED", Cause.SUCCEEDED, 0),  # Ray's own word is enough
        ("FAILED", Cause.LOST, None),  # with whose exit code, nobody knows
        ("STOPPED", Cause.CANCELLED, None),
    ],
)
def test_without_its_words_rays_word_counts(status: str, cause: Cause, code: int | None) -> None:
    job = {"status": status, "message": "", "end_time": 9000}
    found = outcomes.of(job, {"started": 5.0})
    assert (found["cause"], found.get("exit_code")) == (cause, code)
    assert (found["started"], found["at"]) == (5.0, 9.0)


def test_its_own_words_come_first() -> None:
    found = outcomes.of({"status": "SUCCEEDED"}, {"started": 5.0, "end": END})
    assert (found["cause"], found["exit_code"], found["at"]) == (Cause.FAILED, 3, 7.0)
    assert found["detail"] == "task 1 exited with code 3"
