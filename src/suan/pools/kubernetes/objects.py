"""The parts of Kubernetes' objects that suan reads. What is not named here is skipped unread,
which is what makes 10,000 pods cheap."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

INDEX = "batch.kubernetes.io/job-completion-index"


class _Part(msgspec.Struct, rename="camel"):
    """A part of an object."""


class Owner(_Part):
    kind: str = ""
    name: str = ""
    uid: str = ""


class Meta(_Part):
    """What every object has."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[Owner] = []


class BriefMeta(_Part):
    """The same without annotations, which may be long."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}


class Condition(_Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class Requests(_Part):
    requests: dict[str, str] = {}


class Asking(_Part):
    """A container, as far as it takes something."""

    resources: Requests = msgspec.field(default_factory=Requests)
    restart_policy: str = ""


class Waiting(_Part):
    reason: str = ""
    message: str = ""


class Running(_Part):
    started_at: datetime | None = None


class Terminated(_Part):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(_Part):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Part):
    name: str = ""
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    image: str = ""


class Gate(_Part):
    name: str = ""


class BriefSpec(_Part):
    """Where a pod is and what it takes there."""

    node_name: str = ""
    containers: list[Asking] = []
    init_containers: list[Asking] = []
    overhead: dict[str, str] = {}
    scheduling_gates: list[Gate] = []


class Phase(_Part):
    phase: str = ""


class BriefPod(_Part):
    """Anybody's pod, as far as it takes something of a node."""

    metadata: BriefMeta
    spec: BriefSpec = msgspec.field(default_factory=BriefSpec)
    status: Phase = msgspec.field(default_factory=Phase)


class PodStatus(_Part):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []
    init_container_statuses: list[ContainerStatus] = []


class Pod(_Part):
    """A pod of one of suan's runs."""

    metadata: Meta
    spec: BriefSpec = msgspec.field(default_factory=BriefSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def index(self) -> int:
        """Which of its job's tasks it is."""
        return int(self.metadata.annotations.get(INDEX, "0"))

    @property
    def state(self) -> ContainerState:
        """Of its one container."""
        statuses = self.status.container_statuses
        return statuses[0].state if statuses else ContainerState()

    @property
    def before(self) -> ContainerState:
        """Of what lays out files before its task, if it has that."""
        statuses = self.status.init_container_statuses
        return statuses[0].state if statuses else ContainerState()

    @property
    def over(self) -> bool:
        """Whether its task has ended, for good."""
        return self.status.phase in ("Succeeded", "Failed") or self.state.terminated is not None

    def condition(self, kind: str) -> Condition | None:
        return next((each for each in self.status.conditions if each.type == kind), None)


class Taint(_Part):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(_Part):
    unschedulable: bool = False
    taints: list[Taint] = []


class NodeState(_Part):
    allocatable: dict[str, str] = {}
    conditions: list[Condition] = []


class Node(_Part):
    metadata: Meta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeState = msgspec.field(default_factory=NodeState)

    @property
    def ready(self) -> bool:
        return any(
            each.type == "Ready" and each.status == "True" for each in self.status.conditions
        )


class JobSpec(_Part):
    parallelism: int = 0
    suspend: bool = False


class JobStatus(_Part):
    conditions: list[Condition] = []


class Job(_Part):
    metadata: Meta
    spec: JobSpec = msgspec.field(default_factory=JobSpec)
    status: JobStatus = msgspec.field(default_factory=JobStatus)

    @property
    def end(self) -> Condition | None:
        """What Kubernetes says of its end, once it has counted all its pods: that it is
        ``Complete`` or has ``Failed``."""
        ends = (each for each in self.status.conditions if each.type in ("Complete", "Failed"))
        return next((each for each in ends if each.status == "True"), None)


class QuotaStatus(_Part):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class Quota(_Part):
    metadata: Meta
    status: QuotaStatus = msgspec.field(default_factory=QuotaStatus)


class Limit(_Part):
    """What a LimitRange says of one kind of thing."""

    type: str = ""
    max: dict[str, str] = {}
    min: dict[str, str] = {}
    default: dict[str, str] = {}


class LimitSpec(_Part):
    limits: list[Limit] = []


class LimitRange(_Part):
    metadata: Meta
    spec: LimitSpec = msgspec.field(default_factory=LimitSpec)


class Event(_Part):
    """What a component of the cluster had to say of an object."""

    metadata: Meta
    type: str = ""
    reason: str = ""
    message: str = ""


class Named(_Part):
    """Any object, by its name alone."""

    metadata: Meta


class Conditioned(_Part):
    """Any object, by its conditions."""

    status: JobStatus = msgspec.field(default_factory=JobStatus)

    def condition(self, kind: str) -> Condition | None:
        return next((each for each in self.status.conditions if each.type == kind), None)


class Secret(_Part):
    """A Secret; its values in base64."""

    metadata: Meta
    data: dict[str, str] = {}


class Status(_Part):
    """The API server's word on a request that it did not do."""

    message: str = ""
    reason: str = ""
    code: int = 0


class ListMeta(_Part):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


T = TypeVar("T")


class Page(_Part, Generic[T]):
    """A page of a list."""

    metadata: ListMeta
    items: list[T] | None = None


class Change(_Part):
    """A line of a watch; what ``object`` is depends on ``type``."""

    type: str
    object: msgspec.Raw


K = TypeVar("K", Job, LimitRange, Quota)


def know(known: dict[str, K], before: K | None, after: K | None) -> K:
    """Keep objects by name as they are now: one came, changed or went, which is given back."""
    named = after or before
    assert named is not None
    known.pop(named.metadata.name, None)
    if after is not None:
        known[after.metadata.name] = after
    return named
