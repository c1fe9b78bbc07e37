"""The Lua scripts: each is a file, after the library that they share, with its digest in Redis.

A script is atomic: no other client sees a part of its changes. It is read at its first use, and loaded into the server
when the server does not know it.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files

import msgspec

PREFIX = "{penstock}:"
"""The prefix of every key. It is a hash tag: all keys share one slot, so that a script may use any of them."""


class Script(msgspec.Struct, frozen=True):
    """A script's text, and the digest by which Redis knows it."""

    text: str
    digest: str


@cache
def script(name: str) -> Script:
    """The script of that name."""
    folder = files(__package__) / "lua"
    text = "".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("lib", name))
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
