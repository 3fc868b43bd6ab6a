"""From a launch to what Kubernetes makes of it: an Indexed Job, and a Secret if one is needed."""

import base64
import gzip
import json
import posixpath
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from suan.content.manifest import is_plain
from suan.model.errors import PoolRejected
from suan.model.pool import Launch
from suan.model.resources import ANY_ACCELERATOR
from suan.model.units import SECOND
from suan.pools.environment import common
from suan.pools.kubernetes import delivering, kueue, marks
from suan.pools.kubernetes.objects import INDEX
from suan.pools.kubernetes.options import Options, volume
from suan.pools.script import SETUP_AND_RUN

CONTAINER = "task"
_WHOLE = 1000
_INLINE = 48 << 10  # of a script: Linux takes 128 KiB in one variable
_SECRET_MOST = 1_000_000  # bytes; Kubernetes takes a MiB in all
_TERMINATION_S = 15
_SLACK_S = 120  # beyond a time limit, which the keeper keeps, before Kubernetes ends the pod
_PORTS = 20000, 12000
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_HOME, _SENT, _CONTROL = "/run/suan", "/run/suan-script", "/run/suan-control"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run goes: each resource that a task takes there, in thousandths, and its image."""

    devices: Mapping[str, int]
    image: str
    source: str = ""  # the address that what the run brings is fetched from
    keeper: str = ""  # where what it leaves goes: ``delivering.Files.keeper``


@cache
def keeper() -> str:
    """The program that each container starts with."""
    text = resources.files("suan.pools.kubernetes").joinpath("keeper.sh").read_text("utf-8")
    kept = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in kept if line and not line.startswith("#"))


def image(launch: Launch, options: Options) -> str:
    """The image of a run: its job's, else the pool's.

    Raises:
        PoolRejected: there is none.
    """
    wanted = launch.image or options.image
    if not wanted:
        raise PoolRejected(
            f"pool {options.pool} has no image to run in",
            mend="write `image` into its entry of pools.yaml, or `image_id` into the job",
        )
    return wanted


def devices(launch: Launch, offered: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """Thousandths of each resource that a task takes, whichever of its nodes it is on.
    ``offered`` is each node's resources with their models.

    Raises:
        PoolRejected: a node has no such accelerator.
    """
    found: dict[str, int] = {}
    for model, amount in launch.per_task.accelerators:
        have = [
            resource
            for resource, offers in offered[0].items()
            if model in (offers, ANY_ACCELERATOR) and all(resource in each for each in offered)
        ]
        if not have:
            raise PoolRejected(f"node {launch.nodes[0]} has no {model}")
        found[min(have)] = amount
    return found


def secret(launch: Launch, options: Options, attempt: int) -> dict[str, Any] | None:
    """The Secret of a run: its secrets, and its script where that is long; ``None`` if neither.

    Raises:
        PoolRejected: it is longer than Kubernetes takes.
    """
    data = {f"env-{n}": value.encode() for n, value in enumerate(launch.secrets.values())}
    data |= {name: gzip.compress(text.encode(), mtime=0) for name, text in _long(launch).items()}
    if not data:
        return None
    size = sum(map(len, data.values()))
    if size > _SECRET_MOST:
        raise PoolRejected(
            f"its script and secrets take {size} bytes, and Kubernetes keeps {_SECRET_MOST}",
            mend="put what is long into a file, on a volume of the pool or in the image",
        )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": marks.job_name(launch.run, attempt),
            "labels": marks.labels(options.pool, launch.run, launch.job),
        },
        "immutable": True,
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


def job(launch: Launch, options: Options, place: Place, *, attempt: int) -> dict[str, Any]:
    """The Job of a run.

    Raises:
        PoolRejected: a variable, path or mount that cannot be had.
    """
    tasks = len(launch.nodes)
    name = marks.job_name(launch.run, attempt)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": marks.labels(options.pool, launch.run, launch.job) | _queue(options),
            "annotations": {marks.LAUNCH: marks.encoded(_asked(launch, place))},
        },
        "spec": {
            "completions": tasks,
            "parallelism": tasks,
            "completionMode": "Indexed",
            "backoffLimitPerIndex": 0,
            "maxFailedIndexes": tasks,  # suan ends the others, so that no log is lost
            "ttlSecondsAfterFinished": round(options.seconds("keep_days")),
            "suspend": options.kueue_queue is not None,
            "template": _template(launch, options, place, name=name),
        },
    }


def tombstone(
    run: str, options: Options, *, attempt: int, annotations: Mapping[str, str]
) -> dict[str, Any]:
    """A Job of a run's name that never makes a pod, so that no other of that name can come."""
    container = {"name": CONTAINER, "image": "none"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": marks.job_name(run, attempt),
            "labels": marks.labels(options.pool, run, ""),
            "annotations": {marks.LAUNCH: marks.encoded(marks.Asked(run)), **annotations},
        },
        "spec": {
            "completions": 1,
            "parallelism": 0,
            "completionMode": "Indexed",
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def _asked(launch: Launch, place: Place) -> marks.Asked:
    return marks.Asked(
        run=launch.run,
        nodes=list(launch.nodes),
        requests=requests(launch, place),
        at=marks.now_us(),
        limit_ms=0 if launch.time_limit is None else max(1, launch.time_limit // 1000),
        mark=_mark(launch.run),
        image=place.image,
        together=launch.stderr is not None and launch.stderr == launch.stdout,
        keeps=bool(place.keeper),
        ends=True,
    )


def _mark(run: str) -> str:
    """What a line of standard error begins with: an escape that terminals take in and ignore."""
    return f"\x1b]7777;{zlib.crc32(run.encode()):08x}\x07"


def _queue(options: Options) -> dict[str, str]:
    return {kueue.QUEUE: options.kueue_queue} if options.kueue_queue else {}


def _template(launch: Launch, options: Options, place: Place, *, name: str) -> dict[str, Any]:
    gang = len(launch.nodes) > 1
    labels = marks.labels(options.pool, launch.run, launch.job)
    if any(amount % _WHOLE for amount in place.devices.values()):
        labels[marks.SHARE] = str(sum(place.devices.values()))
    volumes, mounts = _volumes(launch, options, name)
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _TERMINATION_S,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "tolerations": [each.told() for each in options.tolerations],
        "volumes": volumes,
        "containers": [_container(launch, options, place, name=name) | {"volumeMounts": mounts}],
    }
    if launch.parcels:
        home = [{"name": "home", "mountPath": _HOME}]
        need = {each: requests(launch, place)[each] for each in ("cpu", "memory")}
        bringing = delivering.bringing(launch, options, place.source)
        more = {"volumeMounts": home, "resources": {"requests": need}}
        spec["initContainers"] = [bringing | more]
    given = {
        "nodeSelector": options.node_selector,
        "serviceAccountName": options.service_account,
        "runtimeClassName": options.runtime_class,
        "priorityClassName": options.priority_class,
        "imagePullSecrets": [{"name": each} for each in options.pull_secrets],
        "schedulingGates": [{"name": marks.GATE}] if gang else None,
        "affinity": None if gang else on_node(launch.nodes[0]),
        "activeDeadlineSeconds": _deadline(launch, options),
    }
    spec |= {field: value for field, value in given.items() if value}
    return {"metadata": {"labels": labels}, "spec": spec}


def on_node(node: str) -> dict[str, Any]:
    """An affinity to one node alone."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _deadline(launch: Launch, options: Options) -> int | None:
    """Kubernetes' own limit, far enough behind the keeper's that it only ends what that cannot."""
    if launch.time_limit is None:
        return None
    own = launch.time_limit / SECOND + options.seconds("grace_s") + options.seconds("patience_s")
    return round(own) + _SLACK_S


def _container(launch: Launch, options: Options, place: Place, *, name: str) -> dict[str, Any]:
    reserved = requests(launch, place)
    return {
        "name": CONTAINER,
        "image": place.image,
        "command": ["bash", "-c", keeper(), "suan"],
        "env": _environment(launch, options, place, name=name),
        "resources": {"requests": reserved, "limits": limits(launch, place)},
        "terminationMessagePolicy": "File",
    }


def requests(launch: Launch, place: Place) -> dict[str, str]:
    """What a pod reserves: whole devices, where a task takes a part of one."""
    need = launch.per_task
    memory = min(need.memory_mib, launch.memory_limit_mib or need.memory_mib)
    whole = {each: str(-(-amount // _WHOLE)) for each, amount in place.devices.items()}
    return {"cpu": f"{need.cpu_milli}m", "memory": f"{memory}Mi", **whole}


def limits(launch: Launch, place: Place) -> dict[str, str]:
    """What a pod may take at most, as far as it is said."""
    found = {each: requests(launch, place)[each] for each in place.devices}
    if launch.memory_limit_mib:
        found["memory"] = f"{launch.memory_limit_mib}Mi"
    return found


def _environment(
    launch: Launch, options: Options, place: Place, *, name: str
) -> list[dict[str, Any]]:
    count = sum(-(-amount // _WHOLE) for amount in place.devices.values())
    tasks = len(launch.nodes)
    given = common(launch, [""] * tasks, devices=count)
    for variable in ("SUAN_NODE_IPS", "SKYPILOT_NODE_IPS", "MASTER_ADDR", *launch.secrets):
        given.pop(variable, None)  # addresses are known later; secrets come from the Secret
    if not place.devices:  # images for NVIDIA's have it say that they may use all there are
        given.setdefault("NVIDIA_VISIBLE_DEVICES", "void")
    first, span = _PORTS
    given["MASTER_PORT"] = str(first + zlib.crc32(launch.run.encode()) % span)
    given |= _for_keeper(launch, options)
    if place.keeper:
        given |= _leaving(launch, place.keeper)
    for variable in (*given, *launch.secrets):
        if not _NAME.fullmatch(variable):
            raise PoolRejected(
                f"the environment variable {variable!r} cannot be set",
                mend="Kubernetes takes letters, digits, '-', '_' and '.' in a variable's name",
            )
    # Kubernetes replaces $(NAME) in values, and $$ by $
    found: list[dict[str, Any]] = [
        {"name": each, "value": value.replace("$", "$$")} for each, value in given.items()
    ]
    found += [
        {"name": each, "valueFrom": {"secretKeyRef": {"name": name, "key": f"env-{number}"}}}
        for number, each in enumerate(launch.secrets)
    ]
    index = f"metadata.annotations['{INDEX}']"
    for variable, path in (
        ("SUAN_TASK_RANK", index), ("SUAN_NODE", "spec.nodeName"), ("SUAN_K_IP", "status.podIP"),
    ):  # fmt: skip
        found.append({"name": variable, "valueFrom": {"fieldRef": {"fieldPath": path}}})
    return found


def _for_keeper(launch: Launch, options: Options) -> dict[str, str]:
    """What the keeper alone needs; the script does not see it."""
    asked = {
        "GANG": "1" if len(launch.nodes) > 1 else "0",
        "MARK": _mark(launch.run),
        "LIMIT_MS": str(0 if launch.time_limit is None else max(1, launch.time_limit // 1000)),
        "GRACE_MS": str(round(1000 * options.seconds("grace_s"))),
        "MOUNTS": _links(launch),
    }
    long = _long(launch)
    if "run" not in long:
        asked["RUN"] = launch.script
    if launch.setup is not None:
        asked["BOTH"] = SETUP_AND_RUN
        if "setup" not in long:
            asked["SETUP"] = launch.setup
    paths = {"WORKDIR": launch.workdir, "STDOUT": launch.stdout, "STDERR": launch.stderr}
    asked |= {variable: path for variable, path in paths.items() if path is not None}
    if launch.workdir is not None and not launch.workdir.startswith("/"):
        mend = "submit with the command line, which makes it absolute"
        raise PoolRejected(f"workdir {launch.workdir!r} is not an absolute path", mend=mend)
    return {f"SUAN_K_{key}": value for key, value in asked.items()}


def _leaving(launch: Launch, keeper: str) -> dict[str, str]:
    named = [posixpath.normpath(each) for each in launch.outputs]
    named = [each for each in named if is_plain(each) and "\n" not in each]
    told = {"FILES": keeper, "NAMED": "\n".join(named), "NAMED_TOLD": json.dumps(named)}
    return {f"SUAN_K_{key}": value for key, value in told.items()}


def _long(launch: Launch) -> dict[str, str]:
    """The scripts that are too long for a variable."""
    scripts = {"run": launch.script, "setup": launch.setup or ""}
    return {name: text for name, text in scripts.items() if len(text.encode()) > _INLINE}


def _links(launch: Launch) -> str:
    """``file_mounts`` as links to make below the working directory: path, tab, source, by lines.

    Raises:
        PoolRejected: a source is remote, or a destination lies outside.
    """
    workdir = launch.workdir or f"{_HOME}/work"
    lines = []
    for destination, source in sorted(launch.file_mounts.items()):
        if "://" in source:
            raise PoolRejected(
                f"file_mounts: {destination!r} comes from {source!r}; a Kubernetes pool cannot "
                "fetch URLs",
                mend="fetch it in `setup`, or give a path on a volume of the pool",
            )
        link = posixpath.normpath(posixpath.join(workdir, destination))
        if not link.startswith(workdir.rstrip("/") + "/"):
            raise PoolRejected(
                f"file_mounts: {destination!r} lies outside the working directory",
                mend="use a relative destination: mounts are made below the workdir only",
            )
        lines.append(f"{link}\t{posixpath.normpath(posixpath.join(workdir, source))}")
    return "\n".join(lines)


def _volumes(
    launch: Launch, options: Options, name: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A pod's volumes, and where its container has them."""
    annotation = "metadata.annotations['{}']"
    told = [
        {"path": path, "fieldRef": {"fieldPath": annotation.format(mark)}}
        for path, mark in (("go", marks.GO), ("end", marks.TELL))
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "home", "emptyDir": {}},
        {"name": "control", "downwardAPI": {"items": told}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "home", "mountPath": _HOME},
        {"name": "control", "mountPath": _CONTROL, "readOnly": True},
    ]
    if long := _long(launch):
        items = [{"key": each, "path": each} for each in long]
        volumes.append({"name": "script", "secret": {"secretName": name, "items": items}})
        mounts.append({"name": "script", "mountPath": _SENT, "readOnly": True})
    for number, (path, source) in enumerate(options.volumes.items()):
        volumes.append(volume(f"v{number}", source))
        mounts.append({"name": f"v{number}", "mountPath": path})
    return volumes, mounts
