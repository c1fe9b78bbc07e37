"""Padding against attackers who observe the sizes of packets: each delta is padded to a multiple of sixteen bytes.

It knows lengths only. The padding is random, so that compression does not reveal the length.
"""

from __future__ import annotations

import secrets

import msgspec

_STEP_BYTES = 16

_encode = msgspec.json.Encoder().encode


def padding(text: str) -> str:
    """Random characters that fill the text's JSON up to the next multiple of sixteen bytes. There is at least one."""
    missing = _STEP_BYTES - (len(_encode(text)) - 2) % _STEP_BYTES
    return secrets.token_urlsafe(_STEP_BYTES)[:missing]
