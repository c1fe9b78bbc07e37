"""The request cache: instructions and tools that a client sends again and again are decoded once.

An entry has its owner and its very bytes. In a body that holds such bytes again, a short placeholder takes their place;
the short body is decoded, and the cached values replace the placeholders. The cache finds where a name stands in JSON
text, and judges nothing: `decode` reads a body in which anything is wrong as a whole, without the cache.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from penstock.json_codec import Decoder, encode
from penstock.limits import Limits
from penstock.wire import CreateResponse, Tool

from .json_bounds import Marks, has_at_most, marks_in

if TYPE_CHECKING:  # the planning, a later step, makes the selection; the cache only stores it
    from penstock.engine.planning.tool_selection import ToolSelection

_VALUE_BYTES_MIN = 1_000
"""A shorter value is decoded faster than it is found."""
_SHARE_MAX = 8
"""A value takes at most one part of so many of `request_cache_bytes_max`."""
_COST = 6
"""The memory of an entry, in multiples of its bytes: the text, the decoded value, the plan of the tools, and JSON."""
_PREFIX_BYTES = 128
"""Entries are found by their first bytes, this many."""
_SAME_PREFIX_MAX = 4
"""How many entries may have one prefix."""
_SEEN_MAX = 1_000
"""How many values that came once are noted."""
_BEGINNING_BYTES = 500
_PLACES_MAX = 16
"""A name is looked for at this many places, the last ones of the body: it may stand within other values, too."""

_COLON = re.compile(rb"[ \t]*:[ \t]*")
_READ: dict[str, Callable[[bytes], Any]] = {
    "tools": Decoder[list[Tool]](list[Tool]).decode,
    "instructions": msgspec.json.Decoder(str).decode,
}
"""How each value is decoded. `tools` comes first, since both names may stand within tools."""
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KEYS = {name: b'"%b"' % name.encode() for name in _READ}

Prefix: TypeAlias = tuple[str, str, bytes]
"""The owner of a value, the name of its parameter, and its first bytes."""


class CachedValue(msgspec.Struct, eq=False):
    """A parameter that was decoded before."""

    prefix: Prefix
    raw: bytes
    value: Any
    marks: Marks
    json: msgspec.Raw | None = None
    """The value as a Response shows it. The planning encodes it once."""
    selection: ToolSelection | None = None
    """What the model is offered where these are the only tools and `tool_choice` is "auto"."""


class Shortened(NamedTuple):
    """A body with placeholders for cached values."""

    body: bytes
    cached: Mapping[str, CachedValue]


class RequestCache:
    """The cached values of all owners; the least recently used one is evicted first. Any thread may use it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._bytes_left = limits.request_cache_bytes_max
        self._by_prefix: dict[Prefix, list[CachedValue]] = {}
        self._by_last_use: dict[CachedValue, None] = {}
        self._seen: dict[tuple[str, str, int], None] = {}
        """Values that came once: owner, name, and hash."""
        self._behind = dict.fromkeys(_READ, 0)
        """How many bytes stood behind each name where it was found last: a client writes all its bodies in one way."""
        self._placeholder = secrets.token_hex()
        """No client can guess it: a parameter that has it was a cached value."""
        self._placeholders = {
            "tools": b'[{"type":"function","name":"%b"}]' % self._placeholder.encode(),
            "instructions": b'"%b"' % self._placeholder.encode(),
        }

    def shorten(self, owner: str, body: bytes) -> Shortened | None:
        """Return the body without cached values; None where it has none, or where its bounds need a closer look."""
        if not _may_be_shortened(body):
            return None
        shortened, found = body, {}
        with self._lock:
            for name in _READ:
                start, cached = self._find(owner, name, shortened)
                if cached is not None:
                    shortened = b"".join(
                        (shortened[:start], self._placeholders[name], shortened[start + len(cached.raw) :])
                    )
                    found[name] = cached
        if not found or not self._is_within_bounds(shortened, found.values()):
            return None
        return Shortened(shortened, found)

    def confirms(self, shortened: Shortened, request: CreateResponse) -> bool:
        """Say whether each placeholder stood at the parameter of its name. `request` is the decoded short body."""
        if "instructions" in shortened.cached and request.instructions != self._placeholder:
            return False
        tools = request.tools or ()
        return "tools" not in shortened.cached or (
            len(tools) == 1 and getattr(tools[0], "name", "") == self._placeholder
        )

    def note(self, owner: str, body: bytes, request: CreateResponse) -> None:
        """Take the values of a valid body: a value that comes for the second time is cached."""
        if not _may_be_shortened(body):
            return
        for name in _READ:
            value = getattr(request, name)
            if value and self._is_second(owner, name, encode(value)):
                self._note(owner, name, bytes(_decode_fields(body)[name]))

    def _is_second(self, owner: str, name: str, text: bytes) -> bool:
        if not _VALUE_BYTES_MIN <= len(text) <= self._limits.request_cache_bytes_max // (_COST * _SHARE_MAX):
            return False
        seen = owner, name, hash(text)
        with self._lock:
            is_second = seen in self._seen
            self._seen[seen] = None
            if len(self._seen) > _SEEN_MAX:
                del self._seen[next(iter(self._seen))]
        return is_second

    def _note(self, owner: str, name: str, text: bytes) -> None:
        cached = CachedValue(_prefix(owner, name, text, 0), text, _READ[name](text), marks_in(text))
        with self._lock:
            self._add(cached)

    def _find(self, owner: str, name: str, body: bytes) -> tuple[int, CachedValue | None]:
        """Return where the cached value of this name begins, and the value."""
        for place in _places(name, body, len(body) - self._behind[name]):
            if colon := _COLON.match(body, place):
                start = colon.end()
                if cached := self._cached_at(_prefix(owner, name, body, start), body, start):
                    self._behind[name] = len(body) - place
                    return start, cached
        return 0, None

    def _cached_at(self, prefix: Prefix, body: bytes, start: int) -> CachedValue | None:
        """Return the cached value that begins here. No text of a list or a string begins with that of another one."""
        for cached in self._by_prefix.get(prefix, ()):
            if body.startswith(cached.raw, start):
                del self._by_last_use[cached]
                self._by_last_use[cached] = None
                return cached
        return None

    def _add(self, cached: CachedValue) -> None:
        same_prefix = self._by_prefix.setdefault(cached.prefix, [])
        if any(each.raw == cached.raw for each in same_prefix):
            return
        same_prefix.append(cached)
        self._by_last_use[cached] = None
        self._bytes_left -= _COST * len(cached.raw)
        if len(same_prefix) > _SAME_PREFIX_MAX:
            self._evict(same_prefix[0])
        while self._bytes_left < 0:
            self._evict(next(iter(self._by_last_use)))

    def _evict(self, cached: CachedValue) -> None:
        same_prefix = self._by_prefix[cached.prefix]
        same_prefix.remove(cached)
        if not same_prefix:
            del self._by_prefix[cached.prefix]
        del self._by_last_use[cached]
        self._bytes_left += _COST * len(cached.raw)

    def _is_within_bounds(self, shortened: bytes, cached: Iterable[CachedValue]) -> bool:
        """Say whether the whole body is surely within its bounds: the marks of cached values were counted before."""
        values, keys = self._limits.json_values_max, self._limits.json_keys_max
        for each in cached:
            values -= each.marks.values
            keys -= each.marks.keys
        return has_at_most(shortened, values=values, keys=keys)


def _places(name: str, body: bytes, likely: int) -> Iterator[int]:
    """Yield where a name ends, likely places first: where it was last, near the beginning, and behind the input."""
    key = _KEYS[name]
    if body.endswith(key, 0, max(likely, 0)):
        yield likely
    if (place := body.find(key, 0, _BEGINNING_BYTES)) >= 0:
        yield place + len(key)
    place = len(body)
    for _ in range(_PLACES_MAX):
        place = body.rfind(key, 0, place)
        if place < 0:
            return
        yield place + len(key)


def _prefix(owner: str, name: str, text: bytes, start: int) -> Prefix:
    return owner, name, text[start : start + _PREFIX_BYTES]


def _may_be_shortened(body: bytes) -> bool:
    """Whether it may hold a long value. What stands on several lines is read on one, so that its bytes are others."""
    return len(body) >= _VALUE_BYTES_MIN and b"\n" not in body and b"\r" not in body
