"""The examples of the OpenAPI document: real values of the types they stand for."""

from datetime import UTC, datetime

import msgspec

from suan.model.bill import Bill
from suan.model.offer import NodeStatus
from suan.model.pool import Launch, OutputFile, RunReport
from suan.model.resources import Resources
from suan.model.units import JobId, NodeName, RunId
from suan.model.views import (
    AmountView,
    BoundsView,
    CostView,
    EventView,
    ExplanationView,
    FetchView,
    JobDetail,
    JobList,
    JobView,
    LimitsView,
    MissingView,
    NodeView,
    OfferView,
    OutputsView,
    OutputView,
    PeerView,
    PoolView,
    QueueView,
    QuotaView,
    RefusalView,
    ReservationView,
    RunView,
    ServerView,
    SiteView,
    SubmittedView,
    TenantView,
    TokenView,
)
from suan.peering.protocol import Forward, OfferSaid, Platform, Settled, Sight

_ID, _TIME = "7k3m9x2q5w8r", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
JOB = {
    "name": "digits",
    "run": "python train.py --epochs 3",
    "resources": [{"cpu_milli": 4000, "memory_mib": 8192, "accelerators": {"A100-80GB": 1000}}],
    "envs": {"LR": "0.1"},
    "queue": "default",
}
BATCH = {
    "jobs": [
        {"name": "prepare", "run": "python prepare.py"},
        {"name": "train", "run": "python train.py", "after": [{"job": "prepare"}]},
    ]
}
YAML = "name: digits\nresources:\n  accelerators: A100:1\nrun: python train.py\n"
SCRIPT = "#!/bin/bash\n#SBATCH --job-name=digits\n#SBATCH --array=0-9\npython train.py\n"
SUBMITTED = SubmittedView(_ID, (_ID,))
_VIEW = JobView(
    id=_ID,
    name="digits",
    state="running",
    user="ada",
    tenant="default",
    queue="default",
    priority=0,
    num_nodes=1,
    resources="cpus 4, memory 8 GiB, A100-80GB:1",
    submitted_at=_TIME,
    started_at=_TIME,
    attempts=1,
    pool="lab",
)
JOB_LIST = JobList((_VIEW,), None)
COUNTS = {"pending": 2, "running": 1, "succeeded": 40, "failed": 0, "cancelled": 0, "skipped": 0}
_RUN = RunView(
    id=f"{_ID}-r1",
    attempt=1,
    pool="lab",
    nodes=("node-1",),
    state="started",
    placed_at=_TIME,
    started_at=_TIME,
    reasons=("lab 3.20 CNY/h: the cheapest of 2",),
)
JOB_DETAIL = JobDetail(_VIEW, {**JOB, "secrets": {"API_KEY": "***"}}, (), (_RUN,), Bill())
CANCELLED = {"cancelled": [_ID]}
EXPLANATION = ExplanationView(
    job=_ID,
    state="pending",
    summary="waits for 1 A100-80GB in lab",
    refusals=(
        RefusalView(
            "no_capacity",
            "lab",
            "needs 1 A100-80GB, 0 are free",
            "a run there has to end",
            until=_TIME,
        ),
    ),
    ahead=3,
    earliest=_TIME,
    latest=_TIME,
    rests_on="the time limits of the runs before it",
    due="To keep its deadline it must start within 2 h (it takes 1 h).",
)
PLANS = {
    "plans": [
        ExplanationView(
            job="",
            state="plan",
            summary="would start now in lab",
            costs=(CostView("lab", {"devices": 3_000_000, "energy": 200_000}, 3_200_000, "CNY"),),
        )
    ]
}
_AMOUNT = AmountView(64_000, 262_144, {"A100-80GB": 8000})
POOL = PoolView(
    name="lab",
    kind="local",
    site="here",
    available=True,
    drained=False,
    nodes=1,
    total=_AMOUNT,
    free=_AMOUNT,
    runs=0,
    terms={"currency": "CNY", "cpu_hour": 50_000},
    capabilities=("logs",),
    frameworks=(),
    observed_at=_TIME,
    racks=1,
    node_list=(NodeView("node-1", _AMOUNT, schedulable=True, rack="spine1/leaf3"),),
)
POOLS = {"pools": [POOL]}
DRAINED = {"pool": "lab", "asked": "drain"}
_GUARANTEE, _CEILING = BoundsView(64_000, 524_288, {"A100-80GB": 8000}), BoundsView(128_000)
QUEUE = QueueView(
    name="research",
    weight=2,
    discipline="sjf",
    open=True,
    pending=3,
    running=1,
    quota=QuotaView(_GUARANTEE, _CEILING, "lab"),
    held=BoundsView(4000, 8192, {"A100-80GB": 1000}),
)
QUEUES = {"queues": [QUEUE]}
QUEUE_REQUEST = {
    "weight": 2,
    "discipline": "sjf",
    "open": True,
    "quota": {
        "guarantee": {
            "cpu_milli": 64_000,
            "memory_mib": 524_288,
            "accelerators": {"A100-80GB": 8000},
        },
        "ceiling": {"cpu_milli": 128_000},
        "cohort": "lab",
    },
}
TENANT = TenantView(
    name="lab/vision",
    weight=3,
    running=1,
    quota=QuotaView(_GUARANTEE, _CEILING, "lab"),
    held=BoundsView(4000, 8192, {"A100-80GB": 1000}),
)
TENANTS = {"tenants": [TENANT]}
TENANT_REQUEST = {"weight": 3, "quota": QUEUE_REQUEST["quota"]}
LIMIT = LimitsView(
    "ada",
    running=20,
    running_now=3,
    pending=500,
    pending_now=12,
    device_hours=1000,
    device_ms_used=1_250_000_000,
    money=5_000_000_000,
    money_used=1_850_000_000,
)
LIMITS = {"limits": [LIMIT]}
LIMITS_REQUEST = {"running": 20, "pending": 500, "device_hours": 1000, "money": 5_000_000_000}
RESERVATION = ReservationView(
    name="switches",
    pool="lab",
    nodes=("gpu-1", "gpu-2"),
    begin=datetime(2026, 3, 2, 20, tzinfo=UTC),
    end=datetime(2026, 3, 3, 0, tzinfo=UTC),
    maintenance=True,
    reason="new switches",
    by="ada",
    made_at=_TIME,
    running=(f"{_ID}-r1",),
)
RESERVATIONS = {"reservations": [RESERVATION]}
RESERVATION_REQUEST = {
    "name": "switches",
    "pool": "lab",
    "nodes": ["gpu-1", "gpu-2"],
    "begin": 1_772_481_600,
    "end": 1_772_496_000,
    "maintenance": True,
    "reason": "new switches",
}
UNRESERVED = {"reservation": "switches", "asked": "cancel"}
_EVENT = EventView(17, _TIME, "job.submitted", _ID)
EVENTS = {"events": [_EVENT]}
SSE = (
    "id: 17\nevent: job.submitted\n"
    f'data: {{"id":17,"at":"2026-03-01T08:30:00Z","kind":"job.submitted","job":"{_ID}"}}\n\n'
)
SERVER = ServerView(
    version="0.1.0",
    engine="sqlite",
    leading=True,
    leader_url="http://127.0.0.1:7826",
    started_at=_TIME,
    cycles=12,
    jobs={"pending": 2, "running": 1},
    pools=1,
    policy="default",
    place="5e3c1d8a7b9f4e2d6c0a1b3f8e7d9c5a",
)
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CONTENT_ASKED = {"digests": [_DIGEST]}
OUTPUTS = OutputsView(f"{_ID}-r1", (OutputView("model/weights.bin", 4, _DIGEST),))
PIECE = f"{_DIGEST} 0 4 4\ntest"
FETCH_REQUEST = {"url": "https://data.example.org/digits.csv"}
FETCH = FetchView("https://data.example.org/digits.csv", 4, 4, _DIGEST)
MISSING = MissingView({_DIGEST: 4_194_304})
SITES = {
    "sites": [
        SiteView(
            site="zhangjiakou",
            kind="cluster",
            parent="beijing-tianjin-hebei",
            name_en="Zhangjiakou",
            name_zh="张家口",
            province="Hebei",
            latitude=40.8,
            longitude=114.9,
            pue_milli=1250,
            carbon_mg_per_kwh=700_000,
            basis="PUE: …; grid factor: …",
        )
    ]
}
HEALTHY = {"status": "ok", "checks": {"store": "ok", "leader": "ok", "loop": "ok"}}
UNHEALTHY = {
    "status": "unhealthy",
    "checks": {"store": "ok", "leader": "ok", "loop": "no cycle for 31 s"},
}
METRICS = 'suan_jobs{state="pending"} 2.0\n'
_OFFER = OfferView(
    pool="lab",
    tenant="peers/gansu/lab",
    ceiling=BoundsView(None, None, {"A100-80GB": 8000}),
    share_milli=500,
    hours=((600, 1440 - 1),),
    begin=None,
    end=None,
    prices={"currency": "CNY", "cpu_hour": 50_000, "accelerator_hour": {}, "energy_kwh": 0},
    queue="default",
    priority=-100,
    closed="",
    runs=2,
)
PEER = PeerView("gansu", "t5f3c9a1b2d40", (_OFFER,), secret="suan_…")  # noqa: S106 - an example
PEERS = {"peers": [PeerView("gansu", "t5f3c9a1b2d40", (_OFFER,))]}
OFFER_REQUEST = {
    "ceiling": {"accelerators": {"A100-80GB": 8000}},
    "share_milli": 500,
    "hours": [[600, 1439]],
    "prices": {"currency": "CNY", "cpu_hour": 50_000},
    "priority": -100,
}
REVOKED = {"ended": [f"{_ID}-r1"]}
PLATFORM = Platform("7d1f0c2b9a3e4f56", "0.1.0", 1, (OfferSaid("lab", True, "open"),))
_SIZE = Resources(64_000, 524_288, (("A100-80GB", 8000),))
SIGHT = Sight(
    cursor="118.0123456789abcdef",
    nodes=(NodeStatus(NodeName("8xa100-80gb-64c-512g-1"), _SIZE),),
    reports=(RunReport(RunId(f"{_ID}-r1"), f"{_ID}-r1", started_at=1_772_354_400_000_000),),
)
SETTLED = Settled(f"{_ID}-r1", 0)
FORWARD = msgspec.to_builtins(
    Forward(
        Launch(
            run=RunId(f"{_ID}-r1"),
            job=JobId(_ID),
            name="digits",
            nodes=(NodeName("8xa100-80gb-64c-512g-1"),),
            per_task=Resources(4000, 8192),
            script="python train.py",
            path=("7d1f0c2b9a3e4f56",),
        )
    )
)
LEFT = (OutputFile("model.bin", 5, "9372c470" * 8),)
SENT = {"content": "kept"}
END_RUN = {"signal": "SIGTERM", "grace": 10_000_000}
ENDING = {"run": f"{_ID}-r1", "asked": "end"}
TOKEN = TokenView("t5f3c9a1b2d40", "ci", "submitter", "ci", _TIME, secret="suan_…")  # noqa: S106 - an example
TOKENS = {"tokens": [TokenView("t5f3c9a1b2d40", "ci", "submitter", "ci", _TIME)]}
TOKEN_REQUEST = {"name": "ci", "scope": "submitter", "expires_in_s": 2_592_000}
