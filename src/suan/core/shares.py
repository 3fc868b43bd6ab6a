"""Fair share: who has had how much, over what they are entitled to.

Queues stand under the root, tenants under their queue, users under their tenant; a tenant named
``lab/vision`` stands under ``lab``. What counts of each is its *dominant share* (Ghodsi et al.,
NSDI 2011): of processors, memory and every accelerator model, the one of which it has had the
largest part of all there is; over its weight. Usage fades by the half-life. Two jobs are compared
at the point where their paths part, so that a lab's share is one, however many tenants it has.
"""

from suan.core.decay import BITS, ONE, gathered_in, left_after
from suan.core.disciplines import STANDING_BITS, STANDING_SHIFT
from suan.model.quota import lineage
from suan.model.resources import Resources
from suan.model.units import MINUTE, SECOND, Duration, Instant, QueueName, TenantName

AHEAD: Duration = 5 * MINUTE
"""What runs now counts as if it went on for so long: so that whoever comes first to free capacity
does not get all of it before his usage has had time to grow."""

STEPS = 1024
"""Usage fades in so many steps a half-life, and standings of those of whom nothing starts or ends
are brought up to date with them: that is exact to a thousandth of all that ever counts."""

DEPTH = 4  # levels of the tree that are told apart: the queue, two of tenants, the user
_LEVEL_BITS = STANDING_BITS // DEPTH
_MOST = (1 << _LEVEL_BITS) - 1
Amounts = dict[str, int]  # by kind of resource
Names = tuple[QueueName, TenantName, str]  # the last is the user's
Holder = tuple[str, str]  # "queue", "tenant" or "user", and its name


class Share:
    """One queue or tenant: ``held`` is what its runs hold now, ``used`` what they have used, in
    amount × µs up to the instant ``at``, faded. ``value`` is its dominant share over its weight, in
    seconds of all that there is; it is worked out only where there is another to compare with."""

    __slots__ = ("accounts", "at", "children", "held", "parent", "used", "value", "weight")

    def __init__(self, parent: "Share | None") -> None:
        self.parent = parent
        self.weight = 1
        self.at: Instant = 0
        self.held: Amounts = {}
        self.used: Amounts = {}
        self.value = 0
        self.children = 0
        self.accounts: list[Account] = []  # of this share and of all below it


class Account:
    """A tenant's user in a queue: whose jobs share one place in the fair order. ``path`` leads
    from the queue down to the user. ``offset`` is what its standing adds to its jobs' ranks; if it
    has shrunk since that was last noted they come ``earlier``. ``holders`` are those who hold what
    its runs hold: its queue, its tenant and those above it, and its user."""

    __slots__ = ("earlier", "holders", "offset", "path", "queue", "tenant", "user")

    def __init__(self, names: "Names", path: tuple[Share, ...]) -> None:
        self.queue, self.tenant, self.user = names
        tenants = (("tenant", name) for name in lineage(self.tenant))
        self.holders: tuple[Holder, ...] = (("queue", self.queue), *tenants, ("user", self.user))
        self.path = path
        self.offset = 0
        self.earlier = False

    def settle(self) -> bool:
        """Work out the offset anew; whether it has changed. Without rivals nothing is compared."""
        standing = 0
        for share in self.path:
            rivals = share.parent is not None and share.parent.children > 1
            standing = standing << _LEVEL_BITS | (share.value if rivals else 0)
        offset = standing << (STANDING_SHIFT + _LEVEL_BITS * (DEPTH - len(self.path)))
        changed = offset != self.offset
        self.earlier = self.earlier or offset < self.offset
        self.offset = offset
        return changed


class Shares:
    """All accounts. ``moved`` has those whose standing has changed since it was last cleared.
    While it does not ``count``, all stand alike."""

    __slots__ = (
        "accounts",
        "capacity",
        "counts",
        "half_life",
        "moved",
        "root",
        "shares",
        "ticked",
        "weights",
    )

    def __init__(self, half_life: Duration) -> None:
        self.counts = False
        self.half_life = half_life
        self.root = Share(None)
        self.accounts: dict[Names, Account] = {}
        self.shares: dict[tuple[str, ...], Share] = {}
        self.weights: dict[Holder, int] = {}
        self.capacity: Amounts = {}
        self.ticked: Instant | None = None
        self.moved: dict[Account, None] = {}

    def account(self, queue: QueueName, tenant: TenantName, user: str) -> Account:
        """The account of a user's jobs in a queue, made if it is new."""
        found = self.accounts.get((queue, tenant, user))
        if found is None:
            # no tenant's name begins so, whatever its siblings who are users are called
            names = (queue, *tenant.split("/", DEPTH - 3), f"/{user}")
            path = tuple(self._share(names[: depth + 1]) for depth in range(len(names)))
            found = self.accounts[queue, tenant, user] = Account((queue, tenant, user), path)
            for share in path:
                share.accounts.append(found)
            if found.settle():
                self.moved[found] = None
        return found

    def _share(self, names: tuple[str, ...]) -> Share:
        found = self.shares.get(names)
        if found is None:
            parent = self._share(names[:-1]) if len(names) > 1 else self.root
            found = self.shares[names] = Share(parent)
            found.weight = self.weights.get(_holder(names), 1)
            parent.children += 1
            if parent.children == 2:  # the first one has a rival now
                for sibling in self.shares.values():
                    if sibling.parent is parent:
                        self._weigh(sibling)
                self._settle_accounts(list(self.accounts.values()))
        return found

    def fork(self) -> "Shares":
        """The same accounts once more, in the same order."""
        other = Shares(self.half_life)
        other.counts, other.capacity, other.ticked = self.counts, dict(self.capacity), self.ticked
        other.weights = dict(self.weights)
        for names in self.accounts:
            other.account(*names)
        for path, share in self.shares.items():
            copy = other._share(path)
            copy.weight, copy.at, copy.value = share.weight, share.at, share.value
            copy.held, copy.used = dict(share.held), dict(share.used)
        for account in other.accounts.values():
            account.settle()
        other.moved = {
            other.accounts[account.queue, account.tenant, account.user]: None
            for account in self.moved
        }
        return other

    def set_weight(self, holder: Holder, weight: int) -> None:
        """Give a queue another weight, or a tenant in every queue."""
        self.weights[holder] = weight
        if holder[0] == "queue":
            self._share((holder[1],))
        for names, share in self.shares.items():
            if share.weight != weight and _holder(names) == holder:
                share.weight = weight
                self._weigh(share)

    def set_capacity(self, amounts: Amounts) -> None:
        """What all pools have together, which shares are parts of."""
        if amounts != self.capacity:
            self.capacity = amounts
            for share in self.shares.values():
                self._weigh(share)

    def count(self, counts: bool) -> None:
        """Begin to count, from nothing, or cease to."""
        self.counts = counts
        for share in self.shares.values():
            share.held, share.used = {}, {}
            self._weigh(share)

    def take(self, account: Account, amounts: Amounts, now: Instant, *, times: int = 1) -> None:
        """A run begins to hold ``times * amounts``; with ``times`` below zero it ends."""
        for share in account.path:
            if now > share.at:
                self._bring(share, now)
            held = share.held
            for kind, amount in amounts.items():
                held[kind] = held.get(kind, 0) + times * amount
            self._weigh(share)

    def recall(
        self, account: Account, amounts: Amounts, *, began: Instant, until: Instant, now: Instant
    ) -> None:
        """A run held ``amounts`` before this scheduler was told of anything."""
        if until <= began:
            return
        if self.ticked is None:
            self.ticked = now
        gathered = gathered_in(until - began, self.half_life)
        gathered = gathered * left_after(max(now - until, 0), self.half_life) // ONE
        for share in account.path:
            self._bring(share, now)
            for kind, amount in amounts.items():
                share.used[kind] = share.used.get(kind, 0) + amount * gathered
            self._weigh(share)

    def tick(self, now: Instant) -> None:
        """Let usage fade, and bring every standing up to date, if that is due."""
        if self.ticked is None:
            self.ticked = now
        step = max(self.half_life // STEPS, 1)
        steps = now // step - self.ticked // step
        if steps <= 0:
            return
        self.ticked = now
        left = left_after(steps * step, self.half_life)
        for share in self.shares.values():
            share.used = {kind: amount * left >> BITS for kind, amount in share.used.items()}
            gathered = gathered_in(max(now - share.at, 0), self.half_life)
            self._gather(share, gathered)
            share.at = now
            self._weigh(share)

    def _bring(self, share: Share, now: Instant) -> None:
        if now > share.at:
            self._gather(share, now - share.at)
            share.at = now

    def _gather(self, share: Share, passed: Duration) -> None:
        used = share.used
        for kind, amount in share.held.items():
            if amount:
                used[kind] = used.get(kind, 0) + amount * passed

    def _weigh(self, share: Share) -> None:
        if share.parent is None or share.parent.children < 2:
            return
        most = 0  # of all kinds, in µs of all there is
        held, used = share.held, share.used
        for kind, there in self.capacity.items():
            had = (used.get(kind, 0) + held.get(kind, 0) * AHEAD) // there
            if had > most:
                most = had
        value = min(most // (share.weight * SECOND), _MOST)
        if value != share.value:
            share.value = value
            self._settle_accounts(share.accounts)

    def holds(self, share: Share, more: Amounts) -> float:
        """What a share holds, and ``more``, of all there is over its weight."""
        held = share.held
        parts = (
            (held.get(kind, 0) + more.get(kind, 0)) / there for kind, there in self.capacity.items()
        )
        return max(parts, default=0.0) / share.weight

    def after(self, share: Share, more: Amounts, ahead: Duration) -> float:
        """What a share's standing would come to once it had held ``more`` than now for so long, in
        µs of all there is over its weight."""
        most = 0.0
        held, used = share.held, share.used
        for kind, there in self.capacity.items():
            holds = held.get(kind, 0) + more.get(kind, 0)
            most = max(most, (used.get(kind, 0) + holds * ahead) / there)
        return most / share.weight

    def _settle_accounts(self, accounts: list[Account]) -> None:
        for account in accounts:
            if account.settle():
                self.moved[account] = None


def _holder(names: tuple[str, ...]) -> Holder:
    """Whose share has these names."""
    if len(names) == 1:
        return "queue", names[0]
    return ("user" if names[-1].startswith("/") else "tenant"), "/".join(names[1:])


def amounts_of(per_task: Resources, tasks: int) -> Amounts:
    """A gang's resources by kind."""
    amounts = {"cpu": per_task.cpu_milli * tasks, "memory": per_task.memory_mib * tasks}
    for model, amount in per_task.accelerators:
        amounts[model] = amount * tasks
    return amounts
