"""What an entry of ``pools.yaml`` says that only a Kubernetes pool understands."""

import json
import re
from dataclasses import dataclass, field

from suan.model.units import DAY, MINUTE, SECOND
from suan.pools import quantities
from suan.pools.fields import Fields
from suan.pools.kubernetes.devices import Names

_TEXTS = ("kubeconfig", "context", "namespace", "image", "service_account", "kueue_queue",
          "runtime_class", "priority_class", "model_label", "files_claim",
          "files_image")  # fmt: skip
_TIMES = {"grace_s": 10 * SECOND, "patience_s": 5 * MINUTE, "gang_patience_s": 2 * MINUTE,
          "linger_s": 10 * MINUTE, "keep_days": 7 * DAY}  # fmt: skip
_MAPPINGS = ("accelerators", "node_selector", "volumes")
_TOLERATION = re.compile(r"([^=:]+)?(?:=([^=:]*))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?")
_CLAIM, _HOST = "pvc:", "host:"


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that suan's pods put up with; an empty ``key`` is every one."""

    key: str = ""
    value: str | None = None
    effect: str = ""

    def covers(self, key: str, value: str, effect: str) -> bool:
        """Whether it is meant for such a taint."""
        same = self.key in ("", key) and self.effect in ("", effect)
        return same and self.value in (None, value)

    def told(self) -> dict[str, str]:
        """As Kubernetes takes it."""
        found = {"operator": "Exists" if self.value is None else "Equal"}
        parts = {"key": self.key, "value": self.value or "", "effect": self.effect}
        return found | {name: part for name, part in parts.items() if part}


@dataclass(frozen=True, slots=True)
class Options:
    """One pool's. Times are in microseconds; ``volumes`` maps a path in the pods to its source."""

    pool: str
    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    image: str | None = None
    service_account: str | None = None
    kueue_queue: str | None = None
    runtime_class: str | None = None
    priority_class: str | None = None
    files_claim: str | None = None
    files_image: str | None = None
    names: Names = Names()
    tolerations: tuple[Toleration, ...] = ()
    node_selector: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    pull_secrets: tuple[str, ...] = ()
    times: dict[str, int] = field(default_factory=lambda: dict(_TIMES))

    def seconds(self, name: str) -> float:
        return self.times[name] / SECOND


def read(fields: Fields) -> dict[str, str]:
    """The options of an entry, as text.

    Raises:
        InputError: with ``file:line``.
    """
    found: dict[str, object | None] = {name: fields.text(name) for name in _TEXTS}
    for name in _MAPPINGS:
        mapping = fields.mapping(name)
        of_volumes = name == "volumes"
        found[name] = json.dumps(mapping.each(_volume if of_volumes else str)) if mapping else None
    for name in ("tolerations", "pull_secrets"):
        found[name] = json.dumps(list(fields.texts(name))) if fields.node(name) else None
    for text in fields.texts("tolerations"):
        if not _TOLERATION.fullmatch(text.removeprefix("*")):
            raise fields.error(
                f"tolerations: {text!r} is none",
                name="tolerations",
                mend="write `key`, `key=value`, `key:NoSchedule`, `key=value:NoSchedule` or `*`",
            )
    for name in _TIMES:
        parse = quantities.days if name == "keep_days" else quantities.seconds
        found[name] = fields.parsed(name, parse)
    return {name: str(value) for name, value in found.items() if value is not None}


def options(pool: str, told: dict[str, str]) -> Options:
    """The same, ready for use."""
    texts = {name: told[name] for name in _TEXTS if name in told and name != "model_label"}
    return Options(
        pool=pool,
        **texts,
        names=Names(json.loads(told.get("accelerators", "{}")), told.get("model_label")),
        tolerations=tuple(map(_toleration, json.loads(told.get("tolerations", "[]")))),
        node_selector=json.loads(told.get("node_selector", "{}")),
        volumes=json.loads(told.get("volumes", "{}")),
        pull_secrets=tuple(json.loads(told.get("pull_secrets", "[]"))),
        times={name: int(told.get(name, default)) for name, default in _TIMES.items()},
    )


def volume(name: str, source: str) -> dict[str, object]:
    """A volume of a pod, as Kubernetes takes it."""
    if source.startswith(_CLAIM):
        return {"name": name, "persistentVolumeClaim": {"claimName": source.removeprefix(_CLAIM)}}
    return {"name": name, "hostPath": {"path": source.removeprefix(_HOST)}}


def _volume(text: str) -> str:
    if not text.startswith((_CLAIM, _HOST + "/")):
        raise ValueError(f"{text!r} must be pvc:CLAIM or host:/PATH")
    return text


def _toleration(text: str) -> Toleration:
    match = _TOLERATION.fullmatch(text.removeprefix("*"))
    assert match is not None
    return Toleration(match.group(1) or "", match.group(2), match.group(3) or "")
