"""Jobs that have left, as a test draws them."""

from hypothesis import strategies as st

from suan.sim.results import Ended

DAY = 86_400_000_000


def ended(
    at: int = 0,
    *,
    submitted: int = 0,
    waited: int = 0,
    served: int = 1_000_000,
    lost: int = 0,
    cpu_milli: int = 1000,
    accelerators_milli: int = 0,
    tenant: str = "t",
    priority: int = 0,
    pool: str | None = "p",
    ran: bool = True,
    state: str = "succeeded",
    preempted: int = 0,
    deadline: int | None = None,
) -> Ended:
    """A job whose name is its place in the trace."""
    return Ended(
        job=f"j{at}",
        line=at,
        name=f"n{at}",
        user="u",
        tenant=tenant,
        queue="default",
        priority=priority,
        pool=pool if ran else None,
        tasks=1,
        cpu_milli=cpu_milli,
        accelerators_milli=accelerators_milli,
        submitted=submitted,
        started=submitted + waited if ran else None,
        ended=submitted + waited + (served if ran else 0),
        served=served if ran else 0,
        lost=lost if ran else 0,
        attempts=1 + preempted if ran else 0,
        preempted=preempted,
        state=state,
        deadline=deadline,
    )


durations = st.one_of(st.integers(0, 300), st.integers(0, 400 * DAY))
jobs = st.lists(
    st.builds(
        ended,
        st.integers(0, 10**6),
        submitted=st.integers(0, 1000 * DAY),
        waited=durations,
        served=durations,
        cpu_milli=st.integers(0, 200_000),
        accelerators_milli=st.sampled_from([0, 0, 250, 1000, 1500, 3000, 8000, 64_000]),
        tenant=st.sampled_from(["甲", "b", "c"]),
        priority=st.sampled_from([-5, 0, 100]),
        pool=st.sampled_from(["p", "q"]),
        ran=st.booleans(),
        state=st.sampled_from(["succeeded", "failed", "cancelled"]),
        preempted=st.integers(0, 3),
        deadline=st.one_of(st.none(), durations),
    ),
    max_size=40,
)
