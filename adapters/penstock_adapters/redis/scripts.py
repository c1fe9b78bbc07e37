"""The Lua scripts: each a file beside this one, behind the library that they share, and what it is called in Redis.

A script is one step: nobody sees a half of what it does. It is read when it is first used, and loaded into the server
when that says that it does not know it.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files

import msgspec

PREFIX = "{penstock}:"
"""What every key begins with. It is a hash tag: all keys share one slot, so that a script may touch any of them."""


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
