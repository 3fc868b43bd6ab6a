"""The table's entry for Ray pools: reading a declaration, and opening one."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from suan.jobfile.quantities import parse_memory
from suan.model.units import DAY, MINUTE, SECOND
from suan.pools import quantities, terms
from suan.pools.declaration import PoolDeclaration
from suan.pools.fields import Fields
from suan.pools.ray.launching import Jobs
from suan.pools.ray.pool import RayPool, Way
from suan.pools.ray.translation import Names
from suan.pools.ray.watching import Manner

_DEFAULT_ADDRESS = "http://127.0.0.1:8265"
_DEFAULT_MEMORY_MIB = 1024
_TIMES = {  # the field, and its default in microseconds
    "poll_s": SECOND,
    "patience_s": 5 * MINUTE,
    "grace_s": 10 * SECOND,
    "keep_days": 7 * DAY,
}
_ADDRESS = re.compile(r"https?://[^/\s]+(/[^\s]*)?")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,40}")


class RayKind:
    """Declares and opens Ray pools."""

    def declare(self, fields: Fields, *, home: Path, where: str) -> PoolDeclaration:
        """Read an entry.

        Raises:
            InputError: with ``file:line``.
        """
        del home
        offer = terms.offered(fields, "ray", RayPool)
        return PoolDeclaration(offer=offer, options=_options(fields), where=where)

    def open(self, declaration: PoolDeclaration, *, home: Path) -> RayPool:
        """Open it; nothing is asked before its first call."""
        options = declaration.options
        times = {name: int(options.get(name, default)) / SECOND for name, default in _TIMES.items()}
        manner = Manner(
            pool=declaration.name,
            prefix=options.get("prefix", ""),
            poll_s=times["poll_s"],
            patience_s=times["patience_s"],
            keep_s=times["keep_days"],
        )
        jobs = Jobs(
            python=options.get("python", "python"),
            least_memory=int(options.get("default_memory", _DEFAULT_MEMORY_MIB)),
            grace_s=times["grace_s"],
            patience_s=times["patience_s"],
            keep_s=times["keep_days"],
            runtime_env=json.loads(options.get("runtime_env", "{}")),
        )
        token = options.get("token_file")
        way = Way(
            address=options.get("address", _DEFAULT_ADDRESS).rstrip("/"),
            token_file=Path(token).expanduser() if token else None,
            manner=manner,
            names=Names(json.loads(options.get("accelerators", "{}"))),
            jobs=jobs,
        )
        return RayPool(declaration.offer, way, home / "pools" / declaration.name / "runs")


def _options(fields: Fields) -> dict[str, str]:
    """What only this kind understands, as text."""
    found: dict[str, object | None] = {name: fields.text(name) for name in ("python", "token_file")}
    found["address"] = fields.parsed("address", _address)
    found["prefix"] = fields.parsed("prefix", _prefix)
    found["default_memory"] = fields.parsed("default_memory", parse_memory)
    for name in _TIMES:
        read = quantities.days if name == "keep_days" else quantities.seconds
        found[name] = fields.parsed(name, read)
    models = fields.mapping("accelerators")
    found["accelerators"] = json.dumps(models.each(str)) if models else None
    node = fields.node("runtime_env")
    found["runtime_env"] = json.dumps(_plain(fields, node)) if node is not None else None
    return {name: str(value) for name, value in found.items() if value is not None}


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r} is no address of a dashboard, such as {_DEFAULT_ADDRESS}")
    return text


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"{text!r} is not up to 40 letters, digits, '-' and '_'")
    return text


def _plain(fields: Fields, node: yaml.Node) -> dict[str, Any]:
    """Ray's runtime environment as it stands in the file."""
    value = yaml.SafeLoader("").construct_document(node)
    if not isinstance(value, dict):
        raise fields.error("runtime_env must be a mapping", node=node, mend="write `pip: [numpy]`")
    return value
