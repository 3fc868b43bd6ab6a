"""What Slurm's commands print, of several releases, and what the program makes of it."""

import ast
from importlib import resources
from pathlib import Path

import pytest

from suan.pools.slurm import shipping
from suan.pools.slurm.login.attempts import told
from suan.pools.slurm.login.clusterview import gres, hosts, racks, usable
from suan.pools.slurm.login.commands import Commands, complaint, fields
from suan.pools.slurm.translation import Names

# Lines as `scontrol -o -d show node` prints them, shortened; by release.
NODE_20 = (
    "NodeName=gpu01 Arch=x86_64 CoresPerSocket=32  CPUAlloc=12 CPUTot=64 CPULoad=1.01"
    " AvailableFeatures=a,b ActiveFeatures=a,b Gres=gpu:a100:8(S:0-1),nic:2"
    " GresUsed=gpu:a100:3(IDX:0-2),nic:0(IDX:N/A) NodeAddr=10.0.0.1 OS=Linux 4.18.0 #1 SMP"
    " RealMemory=512000 AllocMem=1000 State=MIXED Partitions=main,long Reason=Not responding"
)
NODE_24 = (
    "NodeName=gpu01 CPUAlloc=12 CPUEfctv=62 CPUTot=64 Gres=gpu:nvidia_a100:4,gpu:h100:2"
    " GresUsed=gpu:nvidia_a100:0,gpu:h100:1(IDX:3) RealMemory=512000 MemSpecLimit=2000"
    " State=IDLE+DRAIN+DYNAMIC_NORM Partitions=main Comment=a=b c"
)


def test_fields_hold_blanks_and_lists() -> None:
    node = fields(NODE_20)
    assert node["NodeName"] == "gpu01"
    assert node["OS"] == "Linux 4.18.0 #1 SMP"
    assert node["Reason"] == "Not responding"
    assert fields(NODE_24)["CPUEfctv"] == "62"
    assert "CPUEfctv" not in node


NODE_24_11 = (
    "NodeName=node01 Arch=x86_64 CoresPerSocket=1  CPUAlloc=1 CPUEfctv=1 CPUTot=1 CPULoad=1.00"
    " Gres=(null) NodeAddr=100.71.155.103 NodeHostName=node01 Version=24.11.5"
    " OS=Linux 6.12.90+deb13-amd64 #1 SMP Debian RealMemory=1800 AllocMem=0 FreeMem=76"
    " State=ALLOCATED ThreadsPerCore=1 Partitions=debug ResumeAfterTime=None"
    " CfgTRES=cpu=1,mem=1800M,billing=1 AllocTRES=cpu=1 CurrentWatts=0 AveWatts=0"
)
NODE_25_05 = (
    "NodeName=hpc7g-1 Arch=aarch64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=64 CPUTot=64"
    " CPULoad=0.00 Gres=(null) NodeAddr=10.3.140.69 Version=25.05.5 RealMemory=124518"
    " AllocMem=0 State=IDLE+CLOUD ThreadsPerCore=1 MCS_label=N/A Partitions=efa"
    " CfgTRES=cpu=64,mem=124518M,billing=64 AllocTRES= Reason=Minimum [root@2024-07-02]"
    " InstanceId=i-04927897a9ce3c143 InstanceType=hpc7g.16xlarge"
)


NODE_25_11 = (
    "NodeName=c1-n1 Arch=x86_64 CoresPerSocket=32  CPUAlloc=3 CPUEfctv=64 CPUTot=64 CPULoad=4.99"
    " AvailableFeatures=(null) ActiveFeatures=(null) Gres=gpu:h100:8 GresDrain=N/A"
    " GresUsed=gpu:h100:2(IDX:0-1) NodeAddr=127.0.0.1 NodeHostName=vm Port=16059"
    " Version=25.11.8-0pre1 OS=Linux 6.18.44-fc-v669 #1 SMP PREEMPT_DYNAMIC @0  RealMemory=512000"
    " AllocMem=100 FreeMem=15781 Sockets=2 Boards=1 State=MIXED ThreadsPerCore=1 TmpDisk=0"
    " Weight=1 Owner=N/A MCS_label=N/A Partitions=main  BootTime=2026-11-29T00:56:53"
    " SlurmdStartTime=2026-11-29T15:53:42 LastBusyTime=2026-11-29T15:53:42 ResumeAfterTime=None"
    " CfgTRES=cpu=64,mem=500G,billing=64 AllocTRES=cpu=3,mem=100M CurrentWatts=0 AveWatts=0"
)


@pytest.mark.parametrize(
    ("line", "state", "memory"),
    [(NODE_24_11, "ALLOCATED", "1800"), (NODE_25_05, "IDLE+CLOUD", "124518")],
)
def test_nodes_of_later_releases(line: str, state: str, memory: str) -> None:
    """As 24.11 and 25.05 print them, by what people have published of their clusters."""
    node = fields(line)
    assert (node["State"], node["RealMemory"]) == (state, memory)
    assert node["CPUEfctv"] == node["CPUTot"]
    assert usable(node["State"])
    assert gres(node["Gres"]) == {}


def test_a_node_in_use_of_a_later_release() -> None:
    node = fields(NODE_25_11)
    assert (node["CPUAlloc"], node["AllocMem"], node["Partitions"]) == ("3", "100", "main")
    assert (gres(node["Gres"]), gres(node["GresUsed"])) == ({"gpu:h100": 8}, {"gpu:h100": 2})
    assert usable(node["State"])


def test_gres_with_types_sockets_and_indices() -> None:
    assert gres(fields(NODE_20)["Gres"]) == {"gpu:a100": 8, "nic": 2}
    assert gres(fields(NODE_20)["GresUsed"]) == {"gpu:a100": 3, "nic": 0}
    assert gres(fields(NODE_24)["Gres"]) == {"gpu:nvidia_a100": 4, "gpu:h100": 2}
    assert gres("(null)") == {}
    assert gres("shard:4K") == {"shard": 4096}


TREE = """\
SwitchName=leaf1 Level=0 LinkSpeed=1 Nodes=n[1-2]
SwitchName=leaf_2 Level=0 LinkSpeed=1 Nodes=n3
SwitchName=spine Level=1 LinkSpeed=1 Nodes=n[1-3] Switches=leaf1,leaf_2
SwitchName=_core:1 Level=2 LinkSpeed=1 Nodes=n[1-3] Switches=spine
"""  # 20.11 to 26.05; some print Switches=(null) at the leaves


@pytest.mark.parametrize("leaf", ["", " Switches=(null)"])
def test_switches_are_racks(leaf: str) -> None:
    lines = [line + leaf if "Level=0" in line else line for line in TREE.splitlines()]
    assert racks([fields(line) for line in lines]) == {
        "n1": "x_corex1/spine/leaf1",
        "n2": "x_corex1/spine/leaf1",
        "n3": "x_corex1/spine/leaf_2",
    }
    assert racks([fields("No topology information available")]) == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n1", ["n1"]),
        ("n[08-10,12],x", ["n08", "n09", "n10", "n12", "x"]),
        ("r[1-2]n[3-4]", ["r1n3", "r1n4", "r2n3", "r2n4"]),
        ("", []),
    ],
)
def test_host_lists(text: str, names: list[str]) -> None:
    assert hosts(text) == names


@pytest.mark.parametrize(
    "state", ["IDLE", "MIXED", "ALLOCATED", "IDLE+CLOUD", "MIXED+PLANNED", "IDLE~"]
)
def test_nodes_that_take_jobs(state: str) -> None:
    assert usable(state)


@pytest.mark.parametrize(
    "state",
    [
        "DOWN",
        "IDLE+DRAIN",
        "MIXED+DRAIN",
        "IDLE*",
        "IDLE+RESERVED",
        "MIXED+MAINT",
        "DOWN+NOT_RESPONDING",
        "FUTURE",
        "",
    ],
)
def test_nodes_that_do_not(state: str) -> None:
    assert not usable(state)


@pytest.mark.parametrize(
    ("command", "said", "word"),
    [
        (
            "sbatch",
            "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
            "unknown",
        ),
        ("squeue", "slurm_load_jobs error: Socket timed out on send/recv operation", "unavailable"),
        (
            "sbatch",
            "sbatch: error: Unable to contact slurm controller (connect failure)",
            "unavailable",
        ),
        ("sbatch", "sbatch: error: invalid partition specified: x", "rejected"),
        ("sbatch", "sbatch: error: QOSMaxSubmitJobPerUserLimit", "unavailable"),
        ("sbatch", "", "rejected"),
    ],
)
def test_complaints_say_whether_it_happened(command: str, said: str, word: str) -> None:
    trouble = complaint(command, said)
    assert trouble.word == word
    assert trouble.message


class Recorded(Commands):
    """Commands of one release, which keep what they were asked."""

    release = ""

    def version(self) -> str:
        return self.release

    def run(self, argv: list[str], env: dict[str, str] | None = None) -> str:
        self.asked, self.given = argv, env or {}
        return "1634\n"


@pytest.mark.parametrize(
    ("release", "whole"),
    [("slurm 20.11.9", False), ("slurm-wlm 20.11.7", False), ("slurm-wlm 22.05.8", True)],
)
def test_a_gang_of_a_release_that_counts_a_host_twice_gets_room(
    release: str, whole: bool, tmp_path: Path
) -> None:
    """20.11 takes a node that a file of hosts has twice for two nodes."""
    hosts = tmp_path / "hosts"
    hosts.write_text("n2\nn1\nn2\n")
    slurm = Recorded(None, timeout_s=1)
    slurm.release = release
    env = {"SLURM_HOSTFILE": str(hosts), "A": "1"}
    options = ["--ntasks=3", "--distribution=arbitrary"]
    assert slurm.submit(options, ["/k.sh"], env) == "1634"
    room = ["--distribution=block", "--nodelist=n1,n2", "--nodes=2", "--ntasks=4"]
    room.append("--ntasks-per-node=2")
    assert slurm.asked[3:] == [*options, *([] if whole else room), "/k.sh"]
    assert slurm.given == (env if whole else {"A": "1"})


def test_an_end_counts_once_it_is_whole() -> None:
    whole = "0m0.001s 0m0.002s\n0m1.500s 0m0.500s\nend 3 1700000000.5 -\n"
    assert told(whole) == ["3", "1700000000.5", "-", "0m1.500s 0m0.500s"]
    for length in range(len(whole)):
        assert told(whole[:length]) is None


def test_models_behind_gres() -> None:
    names = Names({"gpu": "V100", "gpu:big": "A100"})
    assert names.model("gpu:big") == "A100-80GB"
    assert names.model("gpu") == "V100"
    assert names.model("gpu:other") == "OTHER"
    assert Names().model("gpu:h100") == "H100"
    assert Names().model("gpu") == "UNTYPED-GPU"
    assert Names().model("nic") is None


def test_the_program_is_whole_and_old_enough() -> None:
    """Python 3.6 can read it, and everything that it imports of ours travels with it."""
    shipped = shipping.modules()
    names = {name for name, _, _ in shipped}
    files = {each.name for each in resources.files(shipping.PACKAGE).iterdir()}
    own = [
        name for name, package, _ in shipped if not package and name.startswith(shipping.PACKAGE)
    ]
    assert {f"{name.rpartition('.')[2]}.py" for name in own} == {
        name for name in files if name.endswith(".py") and name != "__init__.py"
    }
    known: set[str] = set()
    for name, _, source in shipped:
        tree = ast.parse(source, feature_version=(3, 6))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("suan"):
                assert node.module in names
                assert node.module in known or node.module in (shipping.PACKAGE, shipping.CONTENT)
            if isinstance(node, ast.FunctionDef):
                told = [
                    node.returns,
                    *(a.annotation for a in node.args.args + node.args.kwonlyargs),
                ]
                assert not any(isinstance(each, ast.Subscript | ast.BinOp) for each in told)
        known.add(name)
