"""Quick values are what their plain dataclasses would be, in everything but the time it takes."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import msgspec
import pytest

from suan.model.events import JobSubmitted, RunEnded, RunStarted
from suan.model.plan import Finish, Place, Plan
from suan.model.refusal import Refusal
from suan.model.value import Hashed, hashed_once, quick

QUICK = (JobSubmitted, RunEnded, RunStarted, Finish, Place, Plan, Refusal)


@dataclass(frozen=True, slots=True)
class Plain:
    at: int
    names: tuple[str, ...] = ()
    of: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    at: int
    names: tuple[str, ...] = ()
    of: str | None = None


@pytest.mark.parametrize("cls", QUICK)
def test_a_quick_class_is_a_frozen_dataclass_with_slots(cls: type) -> None:
    made = cls(*[f"value of {field.name}" for field in fields(cls)])
    assert type(made) is cls
    assert not hasattr(made, "__dict__")
    for field in fields(cls):
        assert getattr(made, field.name) == f"value of {field.name}"
        with pytest.raises(FrozenInstanceError):
            setattr(made, field.name, "another")
        with pytest.raises(FrozenInstanceError):
            delattr(made, field.name)
    assert made == cls(*[getattr(made, field.name) for field in fields(cls)])


@pytest.mark.parametrize(
    ("args", "named"), [((1,), {}), ((1, ("a",)), {"of": "x"}), ((), {"at": 2})]
)
def test_it_takes_what_the_plain_one_takes(args: tuple, named: dict) -> None:
    plain, made = Plain(*args, **named), Quick(*args, **named)
    assert repr(made) == repr(plain).replace("Plain", "Quick")
    assert hash(made) == hash(plain)
    assert made == Quick(*args, **named) != replace(made, at=9)
    assert made != plain


@pytest.mark.parametrize("named", [{}, {"at": 1, "off": 2}])
def test_it_refuses_what_the_plain_one_refuses(named: dict) -> None:
    with pytest.raises(TypeError):
        Quick(**named)


def test_it_is_copied_and_written_like_any_other() -> None:
    made = Quick(1, ("a", "b"), of="x")
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == copy.copy(made) == made
    assert msgspec.json.decode(msgspec.json.encode(made), type=Quick) == made


def test_a_hash_that_is_worked_out_once_is_the_plain_one() -> None:
    @dataclass(frozen=True, slots=True)
    class PlainKey:
        name: str
        parts: tuple[Plain, ...] = ()

    @hashed_once
    @dataclass(frozen=True, slots=True)
    class Key(Hashed):
        name: str
        parts: tuple[Plain, ...] = ()

    made, equal = Key("a", (Plain(1),)), Key("a", (Plain(1),))
    assert hash(made) == hash(PlainKey("a", (Plain(1),))) == hash(made) == hash(equal)
    assert {made: 1}[equal] == 1
    assert hash(replace(made, name="b")) == hash(Key("b", (Plain(1),)))
    assert hash(copy.deepcopy(made)) == hash(made)
    with pytest.raises(FrozenInstanceError):
        made.name = "b"  # type: ignore[misc] # that is the test
    assert msgspec.json.encode(made) == msgspec.json.encode(PlainKey("a", (Plain(1),)))
