"""Values that are made by the hundred thousand a second.

A frozen dataclass sets each of its fields through ``object.__setattr__``: for an event of eighteen
fields that takes six times as long as the fields are worth. ``quick`` makes the same class, and
the same promises, without that (docs/decisions/0010-quick-values.md).
"""

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")

_set_class = object.__dict__["__class__"].__set__


def quick(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, made as fast as one that is not frozen.

    While its fields are set, a new object is of another class with the same slots, whose
    attributes may be assigned. Above ``@dataclass(frozen=True, slots=True)``; for classes whose
    defaults are values and that check nothing in ``__post_init__``.
    """
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type] # a dataclass, as told
    draft = type(f"{cls.__name__}Draft", (), {"__slots__": tuple(names)})
    scope: dict[str, Any] = {"_draft": draft, "_final": cls, "_set_class": _set_class}
    parameters = ["self"]
    for field in fields(cls):  # type: ignore[arg-type] # a dataclass, as told
        if field.default is MISSING:
            parameters.append(field.name)
        else:
            scope[f"_{field.name}"] = field.default
            parameters.append(f"{field.name}=_{field.name}")
    lines = [f"def __init__({', '.join(parameters)}):", " _set_class(self, _draft)"]
    lines += [f" self.{name} = {name}" for name in names]
    lines.append(" self.__class__ = _final")
    exec("\n".join(lines), scope)  # noqa: S102 # as dataclasses do: no input but field names
    made = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = cls.__init__.__annotations__
    cls.__init__ = made  # type: ignore[method-assign] # that is the purpose
    return cls


class Hashed:
    """What a class with ``hashed_once`` inherits from: room for its hash."""

    __slots__ = ("_hash",)


def hashed_once(cls: type[T]) -> type[T]:
    """A frozen dataclass that works its hash out once: for keys with parts within parts, each of
    which would be hashed anew at every look-up. Above ``@dataclass(frozen=True, slots=True)``; the
    class is ``Hashed``."""
    work_out = cls.__hash__
    keep = Hashed.__dict__["_hash"].__set__

    def kept(self: T) -> int:
        try:
            found: int = self._hash  # type: ignore[attr-defined] # the class is Hashed
        except AttributeError:
            found = work_out(self)
            keep(self, found)
        return found

    cls.__hash__ = kept  # type: ignore[assignment, method-assign] # that is the purpose
    return cls
