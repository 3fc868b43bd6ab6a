"""How a Slurm run ended, from the files that its keeper left and the state that Slurm tells."""

from pathlib import Path

import pytest

from suan.pools.slurm.login import outcomes
from suan.pools.slurm.login.attempts import Attempts

GANG = {"tasks": 2, "limit": 0}
TIMES = "0m0.1s 0m0.1s\n0m0.1s 0m0.1s\n"


@pytest.fixture
def attempts(tmp_path: Path) -> Attempts:
    return Attempts(str(tmp_path))


def test_a_gang_none_of_whose_tasks_failed_was_not_seen_through(attempts: Attempts) -> None:
    attempts.write("end", 1, TIMES + "end 1 10.5 -\n")
    Path(attempts.path("slurm.out")).write_text("srun: error: Unable to create step for job 9\n")
    told = outcomes.of_keeper(attempts, 1, GANG)
    assert told is not None
    assert told["cause"] == "lost"
    assert "Unable to create step" in told["detail"]


def test_a_gang_one_of_whose_tasks_failed_has_failed(attempts: Attempts) -> None:
    attempts.write("end", 1, TIMES + "end 3 10.5 -\n")
    attempts.write("task-1.end", 1, TIMES + "end 3 10.4 -\n")
    told = outcomes.of_keeper(attempts, 1, GANG)
    assert told is not None
    assert (told["cause"], told["exit_code"]) == ("failed", 3)
    assert told["detail"] == "task 1 exited with code 3"


@pytest.mark.parametrize(
    ("state", "cause"), [(outcomes.NEVER_BEGUN, "unlaunched"), ("CANCELLED", "cancelled")]
)
def test_what_slurm_could_not_begin_was_not_cancelled(
    attempts: Attempts, state: str, cause: str
) -> None:
    assert outcomes.of_slurm(attempts, 1, state=state, reason="None")["cause"] == cause
