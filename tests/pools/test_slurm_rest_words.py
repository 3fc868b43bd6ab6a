"""What slurmrestd says, in the shapes of its versions, and what it is told.

Of v0.0.38 the values are those of a real daemon of 22.05; of v0.0.40 and later they follow the
schemas that Slurm publishes for them, for no daemon of those releases runs here.
"""

import json
from pathlib import Path

import pytest

from suan.model.errors import InputError
from suan.pools.declared import load_pools
from suan.pools.slurm.login.clusterview import usable
from suan.pools.slurm.login.commands import Job, Trouble
from suan.pools.slurm.login.restwords import job, node, number, partition, reservation, submission

NODE_38 = {
    "name": "c1-n1", "address": "127.0.0.1", "state": "idle", "state_flags": ["DRAIN"],
    "cpus": 64, "alloc_cpus": 3, "real_memory": 512000, "alloc_memory": 100,
    "gres": "gpu:h100:8", "gres_used": "gpu:h100:2(IDX:0-1)", "partitions": ["main", "long"],
}  # fmt: skip
NODE_40 = {
    **NODE_38, "state": ["MIXED", "DRAIN"], "state_flags": None, "effective_cpus": 62,
    "specialized_memory": 2000,
}  # fmt: skip
UNLIMITED = {"set": True, "infinite": True, "number": 0}


def test_nodes_of_either_shape() -> None:
    old, new = node(NODE_38), node(NODE_40)
    assert (old["State"], old["CPUTot"], old["MemSpecLimit"]) == ("IDLE+DRAIN", "64", "0")
    assert (new["State"], new["CPUTot"], new["MemSpecLimit"]) == ("MIXED+DRAIN", "62", "2000")
    assert not usable(old["State"])
    assert old["Partitions"] == "main,long"
    assert old["GresUsed"] == "gpu:h100:2(IDX:0-1)"


@pytest.mark.parametrize(
    "told",
    [
        {"name": "p", "state": "UP", "max_time_limit": -1, "default_time_limit": 90},
        {
            "name": "p",
            "partition": {"state": ["UP"]},
            "maximums": {"time": UNLIMITED},
            "defaults": {"time": {"set": True, "infinite": False, "number": 90}},
        },
    ],
)
def test_partitions_of_either_shape(told: dict[str, object]) -> None:
    assert partition(told) == {
        "PartitionName": "p", "State": "UP", "MaxTime": "UNLIMITED", "DefaultTime": "90:00",
    }  # fmt: skip


@pytest.mark.parametrize("start", [86400 * 365, {"set": True, "number": 86400 * 365}])
def test_reservations_of_either_shape(start: object) -> None:
    told = reservation({"name": "maint", "start_time": start, "node_list": "n[1-2]"})
    assert told["Nodes"] == "n[1-2]"
    assert told["StartTime"].startswith(("1970-12-31T", "1971-01-01T"))


@pytest.mark.parametrize("state", ["RUNNING", ["RUNNING", "COMPLETING"]])
def test_jobs_of_either_shape(state: object) -> None:
    told = {"job_id": 7, "name": "a-r1", "job_state": state, "nodes": "n1", "state_reason": "None"}
    assert job(told) == Job("7", "a-r1", "RUNNING", "n1", "None")


def test_numbers_that_are_none() -> None:
    assert [number(each) for each in (None, -1, UNLIMITED, {"set": False, "number": 3})] == [
        None
    ] * 4
    assert [number(each) for each in (0, {"number": 3})] == [0, 3]


OPTIONS = ["--job-name=a-r1", "--ntasks=1", "--nodelist=n1", "--gres=gpu:h100:2", "--no-requeue"]


def test_a_submission_of_either_shape() -> None:
    env = {"A": "1 2"}
    old = json.loads(submission(OPTIONS, ["/k.sh", "it's"], env, version=38))
    assert old["job"] == {
        "name": "a-r1", "tasks": 1, "nodelist": "n1", "gres": "gpu:h100:2", "requeue": False,
        "environment": env,
    }  # fmt: skip
    assert old["script"].endswith("exec bash /k.sh 'it'\"'\"'s'\n")
    new = json.loads(submission(OPTIONS, ["/k.sh"], env, version=40))["job"]
    assert new["required_nodes"] == ["n1"]
    assert new["tres_per_node"] == "gres/gpu:h100:2"
    assert new["environment"] == ["A=1 2"]
    assert not {"nodelist", "gres"} & set(new)


def test_a_gang_gets_room_for_the_most_that_a_node_has(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("n2\nn1\nn2\n")
    env = {"SLURM_HOSTFILE": str(hosts)}
    told = json.loads(submission(["--ntasks=3"], ["/k.sh"], env, version=38))["job"]
    assert (told["nodelist"], told["tasks"], told["tasks_per_node"]) == ("n1,n2", 4, 2)
    assert told["environment"] == {}


@pytest.mark.parametrize("option", ["--switches=1", "--time=1:00:00", "-p main"])
def test_what_cannot_be_told(option: str) -> None:
    with pytest.raises(Trouble, match="cannot be told"):
        submission([option], ["/k.sh"], {}, version=38)


WHOLE = "via: rest, url: 'http://c:6820', user: ada, token_file: t"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("via: soap", "via is 'soap'"),
        ("via: rest, user: ada, token_file: t", "wants url"),
        ("via: rest, url: 'c:6820', user: ada, token_file: t", "not HTTP"),
        ("via: rest, url: 'http://c:6820', user: ada", "one of token_file and token_env"),
        (WHOLE + ", token_env: T", "one of token_file and token_env"),
        (WHOLE + ", conf: /etc/slurm.conf", "conf is for Slurm's commands"),
        ("url: 'http://c:6820'", "url is for `via: rest`"),
    ],
)
def test_declarations_that_make_no_sense(tmp_path: Path, entry: str, said: str) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(f"pools:\n- {{name: east, kind: slurm, {entry}}}\n")
    with pytest.raises(InputError, match=said):
        load_pools(path, home=tmp_path)


def test_a_declaration_that_does(tmp_path: Path) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(f"pools:\n- {{name: east, kind: slurm, {WHOLE}}}\n")
    (declared,) = load_pools(path, home=tmp_path)
    assert json.loads(declared.options["rest"])["user"] == "ada"
