"""Padding against who watches the sizes of packets: each delta is filled up to a multiple of sixteen bytes.

It knows lengths only. The characters are random, so that compression on the way does not give the length back.
"""

from __future__ import annotations

import secrets

import msgspec

_STEP_BYTES = 16

_encode = msgspec.json.Encoder().encode


def padding(text: str) -> str:
    """Random characters, as many as bring the text's JSON to the next multiple of sixteen bytes; never none."""
    missing = _STEP_BYTES - (len(_encode(text)) - 2) % _STEP_BYTES
    return secrets.token_urlsafe(_STEP_BYTES)[:missing]
