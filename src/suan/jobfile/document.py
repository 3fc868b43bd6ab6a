"""YAML text to nodes with line numbers, within limits that no hostile file can stretch."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from suan.jobfile.problems import FieldError, JobFileError, Problem, Problems, Spot
from suan.model.errors import InputError

MAX_JOB_FILE_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_NODES = 200_000  # after aliases are followed: room for an array of 100,000 listed indices
MAX_DOCUMENTS = 1000

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE_TAG = "tag:yaml.org,2002:"
_NULL, _MERGE = f"{_CORE_TAG}null", f"{_CORE_TAG}merge"


def decode(data: str | bytes, *, filename: str) -> str:
    """The file's text, refused beforehand if it is too large, not UTF-8, or binary.

    Raises:
        InputError: it is one of these.
    """
    size = len(data)
    if size > MAX_JOB_FILE_BYTES:
        raise InputError(
            f"the job file has {size:,} bytes; the limit is {MAX_JOB_FILE_BYTES:,} (1 MiB)",
            where=filename,
            mend="keep data and code in files beside it and name them with workdir or file_mounts",
        )
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        raw = text.encode("utf-8")
    except UnicodeError as error:
        raise InputError(
            f"the job file is not UTF-8 text: {error.reason if hasattr(error, 'reason') else error}"
            f" at byte {getattr(error, 'start', 0)}",
            where=filename,
            mend="save it as UTF-8, or give the job file instead of a program or an archive",
        ) from None
    if len(raw) > MAX_JOB_FILE_BYTES:
        return decode(raw, filename=filename)
    return text.removeprefix("\ufeff")


@dataclass(frozen=True, slots=True)
class At:
    """A node and the dotted path of the field it is the value of."""

    node: yaml.Node
    path: str = ""

    @property
    def spot(self) -> Spot:
        mark = self.node.start_mark
        return Spot(mark.line + 1, mark.column + 1, self.path)

    @property
    def is_null(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == _NULL

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def kind(self) -> str:
        """What stands here, in a reader's words."""
        if self.is_mapping:
            return "a mapping"
        if self.is_list:
            return "a list"
        return "nothing" if self.is_null else f"{self.node.value!r}"

    @property
    def names(self) -> set[str]:
        """The names of a mapping's fields; none of anything else."""
        if not self.is_mapping:
            return set()
        return {key.value for key, _ in self.node.value if isinstance(key, yaml.ScalarNode)}

    def items(self) -> "list[At]":
        """The items of a list."""
        return [At(item, f"{self.path}[{i}]") for i, item in enumerate(self.node.value)]


def compose(text: str, problems: Problems) -> list[At]:
    """The root node of each document in the text, empty documents left out.

    Raises:
        JobFileError: it is not YAML, or goes over a limit.
    """
    try:
        _measure(text)
        roots = list(yaml.compose_all(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        _add_syntax_error(error, text, problems)
        problems.raise_errors()
        raise  # pragma: no cover - raise_errors has raised
    except FieldError as error:
        problems.error(error.spot or Spot(1, 1), error.message, mend=error.mend)
        problems.raise_errors()
        raise  # pragma: no cover - raise_errors has raised
    documents = [at for at in map(At, roots) if not at.is_null]
    for at in documents:
        _check_expansion(at, problems)
    problems.raise_errors()
    return documents


def _measure(text: str) -> None:
    """Bound depth and documents on the event stream, before anything recursive sees the text."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} levels deep"
            raise FieldError(message, mend="a job file needs about five", spot=_spot(event))
        if documents > MAX_DOCUMENTS:
            message = f"more than {MAX_DOCUMENTS} documents in one file"
            mend = "use array: or sweep:, or several files"
            raise FieldError(message, mend=mend, spot=_spot(event))


def _spot(event: yaml.Event) -> Spot:
    mark = event.start_mark
    assert mark is not None  # only events built by hand have none
    return Spot(mark.line + 1, mark.column + 1)


def _check_expansion(at: At, problems: Problems) -> None:
    sizes: dict[int, int] = {}
    try:
        if _expanded_size(at.node, sizes) > MAX_NODES:
            problems.error(
                at.spot,
                f"the document has more than {MAX_NODES:,} values once its aliases are followed",
                mend="write fewer values; aliases (*name) of aliases multiply",
            )
    except RecursionError:
        problems.error(at.spot, "an alias (*name) refers to itself", mend="remove the alias")


def _expanded_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """The number of nodes below and including this one, each alias counted again."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    known = sizes.get(id(node))
    if known == 0:
        raise RecursionError
    if known is None:
        sizes[id(node)] = 0
        known = 1 + sum(_expanded_size(child, sizes) for child in _children(node))
        sizes[id(node)] = known
    return known


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    for child in node.value:
        if isinstance(child, tuple):
            yield from child
        else:
            yield child


def _add_syntax_error(error: yaml.YAMLError, text: str, problems: Problems) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if mark is None:
        line, column = _line_and_column(text, getattr(error, "position", 0) or 0)
    else:
        line, column = mark.line + 1, mark.column + 1
    lines = text.splitlines()
    source = lines[line - 1] if line <= len(lines) else ""
    context = getattr(error, "context", None)
    message = f"not valid YAML: {problem}" + (f", {context}" if context else "")
    problems.error(Spot(line, column), message, mend=_syntax_mend(text, source))


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def _syntax_mend(text: str, source: str) -> str:
    if re.search(r"^#SBATCH", text, re.MULTILINE):
        return "a Slurm script needs a first line such as #!/bin/bash"
    if "\t" in source:
        return "YAML allows no tab here; use spaces"
    if source.count(": ") > 1 or source.rstrip().endswith(":"):
        return 'put quotes around a value that holds ": "'
    return "check the indentation and the quotes of this line and of the one above"


def fields_of(at: At, problems: Problems) -> dict[str, tuple[At, Spot]]:
    """A mapping's fields by name, merge keys (``<<``) followed: the value, and the key's spot.

    A key that is no text or stands twice is added to ``problems``.
    """
    found: dict[str, tuple[At, Spot]] = {}
    merged: dict[str, tuple[At, Spot]] = {}
    for key, value in at.node.value:
        spot = At(key, at.path).spot
        if key.tag == _MERGE:
            merged = {**_merged(At(value, at.path), problems), **merged}
        elif not isinstance(key, yaml.ScalarNode):
            problems.error(spot, "a field's name must be text", mend="write name: value")
        elif key.value in found:
            first = found[key.value][1].line
            name = _joined(at.path, key.value)
            problems.error(
                Spot(spot.line, spot.column, name),
                f"stands twice; it was first given on line {first}",
                mend="remove one of them",
            )
        else:
            path = _joined(at.path, key.value)
            found[key.value] = (At(value, path), Spot(spot.line, spot.column, path))
    return {**merged, **found}


def _merged(at: At, problems: Problems) -> dict[str, tuple[At, Spot]]:
    sources = at.items() if at.is_list else [at]
    found: dict[str, tuple[At, Spot]] = {}
    for source in reversed(sources):
        if source.is_mapping:
            found.update(fields_of(At(source.node, at.path), problems))
        else:
            problems.error(source.spot, "<<: needs a mapping", mend="name one with *anchor")
    return found


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


__all__ = ["MAX_JOB_FILE_BYTES", "At", "JobFileError", "Problem", "compose", "decode", "fields_of"]
