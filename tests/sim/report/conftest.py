"""One simulation for all tests of the report: it is only read."""

import pytest

from suan.sim.results import Result
from tests.browser import chromium
from tests.sim.report.generated import POLICIES, simulate

__all__ = ["chromium"]


@pytest.fixture(scope="session")
def results() -> tuple[Result, ...]:
    return tuple(simulate(policy, many=600, nodes=6) for policy in POLICIES)
