"""What an operator may set of the live loop."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from suan.model.policy import Policy
from suan.model.pool import Patience
from suan.model.units import DAY, HOUR, MINUTE, SECOND, Duration, PoolName


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """Who this process is, and how the loop keeps time.

    ``holder`` must differ between processes; ``url`` is where its API answers, for followers to
    forward to. A leader that is killed is replaced within little more than ``lease_ttl``.
    """

    holder: str
    url: str = ""
    policy: Policy = Policy()  # told to the scheduler as each term begins
    lease_ttl: Duration = 6 * SECOND  # renewed each third of it, looked at each twelfth
    store_poll: Duration = SECOND // 2  # other processes' writes are seen at least this often
    jobs_per_cycle: int = 500  # the most that one cycle takes in
    reports_per_cycle: int = 500
    decisions_per_cycle: int = 200
    launches_at_once: int = 64  # in each pool
    call_timeout: Duration = MINUTE  # of any one call to a pool …
    launch_timeout: Duration = 20 * SECOND  # … but of a launch: then it is asked what became of it
    answer_within: Duration = 10 * SECOND  # a pool that takes longer gets nothing new meanwhile
    observe_every: Duration = 2 * SECOND  # where a pool cannot say that something changed
    observe_gap: Duration = SECOND // 100  # the least between two looks at one pool
    reconcile_every: Duration = 5 * MINUTE  # a pool is asked for everything, not only for news
    first_look: Duration = 2 * SECOND  # how long a new leader waits for its pools before deciding
    failures_to_lose: int = 3  # in a row, before a pool counts as lost
    launch_patience: Duration = 20 * SECOND  # a run that cannot be launched for so long is lost
    retry_first: Duration = SECOND // 2  # the first back-off towards a pool or the store …
    retry_most: Duration = 15 * SECOND  # … and the longest
    stop_grace: Duration = 10 * SECOND  # between asking a run to end and ending it
    longest_grace: Duration = HOUR  # the most that a job's checkpoint may ask for instead
    remembered_runs: int = 10_000  # the most past runs that a new leader tells the scheduler of
    term_length: Duration = 7 * DAY  # then the journal begins anew, so that it can be pruned
    journal_keep: Duration = 30 * DAY
    breath: Duration = 5_000  # the longest the loop works before it lets requests through
    patience: Mapping[PoolName, Patience] = field(default_factory=dict)  # with some pools

    def towards(self, pool: PoolName) -> "ControlSettings":
        """The same with a pool's own times, where it has any."""
        told = asdict(self.patience.get(pool, Patience()))
        own = {name: value for name, value in told.items() if value is not None}
        return replace(self, **own)
