"""The bounds of JSON: what is counted is the structure, whatever stands in strings, and never one too few."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.kit import LIMITS
from penstock.engine.request.json_bounds import check_depth, check_json
from penstock.errors import ApiError
from penstock.limits import Limits

MARKS = st.text(alphabet='{}[]:,"\\ a\n\u00e9', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | MARKS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MARKS, inner, max_size=4),
    max_leaves=20,
)


class Size(NamedTuple):
    """What a value has of each."""

    values: int
    keys: int
    depth: int


def size_of(value: Any) -> Size:
    """Reckoned from the value itself."""
    if not isinstance(value, list | dict):
        return Size(0, 0, 0)
    within = [size_of(one) for one in (value.values() if isinstance(value, dict) else value)]
    return Size(
        values=1 + max(len(value) - 1, 0) + sum(one.values for one in within),
        keys=max([len(value) if isinstance(value, dict) else 0, *(one.keys for one in within)]),
        depth=1 + max((one.depth for one in within), default=0),
    )


def limited(size: Size) -> Limits:
    return msgspec.structs.replace(
        LIMITS, json_values_max=size.values, json_keys_max=size.keys, json_depth_max=size.depth
    )


def refusal(text: bytes, limits: Limits) -> str | None:
    try:
        check_json(text, limits)
        check_depth(msgspec.Raw(text), "x", limits)
    except ApiError as error:
        assert error.status == 400
        return error.code
    return None


@given(VALUES, st.sampled_from([None, 2]))
@example(["[", "]"], None)
@example(['\\"[', "\\\\"], None)
@example({"": {"": {}}}, None)
def test_the_bounds_are_those_of_the_value(value: Any, indent: int | None) -> None:
    text = json.dumps([value], indent=indent).encode()
    size = size_of([value])
    assert refusal(text, limited(size)) is None
    assert refusal(text, limited(size._replace(values=size.values - 1))) == "json_too_many_values"
    assert refusal(text, limited(size._replace(depth=size.depth - 1))) == "json_too_deep"
    if size.keys:
        assert refusal(text, limited(size._replace(keys=size.keys - 1))) == "object_above_max_properties"


@given(st.binary(max_size=50) | st.text(alphabet='{}[]:,"\\', max_size=50).map(str.encode))
def test_a_text_that_is_no_json_raises_nothing_else(text: bytes) -> None:
    refusal(text, limited(Size(3, 1, 2)))


@pytest.mark.parametrize(
    "text", [b'{"a":"%s"}' % (b"[{:," * 100), b'["%s"]' % (b'\\\\\\"[' * 100)], ids=["plain", "escaped"]
)
def test_marks_within_a_string_are_none(text: bytes) -> None:
    assert refusal(text, limited(Size(1, 1, 1))) is None


def test_json_that_is_too_deep_is_reported_by_its_parameter() -> None:
    with pytest.raises(ApiError) as caught:
        check_depth(msgspec.Raw(b"[" * 300 + b"]" * 300), "tools[1].parameters", LIMITS)
    assert caught.value.param == "tools[1].parameters"
    assert caught.value.message == "Invalid 'tools[1].parameters': nested too deeply. Expected at most 256 levels."
