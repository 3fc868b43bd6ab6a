"""Reading one mapping of a YAML file, field by field, with the line of each in every error."""

from collections.abc import Callable
from difflib import get_close_matches
from typing import TypeVar

import yaml

from suan.model.errors import InputError

_T = TypeVar("_T")


class Fields:
    """A mapping of the file. Each reading method says which field it knows; ``end`` refuses the
    others by name and line, with the nearest known one."""

    def __init__(self, node: yaml.Node, *, file: str, what: str) -> None:
        """Raises:
        InputError: it is no mapping, or names a field twice.
        """
        self._file = file
        self._what = what
        self._node = node
        self._known: list[str] = []
        self._values: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            raise self.error(f"{what} must be a mapping", node=node, mend="write `name: value`")
        for key, value in node.value:
            name = str(key.value)
            if name in self._values:
                raise self.error(f"{what} names {name!r} twice", node=key, mend="keep one of them")
            self._values[name] = value

    @property
    def where(self) -> str:
        """``file:line`` of the mapping."""
        return f"{self._file}:{self._node.start_mark.line + 1}"

    def error(
        self, message: str, *, name: str | None = None, node: yaml.Node | None = None, mend: str
    ) -> InputError:
        """An error at a field's line, or at ``node``'s, or at the mapping's."""
        at = node or self._values.get(name or "") or self._node
        return InputError(message, where=f"{self._file}:{at.start_mark.line + 1}", mend=mend)

    def node(self, name: str) -> yaml.Node | None:
        """A field as it stands in the file; ``None`` if it is absent or null."""
        self._known.append(name)
        node = self._values.get(name)
        if node is None or node.tag == "tag:yaml.org,2002:null":
            return None
        return node

    def text(self, name: str) -> str | None:
        """A field that is one plain value."""
        node = self.node(name)
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(
                f"{self._what}: {name} must be one value", name=name, mend=f"write `{name}: value`"
            )
        return str(node.value)

    def parsed(self, name: str, parse: Callable[[str], _T]) -> _T | None:
        """A field read by ``parse``, whose ``ValueError`` becomes an error at the line."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise self.error(
                f"{self._what}: {name}: {error}", name=name, mend=f"mend the value of {name}"
            ) from error

    def mapping(self, name: str) -> "Fields | None":
        """A field that is a mapping."""
        node = self.node(name)
        if node is None:
            return None
        return Fields(node, file=self._file, what=f"{self._what}: {name}")

    def mappings(self, name: str) -> "list[Fields] | None":
        """A field that is a list of mappings."""
        node = self.node(name)
        if node is None:
            return None
        items = self._items(name, node)
        return [
            Fields(item, file=self._file, what=f"{self._what}: {name}[{index}]")
            for index, item in enumerate(items)
        ]

    def texts(self, name: str) -> tuple[str, ...]:
        """A field that is a list of plain values, or one alone."""
        node = self.node(name)
        if node is None:
            return ()
        if isinstance(node, yaml.ScalarNode):
            return (str(node.value),)
        items = self._items(name, node)
        if not all(isinstance(item, yaml.ScalarNode) for item in items):
            raise self.error(
                f"{self._what}: {name} must list plain values", name=name, mend="write `[a, b]`"
            )
        return tuple(str(item.value) for item in items)

    def each(self, parse: Callable[[str], _T]) -> dict[str, _T]:
        """Every field of this mapping, whatever its name, read by ``parse``."""
        found: dict[str, _T] = {}
        for name in self._values:
            value = self.parsed(name, parse)
            if value is None:
                raise self.error(
                    f"{self._what}: {name} has no value", name=name, mend="write one, or drop it"
                )
            found[name] = value
        return found

    def end(self) -> None:
        """Refuse what was not asked for.

        Raises:
            InputError: a field is unknown.
        """
        for name, node in self._values.items():
            if name not in self._known:
                near = get_close_matches(name, self._known, n=1, cutoff=0.8)
                mend = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self._known)}"
                raise self.error(f"{self._what} has no field {name!r}", node=node, mend=mend)

    def _items(self, name: str, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(
                f"{self._what}: {name} must be a list", name=name, mend="write `- item` lines"
            )
        return list(node.value)
