"""Events survive the journal: every type, every value."""

import dataclasses
import zlib
from typing import get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suan.model.errors import StoreCorrupt
from suan.model.events import EVENT_TYPES, Event
from suan.model.policy import BACKFILLS, DISCIPLINES, Policy
from suan.model.quota import Limits, Quota
from suan.model.reservation import Reservation
from suan.model.spec import CHECKPOINT_SIGNALS, Checkpoint, RetryPolicy
from suan.store.codec import decode_events, encode_events

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-(2**63), 2**63 - 1)
st.register_type_strategy(str, texts)
st.register_type_strategy(int, numbers)


def built(kind: type) -> st.SearchStrategy[Event]:
    """Any value of an event's type, from the types of its fields."""
    return st.builds(kind, **{f.name: _field(kind, f.name) for f in dataclasses.fields(kind)})


counts = st.integers(0, 2**31)
amounts = st.dictionaries(texts, counts, max_size=4).map(lambda found: tuple(sorted(found.items())))
names = st.sets(texts, max_size=3).map(lambda found: tuple(sorted(found)))
CHECKED = {  # values that refuse nonsense when they are made
    "retry": st.builds(
        RetryPolicy, max_failures=counts, max_lost=counts, max_preempted=counts, backoff=counts
    ),
    "checkpoint": st.none()
    | st.builds(
        Checkpoint,
        signal=st.sampled_from(CHECKPOINT_SIGNALS),
        grace=st.none() | counts,
        interval=st.none() | st.integers(1, 2**31),
    ),
    "policy": st.builds(
        Policy,
        discipline=st.sampled_from(DISCIPLINES),
        backfill=st.sampled_from(BACKFILLS),
        preemption=st.just(False),
        half_life=st.integers(1, 2**62),
        min_run_time=counts,
    ),
    "quota": st.one_of(
        st.builds(Quota, guarantee=amounts, cohort=texts), st.builds(Quota, ceiling=amounts)
    ),
    "reservation": st.builds(
        Reservation,
        nodes=names.filter(bool),
        begin=st.integers(-(2**63), 0),
        end=st.integers(1, 2**63 - 1),
        tenants=names,
        users=names,
    ),
    "limits": st.builds(
        Limits,
        running=st.none() | counts,
        pending=st.none() | counts,
        device_hours=st.none() | counts,
        money=st.none() | counts,
    ),
}


def _field(kind: type, name: str) -> st.SearchStrategy[object]:
    return CHECKED[name] if name in CHECKED else st.from_type(get_type_hints(kind)[name])


events = st.one_of([built(kind) for kind in EVENT_TYPES])


@settings(max_examples=300, deadline=None)
@given(st.lists(events, max_size=6))
def test_events_come_back_equal(some: list[Event]) -> None:
    back = decode_events(encode_events(some), where="entry")
    assert back == tuple(some)
    assert [type(event) for event in back] == [type(event) for event in some]


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_type_of_event(kind: type, data: st.DataObject) -> None:
    event = data.draw(built(kind))
    assert decode_events(encode_events([event]), where="entry") == (event,)


def packed(value: object) -> bytes:
    return b"\x01" + zlib.compress(msgspec.msgpack.encode(value))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "unknown format empty"),
        (b"\x02abc", "unknown format 02"),
        (b"\x01abc", "header"),
        (packed("text"), "Expected"),
        (packed([["JobTeleported", {}]]), "unknown event type 'JobTeleported'"),
        (packed([["TimePassed", {}]]), "at"),
        (packed([["TimePassed", {"at": "noon"}]]), "Expected"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(data: bytes, why: str) -> None:
    with pytest.raises(StoreCorrupt, match="entry 7 cannot be read") as refused:
        decode_events(data, where="entry 7")
    assert why in refused.value.message
    assert refused.value.mend


@given(st.binary(max_size=64))
def test_noise_is_never_anything_but_corrupt(data: bytes) -> None:
    try:
        decode_events(data, where="entry")
    except StoreCorrupt:
        return
    raise AssertionError("noise was read as events")


def test_a_field_of_a_newer_suan_is_passed_over() -> None:
    data = packed([["TimePassed", {"at": 5, "mood": "calm"}]])
    (event,) = decode_events(data, where="entry")
    assert (type(event).__name__, event.at) == ("TimePassed", 5)
