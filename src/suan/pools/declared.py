"""The pools of an installation: those of ``pools.yaml``, or this machine where there is no file.

docs/reference/pools-yaml.md lists every field.
"""

import re
from dataclasses import replace
from pathlib import Path

import yaml

from suan.model.errors import InputError
from suan.model.pool import Patience, Pool
from suan.model.reservation import Reservation
from suan.pools import kinds, quantities
from suan.pools.declaration import PoolDeclaration
from suan.pools.fields import Fields
from suan.pools.reserved import reservations

__all__ = ["PoolDeclaration", "load_pools", "load_simulated", "open_pool"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def load_pools(
    path: Path | None, *, home: Path, default_name: str = "local"
) -> tuple[PoolDeclaration, ...]:
    """Every declared pool, in the order of the file; this machine alone, as ``default_name``, if
    ``path`` is ``None``.

    Raises:
        InputError: with ``file:line``, before anything is opened.
    """
    if path is None:
        default = _compose(f"{{kind: local, name: {default_name}}}", "built in")
        fields = Fields(default, file="built in", what="the default pool")
        return (_declaration(fields, home=home, where=""),)
    top = Fields(_compose(_text(path), str(path)), file=str(path), what="pools.yaml")
    if top.node("reservations") is not None:
        raise top.error(
            "reservations in a pools file are for simulations",
            name="reservations",
            mend="take them out, and make them with `suan reservations make`",
        )
    return _declarations(top, home)


def load_simulated(
    path: Path, *, home: Path
) -> tuple[tuple[PoolDeclaration, ...], tuple[Reservation, ...]]:
    """Every declared pool, and what is reserved of their nodes in a simulation.

    Raises:
        InputError: with ``file:line``.
    """
    top = Fields(_compose(_text(path), str(path)), file=str(path), what="pools.yaml")
    entries = top.mappings("reservations") or []
    declared = _declarations(top, home)
    nodes = {each.name: [node.name for node in each.nodes or ()] for each in declared}
    return declared, reservations(entries, nodes)


def _declarations(top: Fields, home: Path) -> tuple[PoolDeclaration, ...]:
    entries = top.mappings("pools")
    top.end()
    if not entries:
        raise top.error(
            "pools.yaml declares no pools",
            mend="write `pools:` and below it `- {name: here, kind: local}`, or remove the file",
        )
    found: dict[str, PoolDeclaration] = {}
    for entry in entries:
        declaration = _declaration(entry, home=home, where=entry.where)
        if declaration.name in found:
            raise entry.error(
                f"two pools are called {declaration.name!r}",
                name="name",
                mend=f"rename one; the first is at {found[declaration.name].where}",
            )
        found[declaration.name] = declaration
    return tuple(found.values())


def open_pool(declaration: PoolDeclaration, *, home: Path) -> Pool:
    """Open a declared pool. What it keeps on disk lies under ``home``."""
    return kinds.kind(declaration.kind).open(declaration, home=home)


def _declaration(fields: Fields, *, home: Path, where: str) -> PoolDeclaration:
    name = fields.text("name")
    if name is None or not _NAME.fullmatch(name):
        raise fields.error(
            f"a pool needs a name, not {name!r}" if name else "a pool needs a name",
            name="name",
            mend="use lower-case letters, digits and inner hyphens, at most 63",
        )
    kind = fields.text("kind") or "local"
    if kind not in kinds.KINDS:
        raise fields.error(
            f"pool {name!r}: there is no kind of pool called {kind!r}",
            name="kind",
            mend=f"known kinds: {', '.join(sorted(kinds.KINDS))}",
        )
    declaration = kinds.kind(kind).declare(fields, home=home, where=where)
    declaration = replace(declaration, patience=_patience(fields))
    fields.end()
    return declaration


def _patience(fields: Fields) -> Patience:
    """How long the pool may be slow or silent, as far as its entry says."""
    own = fields.mapping("failover")
    if own is None:
        return Patience()
    found = Patience(
        call_timeout=own.parsed("call_s", quantities.some_seconds),
        launch_timeout=own.parsed("hang_s", quantities.some_seconds),
        answer_within=own.parsed("answer_s", quantities.some_seconds),
        launch_patience=own.parsed("launch_s", quantities.some_seconds),
        retry_most=own.parsed("probe_s", quantities.some_seconds),
        failures_to_lose=own.parsed("failures", quantities.count),
    )
    own.end()
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the pools file cannot be read: {error}",
            where=str(path),
            mend="give a readable file in UTF-8",
        ) from error


def _compose(text: str, file: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(
            f"not YAML: {error.problem or error.context}",
            where=f"{file}:{line}",
            mend="mend the syntax at that line",
        ) from error
    except yaml.YAMLError as error:
        raise InputError(
            f"not YAML: {error}", where=f"{file}:1", mend="save it as plain UTF-8 text"
        ) from error
    if node is None:
        raise InputError("the pools file is empty", where=f"{file}:1", mend="declare `pools:`")
    return node
