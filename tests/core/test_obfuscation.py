"""Padding hides how long a piece is."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from penstock.obfuscation import padding


@given(st.text())
def test_padding_fills_up_to_sixteen_bytes(text: str) -> None:
    pad = padding(text)
    assert 1 <= len(pad) <= 16
    assert (len(msgspec.json.encode(text)) - 2 + len(pad)) % 16 == 0
    assert len(msgspec.json.encode(pad)) == len(pad) + 2
