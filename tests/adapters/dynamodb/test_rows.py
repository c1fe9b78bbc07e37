"""What a row is made of: attributes, blobs in pieces, items, and the trails of chains."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import pytest

from conformance.kit import item
from penstock_adapters.dynamodb.attributes import Attribute, decode, encode
from penstock_adapters.dynamodb.blobs import PIECE_BYTES_MAX, Split, piece_keys
from penstock_adapters.dynamodb.items import bodies_of, home_key, index_of, items_of
from penstock_adapters.dynamodb.table import Key
from penstock_adapters.dynamodb.trails import FAR_MAX, NEAR_MAX, Trails, trail_of


@pytest.mark.parametrize(
    "value", ["a", 0, 12, -7, 1.5, 1e300, True, False, b"\0\xff", {"a": 1, "b": ["x", b"y"]}, [1, 2.5, "x"]]
)
def test_attributes_come_back(value: Any) -> None:
    import msgspec

    written = msgspec.json.encode(encode(value))
    read = decode(msgspec.json.decode(written, type=Attribute))
    assert read == value
    assert type(read) is type(value)


def test_what_has_no_attribute() -> None:
    with pytest.raises(TypeError):
        encode(object())
    with pytest.raises(ValueError, match="unknown type"):
        decode(Attribute())


def test_items_come_back() -> None:
    some = [item("ä€😀", b""), item("a" * 5_000, b"x" * 70_000), item("same"), item("same", b"2")]
    assert items_of(index_of(some), bodies_of(some)) == some


def test_no_key_is_too_long_and_owners_are_apart() -> None:
    assert len(home_key("o" * 900, "€" * 900, "h").pk.encode()) < 2_048
    assert home_key("a", "1#b", "h") != home_key("a#1", "b", "h")


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES_MAX - 1, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1, 3 * PIECE_BYTES_MAX])
def test_pieces_have_every_byte_once(size: int) -> None:
    blob = os.urandom(size)
    split = Split("p", {"large": blob, "small": b"x"}, "v", 100)
    if size <= 100:
        assert (split.pieces, split.inline["large"]) == ([], blob)
        return
    assert (split.inline, split.lengths) == ({"large": b"", "small": b"x"}, {"large": size})
    assert b"".join(piece["data"] for piece in split.pieces) == blob
    assert max(len(piece["data"]) for piece in split.pieces) <= PIECE_BYTES_MAX
    assert [Key(piece["pk"], piece["sk"]) for piece in split.pieces] == piece_keys("p", "large", "v", size)


def test_the_trail_of_a_long_chain_is_short_and_leads_everywhere() -> None:
    trails, known = Trails(), {}
    names = [f"resp_{n}" for n in range(3_000)]
    for before, name in pairwise([None, *names]):
        trail = trails.after(before)
        trails.remember(str(name), trail)
        known[str(name)] = trail
        assert len(trail.near) <= NEAR_MAX
        assert len(trail.far) <= FAR_MAX
        assert trail_of(trail.attributes()) == trail
    reached, steps, wanted = set(), 0, {names[-1]}
    while wanted:
        reached |= wanted
        wanted = {each for name in wanted for each in (*known[name].near, *known[name].far)} - reached
        steps += 1
        if steps == 3:
            assert len(reached) >= 1_000
    assert reached == set(names)
    assert steps <= 3 + 3_000 // 500
