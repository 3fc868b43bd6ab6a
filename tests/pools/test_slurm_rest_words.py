"""What slurmrestd says, in the shapes of its versions, and what it is told.

Values are those of real daemons: of v0.0.38 of 22.05, of v0.0.40 of 23.11, of v0.0.44 of 25.11;
shortened, and with a little added to the nodes.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from suan.model.errors import InputError
from suan.pools.declared import load_pools
from suan.pools.slurm.login.clusterview import gres, usable
from suan.pools.slurm.login.commands import Job, Trouble
from suan.pools.slurm.login.rest import Rest
from suan.pools.slurm.login.restwords import job, node, number, partition, reservation, submission

NODE_38 = {
    "name": "c1-n1", "address": "127.0.0.1", "state": "idle", "state_flags": ["DRAIN"],
    "cpus": 64, "alloc_cpus": 3, "real_memory": 512000, "alloc_memory": 100,
    "gres": "gpu:h100:8", "gres_used": "gpu:h100:2(IDX:0-1)", "partitions": ["main", "long"],
}  # fmt: skip
NODE_44 = {
    "name": "c1-n2", "address": "127.0.0.1", "state": ["IDLE", "DRAIN"], "cpus": 64,
    "effective_cpus": 62, "alloc_cpus": 0, "alloc_idle_cpus": 64, "real_memory": 512000,
    "alloc_memory": 0, "specialized_memory": 2000, "gres": "gpu:h100:8", "gres_drained": "N/A",
    "gres_used": "gpu:h100:0(IDX:N/A)", "partitions": ["main"], "version": "25.11.8-0pre1",
    "boot_time": {"set": True, "infinite": False, "number": 1795913813},
}  # fmt: skip
UNLIMITED = {"set": False, "infinite": True, "number": 0}
PARTITION_44 = {
    "name": "main", "partition": {"state": ["UP"]},
    "maximums": {"cpus_per_node": UNLIMITED, "time": UNLIMITED},
    "defaults": {"time": {"set": False, "infinite": False, "number": 0}, "job": ""},
}  # fmt: skip


def test_nodes_of_either_shape() -> None:
    old, new = node(NODE_38), node(NODE_44)
    assert (old["State"], old["CPUTot"], old["MemSpecLimit"]) == ("IDLE+DRAIN", "64", "0")
    assert (new["State"], new["CPUTot"], new["MemSpecLimit"]) == ("IDLE+DRAIN", "62", "2000")
    assert not usable(old["State"])
    assert gres(new["Gres"]) == {"gpu:h100": 8}
    assert gres(new["GresUsed"]) == {"gpu:h100": 0}
    assert old["Partitions"] == "main,long"
    assert old["GresUsed"] == "gpu:h100:2(IDX:0-1)"


@pytest.mark.parametrize(
    "told",
    [
        {"name": "p", "state": "UP", "max_time_limit": -1, "default_time_limit": 90},
        {
            "name": "p",
            "partition": {"state": ["UP"]},
            "maximums": {"time": {"set": True, "infinite": True, "number": 0}},
            "defaults": {"time": {"set": True, "infinite": False, "number": 90}},
        },
    ],
)
def test_partitions_of_either_shape(told: dict[str, object]) -> None:
    assert partition(told) == {
        "PartitionName": "p", "State": "UP", "MaxTime": "UNLIMITED", "DefaultTime": "90:00",
    }  # fmt: skip


def test_a_partition_without_any_limit() -> None:
    told = partition(PARTITION_44)
    assert (told["State"], told["MaxTime"], told["DefaultTime"]) == ("UP", *["UNLIMITED"] * 2)


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


NO_ANSWER = {"description": "Failure to query nodes", "source": "_dump_nodes"}
ZERO_BYTES = {"error_number": 5005, "error": "Zero Bytes were transmitted or received"}
FORGED = {"error_number": 1007, "error": "Protocol authentication error"}
NO_CONTACT = {"error_number": 1800, "error": "Unable to contact slurm controller (connect failure)"}


class Recorded(Rest):
    """A daemon that gives recorded answers."""

    def __init__(self, answers: dict[str, tuple[int, Any]]) -> None:
        way = {"url": "http://c:6820", "user": "ada", "token_env": "HOME"}
        super().__init__(way, runs="", timeout_s=1)
        self.answers = answers

    def _call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return self.answers.get(path.removeprefix("/slurm/"), (404, {}))


@pytest.mark.parametrize(
    ("version", "statuses", "error", "word"),
    [
        (40, (200, 500), ZERO_BYTES, "auth"),
        (41, (500, 500), ZERO_BYTES, "auth"),
        (44, (511, 511), FORGED, "auth"),
        (44, (502, 502), NO_CONTACT, "unavailable"),
    ],
)
def test_partitions_left_out_mean_trouble_that_the_nodes_tell(
    version: int, statuses: tuple[int, int], error: dict[str, object], word: str
) -> None:
    meta = {"slurm": {"release": "of some release"}}
    rest = Recorded(
        {
            f"v0.0.{version}/ping": (200, {"pings": [], "meta": meta, "errors": []}),
            f"v0.0.{version}/partitions": (statuses[0], {"meta": meta, "errors": []}),
            f"v0.0.{version}/nodes": (statuses[1], {"meta": meta, "errors": [NO_ANSWER | error]}),
        }
    )
    with pytest.raises(Trouble) as raised:
        rest.show("partition")
    assert raised.value.word == word


def test_a_version_that_wants_accounting_is_passed_over() -> None:
    """As 23.02 answers where there is none."""
    said = "openapi_get_db_conn() failed to open slurmdb connection"
    no_database = {"description": said, "error_number": 7000, "source": "init_connection"}
    rest = Recorded(
        {
            "v0.0.39/ping": (500, {"errors": [no_database], "pings": []}),
            "v0.0.38/ping": (200, {"meta": {"Slurm": {"release": "23.02.8"}}, "errors": []}),
        }
    )
    assert rest.version() == "slurm 23.02.8, by slurmrestd v0.0.38"


def test_where_srun_is_can_be_said() -> None:
    way = {"url": "http://c:6820", "user": "ada", "path": "/opt/slurm/bin"}
    path = Rest(way, runs="", timeout_s=1).environment({})["PATH"]
    assert path.startswith("/opt/slurm/bin:/usr/local/sbin:")


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
